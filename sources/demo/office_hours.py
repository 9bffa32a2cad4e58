"""When people at work do things: moments of the demo company's clock, not what is done then."""

from datetime import UTC, date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from sources.demo.company import AS_OF

_BERLIN = ZoneInfo("Europe/Berlin")


def midnight(day: date) -> datetime:
    """The beginning of the day in Berlin, in UTC."""
    return datetime.combine(day, time(), _BERLIN).astimezone(UTC)


END = midnight(AS_OF)


def office_moment(rng: Random, after: datetime, before: datetime) -> datetime:
    """A whole second (UTC) strictly between two others, in office hours where these allow it.

    Raises ValueError where there is no whole second between them.
    """
    drawn = after + timedelta(seconds=rng.randrange(1, int((before - after).total_seconds())))
    local = drawn.astimezone(_BERLIN)
    local -= timedelta(days=max(0, local.weekday() - 4))
    local = local.replace(
        hour=rng.randrange(8, 18), minute=rng.randrange(60), second=rng.randrange(60)
    )
    moment = local.astimezone(UTC)
    return moment if after < moment < before else drawn
