"""What is known of the demo company's customers outside accounting, with the defects of real life.

The records are drawn in `crm_books`, `newsletter_lists` and `voices`; who serves them or writes
them into files imports them from here.
"""

import functools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from sources.demo.crm_books import draw_crm_books
from sources.demo.crm_records import (
    Crm,
    CrmActivity,
    CrmCompany,
    CrmContact,
    CrmDeal,
    CrmNote,
    still_there,
)
from sources.demo.dealings import read_dealings
from sources.demo.newsletter_lists import (
    INTERESTS,
    Campaign,
    ConsentEvent,
    NewsletterAction,
    Subscriber,
    draw_newsletter,
)
from sources.demo.voices import Review, Ticket, draw_reviews, draw_tickets
from sources.demo.world import World

__all__ = [
    "Campaign",
    "ConsentEvent",
    "Crm",
    "CrmActivity",
    "CrmCompany",
    "CrmContact",
    "CrmDeal",
    "CrmNote",
    "NewsletterAction",
    "Relations",
    "Review",
    "Subscriber",
    "Ticket",
    "draw_relations",
    "still_there",
]


@dataclass(frozen=True)
class Relations:
    """All records, and the truth about their defects.

    crm has the keys "hubspot" and "pipedrive". truth: system or portal → class of defect → how many
    records have it; "quarantined" is the number of records that the gate must stop there.
    """

    crm: Mapping[str, Crm]
    tickets: tuple[Ticket, ...]
    subscribers: tuple[Subscriber, ...]
    interests: tuple[str, ...]
    campaigns: tuple[Campaign, ...]
    newsletter_actions: tuple[NewsletterAction, ...]
    reviews: tuple[Review, ...]
    truth: Mapping[str, Mapping[str, int]]


@functools.cache
def draw_relations(world: World) -> Relations:
    """Draw CRM books, newsletter, complaints and reviews: the same for the same world."""
    dealings = read_dealings(world)
    crm, crm_truth = draw_crm_books(world, dealings, _stream(world, "crm"))
    tickets, ticket_truth = draw_tickets(world, dealings, crm["hubspot"], _stream(world, "tickets"))
    subscribers, campaigns, actions, newsletter_truth = draw_newsletter(
        world, dealings, _stream(world, "newsletter")
    )
    reviews, review_truth = draw_reviews(world, dealings, _stream(world, "reviews"))
    truth: dict[str, Counter[str]] = {}
    for part in (crm_truth, ticket_truth, newsletter_truth, review_truth):
        for system, counts in part.items():
            # Not `+`, which would leave out what was counted as zero.
            truth.setdefault(system, Counter()).update(counts)
    return Relations(
        crm=crm,
        tickets=tickets,
        subscribers=subscribers,
        interests=INTERESTS,
        campaigns=campaigns,
        newsletter_actions=actions,
        reviews=reviews,
        truth={system: dict(counts) for system, counts in truth.items()},
    )


def _stream(world: World, topic: str) -> Random:
    """Random numbers of one topic, whatever other topics drew (a text seeds through SHA-512)."""
    return Random(f"relations {world.seed} {topic}")
