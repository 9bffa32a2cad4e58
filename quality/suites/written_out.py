"""Rules that no contract can say: columns of one row held against each other, and bounds.

What needs a second table (a total against its lines, a payment against its invoice) is asked where
tables meet, in dbt.
"""

from dataclasses import dataclass, replace

from quality.rules import Family, Rule, Severity, Suite
from quality.suites.contract import ContractTable, column_named, read_moment, written

_PROOF_IS_WORTHLESS = "A confirmation without a request before it proves no consent."
_NOTHING_TO_SHOW = "Nobody could show what was agreed to, so that nothing may be sent on it."
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


@dataclass(frozen=True)
class Contradiction:
    """What the columns of a row cannot say together, as a DuckDB condition on a wrong row."""

    sentence: str
    column: str
    wrong: str
    harm: str
    remedy: str
    family: Family = "errors"
    severity: Severity = Severity.WARN


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


_FIVE_DIGITS = r"(\d\D*){5}"
_ADDRESS = r"[^@\s]+@[^@\s]+"
_ADDRESS_DOMAIN_OR_SHA1 = r"[^@\s]*@[^@\s]+|[0-9a-fA-F]{40}"
_IS_CONSENT = f"{written('decision')} = 'granted'"


def _has_no_form(column: str, email: str) -> str:
    """A condition on rows whose text their channel could not reach; by post it may be anything."""
    text = written(column)
    return (
        f"case {written('channel')} when 'email' then not regexp_full_match({text}, '{email}') "
        f"when 'phone' then not regexp_matches({text}, '{_FIVE_DIGITS}') end"
    )


_CONTRADICTIONS = {
    "consent_forms.declarations": (
        Contradiction(
            "consent_names_a_purpose",
            "purpose",
            f"{_IS_CONSENT} and {written('purpose')} = 'advertising'",
            "Consent to everything names no purpose, and counts for none.",
            "Write the purposes that the form names, a row and a number each.",
            severity=Severity.QUARANTINE,
        ),
        Contradiction(
            "consent_is_not_of_a_day_to_come",
            "signed_at",
            f"{_IS_CONSENT} and read_moment({written('signed_at')}) > _pulled_at + interval 1 day",
            "It would outlast every withdrawal before that day.",
            "Correct signed_at in the source.",
            severity=Severity.QUARANTINE,
        ),
        Contradiction(
            "consent_names_its_wording",
            "text_version",
            f"{_IS_CONSENT} and {written('text_version')} is null",
            _NOTHING_TO_SHOW,
            "Fill in text_version, which stands on the form, or ask for consent once more.",
        ),
        Contradiction(
            "consent_names_its_document",
            "document_ref",
            f"{_IS_CONSENT} and {written('document_ref')} is null",
            _NOTHING_TO_SHOW,
            "Fill in document_ref, where the form is kept, or ask for consent once more.",
        ),
        Contradiction(
            "contact_point_has_the_form_of_its_channel",
            "contact_point",
            _has_no_form("contact_point", _ADDRESS),
            "Nobody is reached there, nor found to be left in peace.",
            "Correct contact_point or channel in the source.",
            family="format",
        ),
    ),
    "blocking_lists.entries": (
        Contradiction(
            "entry_has_the_form_of_its_channel",
            "entry",
            _has_no_form("entry", _ADDRESS_DOMAIN_OR_SHA1),
            "Such an entry blocks nobody, and who asked for it would get advertising.",
            "Write an address, @domain or a SHA-1 of 40 hex digits for email, a number for phone.",
            family="format",
            # There is nothing in the row that would be lost.
            severity=Severity.QUARANTINE,
        ),
    ),
}


def with_own_rules(suite: Suite, table: ContractTable) -> Suite:
    """The suite with the rules that are written out for its table; they warn, but for those of a
    row that is worth nothing.

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
    for one in _CONTRADICTIONS.get(address, ()):
        prepared[f"{one.sentence}_not"] = f"case when {one.wrong} then 1 end"
        rules.append(
            Rule(
                name=one.sentence,
                column=one.column,
                looks_at=f"{one.sentence}_not",
                must="be_absent",
                family=one.family,
                severity=one.severity,
                harm=one.harm,
                remedy=one.remedy,
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
