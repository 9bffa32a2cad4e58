"""Rules that no contract can say: two columns of one row held against each other, and bounds.

What needs a second table (a total against its lines, a payment against its invoice) is asked where
tables meet, in dbt.
"""

from dataclasses import dataclass, replace

from quality.rules import Rule, Severity, Suite
from quality.suites.contract import ContractTable, column_named, read_moment

_PROOF_IS_WORTHLESS = "A confirmation without a request before it proves no consent."
_LATE_OR_EARLY = "Payment morale is counted from the due day: every payment would seem late."


@dataclass(frozen=True)
class Order:
    """Of two columns of a row, one says a moment that cannot lie before the other's.

    where narrows it to the rows that count at all, as a DuckDB condition.
    """

    sentence: str
    later: str
    earlier: str
    harm: str
    where: str = "true"


@dataclass(frozen=True)
class Bounds:
    """A number that can only lie between two others."""

    column: str
    least: float
    most: float
    harm: str


_ORDERS = {
    "lexware_office.vouchers": (
        Order(
            "due_date_is_not_before_voucher_date",
            "due_date",
            "voucher_date",
            _LATE_OR_EARLY,
            where="voucher_status not in ('draft', 'voided')",
        ),
    ),
    "datev.bookings": (
        Order("due_on_is_not_before_booked_on", "due_on", "booked_on", _LATE_OR_EARLY),
    ),
    "mailchimp.members": (
        Order(
            "confirmation_is_not_before_the_request",
            "timestamp_opt",
            "timestamp_signup",
            _PROOF_IS_WORTHLESS,
        ),
    ),
    "rapidmail.recipients": (
        Order(
            "confirmation_is_not_before_the_request",
            "activated_on",
            "created_on",
            _PROOF_IS_WORTHLESS,
        ),
        Order(
            "confirmed_moment_is_not_before_the_request",
            "activated_at",
            "created_at",
            _PROOF_IS_WORTHLESS,
        ),
    ),
    "product_registrations.registrations": (
        Order(
            "confirmation_is_not_before_the_request",
            "newsletter_confirmed_at",
            "registered_at",
            _PROOF_IS_WORTHLESS,
        ),
    ),
    "ticket_list.tickets": (
        Order(
            "complaint_is_not_closed_before_it_is_opened",
            "closed_at",
            "opened_at",
            "The time to a solution would be negative.",
        ),
    ),
    "review_list.reviews": (
        Order(
            "reply_is_not_before_the_review",
            "reply_at",
            "created_at",
            "The response rate would count a reply to something else.",
        ),
    ),
    "service_plan.contracts": (
        Order(
            "contract_does_not_end_before_it_starts",
            "ends_on",
            "starts_on",
            "A running contract would count as ended.",
        ),
    ),
}
_BOUNDS = {
    "mailchimp.members": (
        Bounds("avg_open_rate", 0, 1, "An engagement above all mails outweighs everyone."),
        Bounds("avg_click_rate", 0, 1, "An engagement above all mails outweighs everyone."),
    ),
    "credit_ratings.ratings": (
        Bounds("credit_index", 0, 10_000, "A slipped digit turns the best debtor into the worst."),
    ),
}


def with_own_rules(suite: Suite, table: ContractTable) -> Suite:
    """The suite with the rules that are written out for its table; they warn.

    Which of two values is wrong nobody can tell, and keeping the row out would lose what is right
    in it: an invoice, or a withdrawal.
    """
    address = f"{suite.source}.{suite.table}"
    prepared, rules = {}, []
    for order in _ORDERS.get(address, ()):
        later, earlier = (
            read_moment(column_named(table, name)) for name in (order.later, order.earlier)
        )
        prepared[f"{order.sentence}_seconds"] = (
            f"case when {order.where} then epoch({later}) - epoch({earlier}) end"
        )
        rules.append(
            Rule(
                name=order.sentence,
                column=order.later,
                looks_at=f"{order.sentence}_seconds",
                must="be_between",
                least=0,
                severity=Severity.WARN,
                harm=order.harm,
                remedy=f"Correct {order.later} or {order.earlier} in the source.",
            )
        )
    for bounds in _BOUNDS.get(address, ()):
        prepared[f"{bounds.column}_number"] = f"read_number({bounds.column}, _decimal_mark)::double"
        rules.append(
            Rule(
                name=f"{bounds.column}_is_plausible",
                column=bounds.column,
                looks_at=f"{bounds.column}_number",
                must="be_between",
                least=bounds.least,
                most=bounds.most,
                severity=Severity.WARN,
                harm=bounds.harm,
                remedy=f"Correct {bounds.column}: it lies between {bounds.least} and "
                f"{bounds.most:,}.",
            )
        )
    return replace(suite, rules=(*suite.rules, *rules), prepared={**suite.prepared, **prepared})
