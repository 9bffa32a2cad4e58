"""The demo company's two CRMs, HubSpot and Pipedrive, put together from their parts.

Companies and contacts are drawn in `crm_parties`, what happened with them in `crm_history`, the
complaints that HubSpot keeps, too, in `voices`. How an API shows a record is known by the servers.
"""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import TypeVar

from sources.demo.crm_history import QUARANTINED_DEALS, draw_history
from sources.demo.crm_parties import draw_parties
from sources.demo.crm_records import (
    SYSTEMS,
    Crm,
    CrmActivity,
    CrmCompany,
    CrmContact,
    CrmDeal,
    CrmNote,
)
from sources.demo.dealings import Dealings
from sources.demo.world import World

# The smallest page a vendor serves by default.
_PAGE = 100

_Record = TypeVar("_Record", CrmCompany, CrmContact, CrmDeal, CrmNote, CrmActivity)


def draw_crm_books(
    world: World, dealings: Dealings, rng: Random
) -> tuple[dict[str, Crm], dict[str, Counter[str]]]:
    """Both CRMs by name, and for each the count of every class of defect in it."""
    # Whoever moved is known by the old address in one CRM only.
    outdated: dict[str, set[str]] = {system: set() for system in SYSTEMS}
    for organisation in world.organisations:
        known_to = [system for system in SYSTEMS if getattr(organisation, f"in_{system}")]
        if organisation.moved_on and known_to:
            outdated[rng.choice(known_to)].add(organisation.number)
    books = {}
    truths: dict[str, Counter[str]] = {}
    for system in SYSTEMS:
        truth = truths[system] = Counter()
        companies, contacts = draw_parties(system, world, outdated[system], rng, truth)
        history = draw_history(system, world, dealings, companies, contacts, rng, truth)
        lists = (companies, contacts, *history)
        for records in lists:
            _tie_page_edges(records)
            truth["equal_updated_at"] += _tied(records)
        truth["quarantined"] = sum(truth[defect] for defect in QUARANTINED_DEALS)
        books[system] = Crm(*map(tuple, lists))
    return books, truths


def _tie_page_edges(records: list[_Record]) -> None:
    """The last two records of a page and the first two of the next were changed together."""
    order = _by_change(records)
    for edge in range(_PAGE, len(order) - 1, _PAGE):
        together = order[edge - 2 : edge + 2]
        moment = records[together[-1]].updated_at
        for place in together:
            records[place] = replace(records[place], updated_at=moment)


def _by_change(records: list[_Record]) -> list[int]:
    there = [
        place
        for place, record in enumerate(records)
        if getattr(record, "deleted_at", None) is None
        and getattr(record, "merged_into", None) is None
    ]
    return sorted(there, key=lambda place: (records[place].updated_at, records[place].id))


def _tied(records: list[_Record]) -> int:
    moments = Counter(records[place].updated_at for place in _by_change(records))
    return sum(many for many in moments.values() if many > 1)
