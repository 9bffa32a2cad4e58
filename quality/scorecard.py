"""The ten questions about a source (A1-A10), answered from figures. Nothing is measured here.

Pure functions: only the two files of data beside this module are read, fields.yml (which column
provides what, and who needs it) and scoring.yml (weights and thresholds). An answer holds names of
fields and columns of the contracts, and counts; never a value, nor a header the contract does not
know: above a list without a header, the first customer stands there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as attributes_of
from functools import cache
from itertools import combinations
from math import fsum
from pathlib import Path
from statistics import median

import yaml

FIELDS_FILE = Path(__file__).with_name("fields.yml")
SCORING_FILE = Path(__file__).with_name("scoring.yml")

QUESTIONS = tuple(f"A{number}" for number in range(1, 11))
# A7 is none of them: its wins follow from the rank, so a source that won once would win forever.
QUESTIONS_OF_TRUST = QUESTIONS[:5]
KINDS_OF_KEYS = ("customer", "person", "order", "domain", "vat_id", "profile", "phone")
NAMED_AT_MOST = 5


@dataclass(frozen=True)
class Field:
    """One field of fields.yml: what it is needed for and which columns provide it.

    columns maps a source to its columns ("table.column"), any one of which will do. is_asked_of_all
    says whether a source of the area that is not listed lacks the field.
    """

    name: str
    area: str
    is_asked_of_all: bool
    is_golden: bool
    key: str | None
    needed_for: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]

    def is_asked_of(self, source: str, area: str) -> bool:
        """Whether a source should have the field."""
        return self.area == area and (self.is_asked_of_all or source in self.columns)


@dataclass(frozen=True)
class Scoring:
    """Weights and thresholds; scoring.yml says of each what it does. Raises ValueError."""

    weights: Mapping[str, float]
    age_zero_at_promised_ages: float
    pulls_part_of_reliability: float
    rows_to_correct_zero_at_share: float
    format_errors_zero_at_share: float
    points_off_per_missing_column: float
    points_off_per_unknown_column: float
    days_part_of_access: float
    gap_zero_at_promised_ages: float
    points_for_owner: float
    points_for_access: float
    points_for_automated: float
    wins_part_of_contribution: float
    filled_from_share: float
    kinds_of_keys_for_full_score: float

    def __post_init__(self) -> None:
        if tuple(self.weights) != QUESTIONS:
            raise ValueError(f"weights: name {', '.join(QUESTIONS)}, once and in this order")
        if min(self.weights.values()) < 0:
            raise ValueError("weights: none may be negative")
        for name in (attribute.name for attribute in attributes_of(self)):
            value = getattr(self, name)
            if name.endswith("_at_promised_ages") and value <= 1:
                raise ValueError(f"{name}: must be above 1, where the promise is still kept")
            if name.endswith(("_share", "_full_score")) and value <= 0:
                raise ValueError(f"{name}: must be above 0")
            if "_part_of_" in name and not 0 <= value <= 1:
                raise ValueError(f"{name}: must lie between 0 and 1")
            if name.startswith("points_") and value < 0:
                raise ValueError(f"{name}: must not be negative")
        if self.points_for_owner + self.points_for_access + self.points_for_automated != 100:
            raise ValueError("points_for_owner, _access and _automated: must sum to 100")


@dataclass(frozen=True)
class Figures:
    """What the caller knows about one source at one run.

    pulls and checks are those of the last 30 runs, oldest first, true where nothing went wrong;
    days_reached of days_asked are the days of the last 30 with a complete read and with a pull.
    fills maps "table.column" to (filled, rows) over the loads in force; a column that is not in it
    is empty. linked_rows are those that name a customer by a key of their own, of all rows,
    weighted by amount where there is one. wins_share is None before identities exist.
    """

    source: str
    area: str
    title: str
    owner: str
    access: str
    is_by_hand: bool
    promised_age_hours: float
    newest_change_age_hours: float | None
    last_arrival_age_hours: float | None
    pulls: Sequence[bool]
    checks_passed: int
    checks_made: int
    landed_rows: int
    accepted_rows: int
    rows_to_correct: int
    rows_with_format_errors: int
    columns_missing: Sequence[str]
    columns_unknown: Sequence[str]
    days_reached: int
    days_asked: int
    longest_gap_days: float | None
    fills: Mapping[str, tuple[int, int]]
    linked_rows: tuple[float, float]
    wins_share: float | None


@dataclass(frozen=True)
class Answer:
    """One question answered: score from 0 to 100 (None: cannot be known yet) and what is behind it.

    figure says it in plain words, value as a number; its unit stands at the question's function.
    """

    question: str
    score: float | None
    figure: str
    value: float | None


@dataclass(frozen=True)
class Scores:
    """All ten answers of one source, in order; total is their weighted mean over the known ones."""

    source: str
    answers: tuple[Answer, ...]
    total: float | None


@cache
def read_fields(path: Path = FIELDS_FILE) -> tuple[Field, ...]:
    """The fields of fields.yml, in its order. Raises ValueError where an entry is malformed."""
    found = []
    for area, content in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        if content["asked_of"] not in {"all", "listed"}:
            raise ValueError(f"{path.name}: {area}: asked_of must be all or listed")
        for entry in content["fields"]:
            place = f"{path.name}: {area}: {entry.get('field')}"
            if unknown := set(entry) - {"field", "golden", "key", "needed_for", "from"}:
                raise ValueError(f"{place}: does not know {', '.join(sorted(unknown))}")
            if entry.get("key") not in {None, *KINDS_OF_KEYS}:
                raise ValueError(f"{place}: key must be one of {', '.join(KINDS_OF_KEYS)}")
            found.append(
                Field(
                    name=entry["field"],
                    area=area,
                    is_asked_of_all=content["asked_of"] == "all",
                    is_golden=entry.get("golden", False),
                    key=entry.get("key"),
                    needed_for=tuple(entry["needed_for"]),
                    columns={name: tuple(columns) for name, columns in entry["from"].items()},
                )
            )
    return tuple(found)


@cache
def read_scoring(path: Path = SCORING_FILE) -> Scoring:
    """The weights and thresholds of scoring.yml. Raises ValueError where one makes no sense."""
    try:
        return Scoring(**yaml.safe_load(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path.name}: {error}") from error


def score(
    figures: Figures, scoring: Scoring | None = None, fields: Sequence[Field] | None = None
) -> Scores:
    """All ten answers and their total, the weighted mean over the answers that are known."""
    scoring = scoring or read_scoring()
    fields = read_fields() if fields is None else fields
    answers = (
        _how_current(figures, scoring),
        _how_reliable(figures, scoring),
        _what_to_correct(figures, scoring),
        _does_the_format_fit(figures, scoring),
        _always_accessible(figures, scoring),
        _who_exports_it(figures, scoring),
        _what_it_contributes(figures, scoring, fields),
        _understandable_alone(figures),
        _what_is_missing(figures, scoring, fields),
        _what_could_be_linked(figures, scoring, fields),
    )
    return Scores(figures.source, answers, _weighted_mean(answers, scoring.weights, QUESTIONS))


def trend(totals: Sequence[float | None]) -> float | None:
    """Change in points from the first to the last known total, oldest first; None: fewer than two.

    Theil-Sen: the median of the slopes between all pairs of runs, times the runs in between, so
    that one bad night changes nothing.
    """
    known = [(run, total) for run, total in enumerate(totals) if total is not None]
    if len(known) < 2:
        return None
    slopes = [(after - before) / (j - i) for (i, before), (j, after) in combinations(known, 2)]
    return median(slopes) * (known[-1][0] - known[0][0])


def priority(scores: Iterable[Scores], scoring: Scoring | None = None) -> dict[str, int]:
    """Rank of each source in survivorship, 1 = the most trusted; no two share a rank.

    Only A1-A5 speak of trust. A7 is left out although it is about the golden record: its share of
    wins follows from this rank and would feed itself. Equal to a tenth of a point is a tie, which
    the source's name decides; sources of which nothing is known come last. Raises ValueError where
    a source appears twice.
    """
    scoring = scoring or read_scoring()
    order = []
    for one in scores:
        trust = _weighted_mean(one.answers, scoring.weights, QUESTIONS_OF_TRUST)
        order.append((trust is None, -round(trust or 0.0, 1), one.source))
    ranks = {source: rank for rank, (_, _, source) in enumerate(sorted(order), start=1)}
    if len(ranks) < len(order):
        raise ValueError("a source was scored twice")
    return ranks


def _how_current(figures: Figures, scoring: Scoring) -> Answer:
    """A1 = 100 up to the promised age, falling evenly to 0 at so many promised ages. Value: hours.

    Where no column says when a record was changed, the last arrival stands in for it.
    """
    age, what = figures.newest_change_age_hours, "newest change"
    if age is None:
        age, what = figures.last_arrival_age_hours, "age of the changes unknown, last arrival"
    if age is None:
        return Answer("A1", None, "nothing has arrived yet", None)
    when = f"{age:.0f} h old" if age >= 0 else f"dated {-age:.0f} h ahead"
    return Answer(
        "A1",
        _kept(age, figures.promised_age_hours, scoring.age_zero_at_promised_ages),
        f"{what} {when}, promised {figures.promised_age_hours:.0f} h",
        age,
    )


def _how_reliable(figures: Figures, scoring: Scoring) -> Answer:
    """A2 = 100 x weighted mean of the shares of pulls and checks that succeeded. Value: a share.

    Two shares and not one: a run has one pull and a hundred checks, which would drown it.
    """
    good, pulls = sum(map(bool, figures.pulls)), len(figures.pulls)
    part = scoring.pulls_part_of_reliability
    share = _blend(
        (_share(good, pulls), part),
        (_share(figures.checks_passed, figures.checks_made), 1 - part),
    )
    if share is None:
        return Answer("A2", None, "neither pulled nor checked yet", None)
    figure = (
        f"{good} of {pulls} pulls and {figures.checks_passed:,} of {figures.checks_made:,} checks "
        "succeeded"
    )
    return Answer("A2", _points(share), figure, share)


def _what_to_correct(figures: Figures, scoring: Scoring) -> Answer:
    """A3 = 100 x (1 - share of landed rows to correct / share at which it is 0). Value: rows."""
    share = _share_of_rows(figures.rows_to_correct, figures.landed_rows)
    if share is None:
        return Answer("A3", None, "no row has landed yet", None)
    figure = (
        f"{figures.rows_to_correct:,} rows to correct out of {figures.landed_rows:,} landed, "
        f"{figures.accepted_rows:,} accepted"
    )
    worth = _points(1 - share / scoring.rows_to_correct_zero_at_share)
    return Answer("A3", worth, figure, figures.rows_to_correct)


def _does_the_format_fit(figures: Figures, scoring: Scoring) -> Answer:
    """A4 = 100 x (1 - share of rows with format errors / share at which it is 0) - points a column.

    Missing and unknown columns each cost their points. Value: rows with format errors. Unknown
    columns are counted only: their names come from the file, not from the contract.
    """
    missing, unknown = len(figures.columns_missing), len(figures.columns_unknown)
    share = _share_of_rows(figures.rows_with_format_errors, figures.landed_rows)
    if share is None and not missing and not unknown:
        return Answer("A4", None, "no row has landed yet", None)
    off = missing * scoring.points_off_per_missing_column
    off += unknown * scoring.points_off_per_unknown_column
    worth = _points(1 - (share or 0.0) / scoring.format_errors_zero_at_share - off / 100)
    named = f" ({_listed(sorted(figures.columns_missing), ', ')})" if missing else ""
    figure = (
        f"{figures.rows_with_format_errors:,} of {figures.landed_rows:,} rows with format errors; "
        f"columns: {missing} missing{named}, {unknown} unknown"
    )
    return Answer("A4", worth, figure, figures.rows_with_format_errors)


def _always_accessible(figures: Figures, scoring: Scoring) -> Answer:
    """A5 = 100 x weighted mean of the share of days reached and the longest gap. Value: the share.

    The gap counts 1 up to the promised age and falls evenly to 0 at so many promised ages: a file
    that is due once a month may be absent for a month.
    """
    share = _share(figures.days_reached, figures.days_asked)
    if share is None:
        return Answer("A5", None, "not pulled on any of the last 30 days", None)
    gap, gap_kept, named = figures.longest_gap_days, None, "longest gap unknown"
    if gap is not None:
        promised_days = figures.promised_age_hours / 24
        gap_kept = _kept(gap, promised_days, scoring.gap_zero_at_promised_ages) / 100
        named = f"longest gap {gap:.1f} days, promised {promised_days:.1f}"
    part = scoring.days_part_of_access
    figure = f"read completely on {figures.days_reached} of {figures.days_asked} days; {named}"
    return Answer("A5", _points(_blend((share, part), (gap_kept, 1 - part))), figure, share)


def _who_exports_it(figures: Figures, scoring: Scoring) -> Answer:
    """A6 = points where an owner is named + where the way is stated + where no hand is needed.

    Value: how many of the three hold.
    """
    owner, access = figures.owner.strip(), figures.access.strip()
    holds = (bool(owner), bool(access), not figures.is_by_hand)
    points = (scoring.points_for_owner, scoring.points_for_access, scoring.points_for_automated)
    figure = (
        f"{owner or 'nobody named'}, {'by hand' if figures.is_by_hand else 'automated'}: "
        f"{access or 'no way of access stated'}"
    )
    worth = fsum(worth for held, worth in zip(holds, points, strict=True) if held)
    return Answer("A6", _points(worth / 100), figure, sum(holds))


def _what_it_contributes(figures: Figures, scoring: Scoring, fields: Sequence[Field]) -> Answer:
    """A7 = 100 x weighted mean of the share of wins and the mean fill of all golden fields.

    A golden field that the source does not feed counts 0; the mean fill alone decides as long as
    nobody knows who wins. Value: the mean fill, a share.
    """
    if _nothing_landed(figures):
        return Answer("A7", None, "no row has landed yet", None)
    fills: dict[str, float] = {}
    for field in fields:
        if field.is_golden:
            fills[field.name] = max(fills.get(field.name, 0.0), _fill(field, figures))
    if not fills:
        return Answer("A7", None, "no field is golden", None)
    mean = fsum(fills.values()) / len(fills)
    fed = sum(fill > 0 for fill in fills.values())
    part, wins = scoring.wins_part_of_contribution, figures.wins_share
    won = "wins not known yet" if wins is None else f"wins {_percent(wins)} of the field groups"
    figure = (
        f"feeds {fed} of {len(fills)} golden fields, all {len(fills)} filled to {_percent(mean)} "
        f"on average; {won}"
    )
    return Answer("A7", _points(_blend((wins, part), (mean, 1 - part))), figure, mean)


def _understandable_alone(figures: Figures) -> Answer:
    """A8 = 100 x share of rows, or of their amount, that name a customer. Value: the share."""
    linked, everything = figures.linked_rows
    share = _share(linked, everything)
    if share is None:
        return Answer("A8", None, "no row has landed yet", None)
    figure = f"{_percent(share)} names a customer by a key of its own, the rest needs other sources"
    return Answer("A8", _points(share), figure, share)


def _what_is_missing(figures: Figures, scoring: Scoring, fields: Sequence[Field]) -> Answer:
    """A9 = 100 x needed fields that the source provides and really fills / needed fields.

    Needed is what is asked of the source's area. Value: how many are missing. The figure names
    first what most capabilities wait for.
    """
    needed = [field for field in fields if field.is_asked_of(figures.source, figures.area)]
    if _nothing_landed(figures) or not needed:
        reason = "no row has landed yet" if needed else "no use case asks for a field of it"
        return Answer("A9", None, reason, None)
    missing = [field for field in needed if not _is_filled(field, figures, scoring)]
    figure = f"{len(needed) - len(missing)} of {len(needed)} needed fields"
    if missing:
        missing.sort(key=lambda field: -len(field.needed_for))
        figure += f"; missing: {_listed([_lack(field, figures) for field in missing], ', ')}"
    return Answer("A9", _points(1 - len(missing) / len(needed)), figure, len(missing))


def _what_could_be_linked(figures: Figures, scoring: Scoring, fields: Sequence[Field]) -> Answer:
    """A10 = 100 x kinds of keys found / kinds for the full score. Value: kinds found.

    A key is found where it is really filled; further sources are those that can hold one like it.
    """
    if _nothing_landed(figures):
        return Answer("A10", None, "no row has landed yet", None)
    found: dict[str, str] = {}
    others: set[str] = set()
    for kind in KINDS_OF_KEYS:
        alike = [field for field in fields if field.key == kind]
        filled = [field for field in alike if _is_filled(field, figures, scoring)]
        if filled:
            best = max(
                (column for field in filled for column in field.columns[figures.source]),
                key=lambda column: _fill_of(column, figures),
            )
            found[kind] = f"{kind} ({best} {_percent(_fill_of(best, figures))})"
            others |= {source for field in alike for source in field.columns}
    others.discard(figures.source)
    figure = f"keys found: {', '.join(found.values()) or 'none'}"
    if others:
        figure += f"; {len(others)} further sources can hold one of them"
    return Answer(
        "A10", _points(len(found) / scoring.kinds_of_keys_for_full_score), figure, len(found)
    )


def _kept(age: float, promised: float, zero_at: float) -> float:
    """100 while a promised age is kept, falling evenly to 0 at zero_at times that age."""
    late, span = age - promised, promised * (zero_at - 1)
    if late <= 0:
        return 100.0
    return 100.0 * max(0.0, 1 - late / span) if span > 0 else 0.0


def _points(share: float | None) -> float | None:
    return None if share is None else 100.0 * min(1.0, max(0.0, share))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _share(part: float, whole: float) -> float | None:
    """part of whole, 0 to 1; None where there is no whole."""
    return min(1.0, max(0.0, part / whole)) if whole > 0 else None


def _share_of_rows(rows: int, landed: int) -> float | None:
    """Rows of landed rows; rows of loads that are no longer in force may be more than those."""
    return _share(rows, max(rows, landed))


def _blend(*shares_and_parts: tuple[float | None, float]) -> float | None:
    """Weighted mean over the known shares; None where none is known."""
    known = [(share, part) for share, part in shares_and_parts if share is not None]
    parts = fsum(part for _, part in known)
    return fsum(share * part for share, part in known) / parts if parts > 0 else None


def _weighted_mean(
    answers: Iterable[Answer], weights: Mapping[str, float], questions: Sequence[str]
) -> float | None:
    return _blend(
        *(
            (answer.score, weights[answer.question])
            for answer in answers
            if answer.question in questions
        )
    )


def _nothing_landed(figures: Figures) -> bool:
    return not any(rows > 0 for _, rows in figures.fills.values())


def _fill_of(column: str, figures: Figures) -> float:
    return _share(*figures.fills.get(column, (0, 0))) or 0.0


def _fill(field: Field, figures: Figures) -> float:
    """How full the best filled column is: at least so many records have the field."""
    columns = field.columns.get(figures.source, ())
    return max((_fill_of(column, figures) for column in columns), default=0.0)


def _is_filled(field: Field, figures: Figures, scoring: Scoring) -> bool:
    return _fill(field, figures) >= scoring.filled_from_share


def _lack(field: Field, figures: Figures) -> str:
    empty = "; empty" if figures.source in field.columns else ""
    return f"{field.name} [{', '.join(field.needed_for)}{empty}]"


def _listed(names: Sequence[str], mark: str) -> str:
    rest = len(names) - NAMED_AT_MOST
    return mark.join([*names[:NAMED_AT_MOST], *([f"and {rest} more"] if rest > 0 else [])])
