"""What the demo company's invoices tell about a customer: who buys, who left, who is loyal.

It is what the people of the company know when they write into a CRM, a review or a complaint.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from sources.demo.company import AS_OF, FIRST_DAY
from sources.demo.world import Invoice, InvoiceLine, World

# The product group of hours, journeys and inspections.
SERVICES = "DL"

_SILENT_DAYS = 180
_SILENT_INTERVALS = 3
_LOYAL_FROM = 6


@dataclass(frozen=True)
class Dealings:
    """invoices: customer number → its invoices that were not undone, oldest first.

    left: bought more than once, then fell silent for three intervals and 180 days. loyal: bought
    six times or more and still does. articles: what was sold, the newest price each.
    """

    invoices: dict[str, tuple[Invoice, ...]]
    left: frozenset[str]
    loyal: frozenset[str]
    articles: tuple[InvoiceLine, ...]


def read_dealings(world: World) -> Dealings:
    """Read all invoices of the world once."""
    documents = list(world.invoices(FIRST_DAY, AS_OF))
    credited: dict[str, Decimal] = defaultdict(Decimal)
    for document in documents:
        if document.is_credit_note:
            credited[document.credits] -= document.net
    invoices = defaultdict(list)
    articles = {}
    for document in documents:
        if document.is_credit_note:
            continue
        articles.update((line.product_code, line) for line in document.lines)
        if document.customer is not None and credited[document.number] < document.net:
            invoices[document.customer].append(document)
    left, loyal = set(), set()
    for number, bought in invoices.items():
        interval = (bought[-1].on - bought[0].on) / len(bought)
        silence = AS_OF - bought[-1].on
        if len(bought) > 1 and silence > max(timedelta(_SILENT_DAYS), _SILENT_INTERVALS * interval):
            left.add(number)
        elif len(bought) >= _LOYAL_FROM:
            loyal.add(number)
    return Dealings(
        invoices={number: tuple(bought) for number, bought in invoices.items()},
        left=frozenset(left),
        loyal=frozenset(loyal),
        articles=tuple(articles[code] for code in sorted(articles)),
    )
