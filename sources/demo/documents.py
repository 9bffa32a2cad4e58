"""The demo company's invoices and credit notes with their taxes, due dates and payments.

What was bought stands in the books of `company.py`; here it becomes what accounting knows of it,
and who pays late is decided. Amounts are counted in cents and shown as euros.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from sources.demo.company import DAYS, FIRST_DAY, Books, Topic, stream

# Per cent for every country of a customer; counter sales are sold at home.
TAX_RATES = {"DE": 19, "AT": 20, "CH": 0}
TERMS = (14, 30)
CASH_DISCOUNT_DAYS = 10
CASH_DISCOUNT_PERCENT = 2
LATE_PAYERS_PERCENT = 12


@dataclass(frozen=True)
class Payment:
    """Money that settles a document, or a set-off between an invoice and its credit note.

    What a document still owes falls by amount and cash_discount (Skonto) together. Both have the
    sign of the document: what a credit note settles is negative there and positive on its invoice.
    """

    on: date
    amount: Decimal
    cash_discount: Decimal
    is_set_off: bool


@dataclass(frozen=True)
class InvoiceLine:
    """One article on a document; quantity and net_amount are negative on credit notes.

    product_group is the first part of the article number; tax_rate is in per cent; net_amount is
    rounded to cents, half up.
    """

    product_code: str
    product_name: str
    product_group: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    tax_rate: int
    net_amount: Decimal


@dataclass(frozen=True)
class Invoice:
    """An invoice or credit note; a collective one is a counter sale without a customer.

    credits is the number of the invoice that a credit note undoes. payments are those before
    AS_OF; net, tax and gross are negative on credit notes.
    """

    number: str
    customer: str | None
    on: date
    due_on: date
    is_credit_note: bool
    credits: str | None
    lines: tuple[InvoiceLine, ...]
    net: Decimal
    tax: Decimal
    gross: Decimal
    payments: tuple[Payment, ...]
    is_collective: bool

    @property
    def open_amount(self) -> Decimal:
        """What is neither paid nor deducted nor set off, with the sign of the document."""
        return self.gross - sum(part.amount + part.cash_discount for part in self.payments)


@dataclass(frozen=True)
class _Payments:
    """All payments in the order of their documents (places in the ledger) and days."""

    document: np.ndarray
    day: np.ndarray
    cents: np.ndarray
    discount: np.ndarray
    is_set_off: np.ndarray


@dataclass(frozen=True)
class Documents:
    """The ledger in cents, with due days and payments; its places are those of the ledger.

    first_line has an entry more than there are documents: lines of document d are those from
    first_line[d] to first_line[d + 1].
    """

    books: Books
    first_line: np.ndarray
    line_net: np.ndarray
    tax_rate: np.ndarray
    net: np.ndarray
    tax: np.ndarray
    due: np.ndarray
    payments: _Payments
    late_payers: frozenset[str]

    def between(self, first: date, before: date) -> Iterator[Invoice]:
        """The documents from a day on and before another, in the order of their export."""
        ledger, products = self.books.ledger, self.books.products
        start, end = np.searchsorted(
            ledger.day, [(day - FIRST_DAY).days for day in (first, before)]
        ).tolist()
        articles = [
            (code, name, group, _unit(group, step))
            for code, name, group, step in zip(
                products.codes, products.names, products.groups, products.step.tolist(), strict=True
            )
        ]
        first_payment = np.searchsorted(self.payments.document, np.arange(start, end + 1)).tolist()
        for place, paid in zip(range(start, end), itertools.pairwise(first_payment), strict=True):
            customer = ledger.customer[place]
            is_credit_note = bool(ledger.is_credit_note[place])
            net, tax = int(self.net[place]), int(self.tax[place])
            yield Invoice(
                number=ledger.numbers[place],
                customer=self.books.customers.numbers[customer] if customer >= 0 else None,
                on=_date(ledger.day[place]),
                due_on=_date(self.due[place]),
                is_credit_note=is_credit_note,
                credits=ledger.numbers[ledger.credits[place]] if is_credit_note else None,
                lines=self._lines(place, articles),
                net=_euros(net),
                tax=_euros(tax),
                gross=_euros(net + tax),
                payments=self._payments(slice(*paid)),
                is_collective=bool(customer < 0),
            )

    def _lines(
        self, document: int, articles: list[tuple[str, str, str, str]]
    ) -> tuple[InvoiceLine, ...]:
        lines = self.books.ledger.lines
        places = slice(*self.first_line[document : document + 2])
        rate = int(self.tax_rate[document])
        return tuple(
            InvoiceLine(*article, _quantity(hundredths), unit, _euros(cents), rate, _euros(net))
            for (*article, unit), hundredths, cents, net in zip(
                (articles[product] for product in lines.product[places].tolist()),
                lines.hundredths[places].tolist(),
                lines.cents[places].tolist(),
                self.line_net[places].tolist(),
                strict=True,
            )
        )

    def _payments(self, places: slice) -> tuple[Payment, ...]:
        paid = self.payments
        return tuple(
            Payment(_date(day), _euros(cents), _euros(discount), is_set_off)
            for day, cents, discount, is_set_off in zip(
                paid.day[places].tolist(),
                paid.cents[places].tolist(),
                paid.discount[places].tolist(),
                paid.is_set_off[places].tolist(),
                strict=True,
            )
        )


def draw_documents(books: Books, countries: dict[str, str], seed: int) -> Documents:
    """What accounting makes of the books; countries maps every customer number to DE, AT or CH."""
    ledger = books.ledger
    lines = ledger.lines
    first_line = np.searchsorted(lines.document, np.arange(len(ledger.day) + 1))
    line_net = _half_up(lines.hundredths * lines.cents, 100)
    net = np.add.reduceat(line_net, first_line[:-1])
    # The last entry, home, is for counter sales: customer −1.
    home = TAX_RATES["DE"]
    rates = [TAX_RATES[countries[number]] for number in books.customers.numbers]
    rate = np.array([*rates, home])[ledger.customer]
    tax = _half_up(net * rate, 100)
    due, payments, late_payers = _draw_payments(books, net + tax, seed)
    return Documents(
        books=books,
        first_line=first_line,
        line_net=line_net,
        tax_rate=rate,
        net=net,
        tax=tax,
        due=due,
        payments=payments,
        late_payers=frozenset(books.customers.numbers[place] for place in late_payers.tolist()),
    )


def _draw_payments(
    books: Books, gross: np.ndarray, seed: int
) -> tuple[np.ndarray, _Payments, np.ndarray]:
    """When every document is due, what came in for it, and the places of those who pay late."""
    rng = stream(seed, Topic.PAYMENTS)
    ledger = books.ledger
    count, customers = len(gross), len(books.customers.numbers)
    is_counter = ledger.customer < 0
    notes = np.flatnonzero(ledger.is_credit_note)
    invoices = ledger.credits[notes]
    credited = np.zeros(count, dtype=int)
    credited[invoices] = -gross[notes]
    credit_day = np.zeros(count, dtype=int)
    credit_day[invoices] = ledger.day[notes]
    is_money_due = ~ledger.is_credit_note & (gross > credited)

    terms = rng.choice(TERMS, customers)
    # Only who owed something for long enough can be seen to pay late.
    owed = is_money_due & ~is_counter & (ledger.day < DAYS - 120)
    may_be_late = np.bincount(ledger.customer[owed], minlength=customers) > 0
    is_late = may_be_late & (rng.random(customers) < LATE_PAYERS_PERCENT / 100)
    lateness = rng.uniform(15, 50, customers)
    likes_discount = ~is_late & (rng.random(customers) < 0.3)

    # Counter sales, customer −1, find the last entry.
    of = ledger.customer
    due = ledger.day + np.where(ledger.is_credit_note, 0, np.append(terms, 0)[of])
    late = np.clip(np.append(lateness, 0)[of] + rng.normal(0, 6, count), 12, 60).astype(int)
    slip = np.where(rng.random(count) < 0.07, rng.integers(1, 8, count), -rng.integers(0, 6, count))
    day = due + np.where(np.append(is_late, False)[of], late, slip)
    takes_discount = np.append(likes_discount, False)[of] & (rng.random(count) < 0.85)
    takes_discount &= credited == 0
    early = ledger.day + rng.integers(5, CASH_DISCOUNT_DAYS + 1, count)
    day = np.where(takes_discount, early, day)
    # Banks book on no weekend; the Friday before keeps the terms kept.
    weekday = (day + FIRST_DAY.weekday()) % 7
    day = np.maximum(day - np.where(weekday >= 5, weekday - 4, 0), credit_day)
    day = np.where(is_counter, ledger.day, day)

    discount = np.where(takes_discount, _half_up(gross * CASH_DISCOUNT_PERCENT, 100), 0)
    owing = gross - credited - discount
    is_split = is_money_due & ~is_counter & ~takes_discount & (gross > 50_000)
    is_split &= rng.random(count) < 0.02
    part = np.where(is_split, (owing * rng.uniform(0.3, 0.7, count)).astype(int), owing)
    # A third of those who paid a part dispute the rest.
    rest_day = day + np.where(rng.random(count) < 0.33, DAYS, rng.integers(20, 46, count))

    paid, split = np.flatnonzero(is_money_due), np.flatnonzero(is_split)
    document = np.concatenate([notes, invoices, paid, split])
    days = np.concatenate([ledger.day[notes], ledger.day[notes], day[paid], rest_day[split]])
    cents = np.concatenate([gross[notes], -gross[notes], part[paid], (owing - part)[split]])
    discounts = np.zeros(len(document), dtype=int)
    discounts[2 * len(notes) : 2 * len(notes) + len(paid)] = discount[paid]
    is_set_off = np.arange(len(document)) < 2 * len(notes)
    # Nothing is paid before a set-off, and no rest before its first part: days stay in order.
    order = np.argsort(document, kind="stable")
    order = order[days[order] < DAYS]
    return (
        due,
        _Payments(document[order], days[order], cents[order], discounts[order], is_set_off[order]),
        np.flatnonzero(is_late),
    )


def _half_up(amount: np.ndarray, divisor: int) -> np.ndarray:
    """Divided and rounded half away from zero, so that a credit note mirrors its invoice."""
    return np.sign(amount) * ((2 * np.abs(amount) + divisor) // (2 * divisor))


def _date(day: int) -> date:
    return FIRST_DAY + timedelta(days=int(day))


def _euros(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def _quantity(hundredths: int) -> Decimal:
    return Decimal(hundredths).scaleb(-2) if hundredths % 100 else Decimal(hundredths // 100)


def _unit(group: str, step: int) -> str:
    if group != "DL":
        return "Stück"
    # What is sold by the half is an hour.
    return "Stunde" if step < 100 else "Pauschale"
