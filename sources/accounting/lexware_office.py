"""Lexware Office (API): contacts, the voucher list, and line by line what was sold and paid.

What a status means and which amounts count is not decided here; how a request is sent, paced and
repeated is known in `sources.http`.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from sources.contract import (
    Column,
    Connection,
    Option,
    Parts,
    Pull,
    Reading,
    Source,
    SourceProblem,
    Table,
)
from sources.http import Api, NotPermitted, NotThere, Pace

if TYPE_CHECKING:
    from dlt.sources.helpers.rest_client.paginators import BasePaginator

log = logging.getLogger(__name__)

VENDOR = "Lexware Office"
# More in one query are not handed out, and totalElements stops there too.
MOST_ROWS = 10_000
ROWS_PER_PAGE = 250
# At two requests a second four minutes' work is the most that a killed pull loses.
VOUCHERS_PER_LOAD = 1_000
MOST_FAILURES = 10
# A voucher is dated ahead now and then, and a query needs an end that can be halved.
LAST_DAY = date(2099, 12, 31)
NOBODYS_ID = "00000000-0000-0000-0000-000000000000"

ENDPOINTS = {
    "invoice": "invoices",
    "creditnote": "credit-notes",
    "downpaymentinvoice": "down-payment-invoices",
}
VOUCHER_TYPES = (*ENDPOINTS, "salesinvoice", "salescreditnote")
VOUCHER_STATES = tuple(
    "draft open paid paidoff voided transferred sepadebit overdue unchecked".split()
)
UNFINISHED = {"draft", "unchecked"}
RIGHTS = {
    "contacts": ("contacts", {"size": 1}),
    "the voucher list": (
        "voucherlist",
        {"voucherType": "invoice", "voucherStatus": "any", "size": 1},
    ),
    "invoices": (f"invoices/{NOBODYS_ID}", {}),
    "credit notes": (f"credit-notes/{NOBODYS_ID}", {}),
    "down payment invoices": (f"down-payment-invoices/{NOBODYS_ID}", {}),
    "payments": (f"payments/{NOBODYS_ID}", {}),
}
REMEDY = (
    "Make a key at https://app.lexware.de/addons/public-api that may read "
    f"{', '.join(RIGHTS)}, and put it into the environment variable that stammkunde.yml names"
)

_VOUCHER_ID = Column(
    "voucher_id", "The voucher, as in vouchers.id.", required=True, path="voucherId"
)
_LISTED_UPDATE = Column(
    "voucher_updated_date",
    "vouchers.updated_date as it was when this was read: another one there means read it again.",
    kind="timestamp",
    required=True,
    path="voucherUpdatedDate",
)
_CURRENCY = Column("currency", "ISO 4217 code.", pattern="[A-Z]{3}")

CONTACTS = Table(
    name="contacts",
    grain="One row per contact with the role customer, archived ones included.",
    key=("id",),
    ignored=("organizationId",),
    columns=(
        Column("id", "Id of the contact (UUID).", required=True),
        Column("version", "Counts the changes of the contact.", kind="integer"),
        Column(
            "customer_number",
            "Number of the customer (Kundennummer).",
            kind="integer",
            personal="id",
            path="roles.customer.number",
        ),
        Column(
            "company_name",
            "Name of a company; null for a private person.",
            personal="name",
            path="company.name",
        ),
        Column(
            "vat_id",
            "VAT id of a company (USt-IdNr.).",
            personal="id",
            path="company.vatRegistrationId",
        ),
        Column("tax_number", "Tax number (Steuernummer).", personal="id", path="company.taxNumber"),
        Column(
            "contact_persons",
            "List of {salutation, firstName, lastName, primary, emailAddress, phoneNumber}.",
            kind="json",
            personal="name",
            path="company.contactPersons",
        ),
        Column("salutation", "Salutation of a private person.", path="person.salutation"),
        Column(
            "first_name",
            "First name of a private person.",
            personal="name",
            path="person.firstName",
        ),
        Column(
            "last_name", "Last name of a private person.", personal="name", path="person.lastName"
        ),
        Column(
            "billing_addresses",
            "List of {supplement, street, zip, city, countryCode}; the first one is printed.",
            kind="json",
            personal="address",
            path="addresses.billing",
        ),
        Column(
            "shipping_addresses",
            "List in the form of billing_addresses.",
            kind="json",
            personal="address",
            path="addresses.shipping",
        ),
        Column(
            "emails",
            "Object of lists by sort: business, office, private, other.",
            kind="json",
            personal="email",
            path="emailAddresses",
        ),
        Column(
            "phones",
            "Object of lists by sort: business, office, mobile, private, fax, other.",
            kind="json",
            personal="phone",
            path="phoneNumbers",
        ),
        Column("note", "What somebody noted on the contact.", personal="text"),
        Column("archived", "Whether the contact was put away.", kind="flag"),
    ),
)

VOUCHERS = Table(
    name="vouchers",
    grain="One row per invoice, credit note and down payment invoice, drafts included, and per "
    "sales voucher that was booked without being written here.",
    key=("id",),
    dated_by="updated_date",
    columns=(
        Column("id", "Id of the voucher (UUID).", required=True),
        Column(
            "voucher_type",
            "salesinvoice and salescreditnote were only booked here: they have no details.",
            required=True,
            path="voucherType",
            choices=VOUCHER_TYPES,
        ),
        Column(
            "voucher_status",
            "overdue: open and past its due date, a state that comes by the clock alone.",
            required=True,
            path="voucherStatus",
            choices=VOUCHER_STATES,
        ),
        Column("voucher_number", "Number printed on the voucher.", path="voucherNumber"),
        Column(
            "voucher_date",
            "Day of the voucher as midnight in Germany.",
            kind="timestamp",
            required=True,
            path="voucherDate",
        ),
        Column("created_date", "When it was entered.", kind="timestamp", path="createdDate"),
        Column(
            "updated_date",
            "When it or its status was last changed; becoming overdue changes nothing here.",
            kind="timestamp",
            required=True,
            path="updatedDate",
        ),
        Column("due_date", "Day it has to be paid.", kind="timestamp", path="dueDate"),
        Column(
            "contact_id",
            "contacts.id; null for the collective customer (Sammelkunde) and one-time addresses.",
            personal="id",
            path="contactId",
        ),
        Column("contact_name", "Name of the recipient.", personal="name", path="contactName"),
        Column(
            "total_amount",
            "Amount with tax, positive on credit notes too.",
            kind="decimal",
            path="totalAmount",
        ),
        Column(
            "open_amount",
            "What is still to be paid; null for drafts.",
            kind="decimal",
            path="openAmount",
        ),
        _CURRENCY,
        Column("archived", "Whether the voucher was put away.", kind="flag"),
    ),
)

VOUCHER_DETAILS = Table(
    name="voucher_details",
    grain="One row per finished invoice, credit note and down payment invoice.",
    key=("id",),
    # Lines have a table of their own, the list knows the state, and the rest is print.
    ignored=tuple(
        "lineItems organizationId createdDate archived voucherStatus files printLayoutId title "
        "remark deliveryTerms".split()
    ),
    columns=(
        Column("id", "Id of the voucher, as in vouchers.id.", required=True),
        _LISTED_UPDATE,
        Column("version", "Counts the changes of the voucher.", kind="integer"),
        Column(
            "updated_date",
            "When it was last changed; differs from the list's by up to a second.",
            kind="timestamp",
            path="updatedDate",
        ),
        Column("voucher_number", "Number printed on the voucher.", path="voucherNumber"),
        Column("voucher_date", "Day of the voucher.", kind="timestamp", path="voucherDate"),
        Column("due_date", "Day it has to be paid.", kind="timestamp", path="dueDate"),
        Column(
            "payment_term_days",
            "Days from the voucher date until it is due.",
            kind="integer",
            path="paymentConditions.paymentTermDuration",
        ),
        Column("contact_id", "contacts.id; null: none.", personal="id", path="address.contactId"),
        Column("recipient_name", "Name as printed.", personal="name", path="address.name"),
        Column(
            "recipient_supplement",
            "Second line of the address as printed.",
            personal="address",
            path="address.supplement",
        ),
        Column("recipient_street", "Street as printed.", personal="address", path="address.street"),
        Column("recipient_zip", "Postcode as printed.", personal="address", path="address.zip"),
        Column("recipient_city", "City as printed.", personal="address", path="address.city"),
        Column(
            "recipient_country",
            "ISO 3166 code of two letters, with a region where taxes differ (ES_CN).",
            path="address.countryCode",
        ),
        Column(
            "recipient_contact_person",
            "Contact person as printed.",
            personal="name",
            path="address.contactPerson",
        ),
        Column(
            "tax_type",
            "net or gross: what line_item_amount of the lines means; else why there is no tax.",
            path="taxConditions.taxType",
        ),
        Column("currency", "ISO 4217 code.", pattern="[A-Z]{3}", path="totalPrice.currency"),
        Column(
            "total_net_amount",
            "Net of all lines after discounts, positive on credit notes too.",
            kind="decimal",
            required=True,
            path="totalPrice.totalNetAmount",
        ),
        Column(
            "total_gross_amount",
            "Net and tax together.",
            kind="decimal",
            required=True,
            path="totalPrice.totalGrossAmount",
        ),
        Column("total_tax_amount", "Tax.", kind="decimal", path="totalPrice.totalTaxAmount"),
        Column(
            "total_discount_absolute",
            "Discount on the whole voucher, as an amount; no line holds it.",
            kind="decimal",
            path="totalPrice.totalDiscountAbsolute",
        ),
        Column(
            "total_discount_percentage",
            "Discount on the whole voucher, in per cent; no line holds it.",
            kind="decimal",
            path="totalPrice.totalDiscountPercentage",
        ),
        Column(
            "tax_amounts",
            "List of {taxRatePercentage, taxAmount, netAmount}.",
            kind="json",
            path="taxAmounts",
        ),
        Column(
            "related_vouchers",
            "List of {id, voucherNumber, voucherType}: of a credit note the invoice it undoes.",
            kind="json",
            path="relatedVouchers",
        ),
        Column(
            "is_closing_invoice",
            "Whether it totals what down payment invoices charged before (Schlussrechnung).",
            kind="flag",
            path="closingInvoice",
        ),
        Column(
            "down_payment_deductions",
            "Of a closing invoice: the down payment invoices it takes off.",
            kind="json",
            path="downPaymentDeductions",
        ),
        Column("introduction", "Text above the lines.", personal="text"),
    ),
)

VOUCHER_LINES = Table(
    name="voucher_lines",
    grain="One row per line of a voucher of voucher_details, text lines included.",
    key=("voucher_id", "position"),
    columns=(
        _VOUCHER_ID,
        Column("position", "1 for the first line.", kind="integer", required=True),
        Column("article_id", "Id of the article; null for a free line.", path="id"),
        Column(
            "type",
            "text: a remark without amounts.",
            required=True,
            choices=("material", "service", "custom", "text"),
        ),
        Column("name", "Name of the article or service."),
        Column("description", "What is printed below the name."),
        Column("quantity", "Quantity, positive on credit notes too.", kind="decimal"),
        Column("unit_name", "Unit of the quantity.", path="unitName"),
        Column("currency", "ISO 4217 code.", pattern="[A-Z]{3}", path="unitPrice.currency"),
        Column("unit_net_amount", "Net price.", kind="decimal", path="unitPrice.netAmount"),
        Column(
            "unit_gross_amount",
            "Price with tax.",
            kind="decimal",
            path="unitPrice.grossAmount",
        ),
        Column("tax_rate", "Tax in per cent.", kind="decimal", path="unitPrice.taxRatePercentage"),
        Column(
            "discount_percentage",
            "Discount on this line in per cent.",
            kind="decimal",
            path="discountPercentage",
        ),
        Column(
            "line_item_amount",
            "Amount after the line's discount; with tax where tax_type is gross.",
            kind="decimal",
            path="lineItemAmount",
        ),
    ),
)

PAYMENTS = Table(
    name="payments",
    grain="One row per finished voucher; credit notes that were set off with an invoice have none.",
    key=("voucher_id",),
    ignored=("paymentItems",),
    columns=(
        Column("voucher_id", "The voucher, as in vouchers.id.", required=True, path="id"),
        _LISTED_UPDATE,
        Column(
            "open_amount",
            "What is still to be paid, never negative.",
            kind="decimal",
            required=True,
            path="openAmount",
        ),
        _CURRENCY,
        Column(
            "payment_status",
            "balanced: nothing is open, which holds for voided vouchers too.",
            required=True,
            path="paymentStatus",
            choices=("balanced", "openRevenue", "openExpense"),
        ),
        Column("voucher_type", "As in vouchers.", path="voucherType"),
        Column("voucher_status", "As in vouchers, but never overdue.", path="voucherStatus"),
        Column(
            "paid_date",
            "When the last payment was made; null until nothing is open.",
            kind="timestamp",
            path="paidDate",
        ),
    ),
)

PAYMENT_ITEMS = Table(
    name="payment_items",
    grain="One row per payment, discount or write-off of a voucher.",
    key=("voucher_id", "position"),
    columns=(
        _VOUCHER_ID,
        Column("position", "1 for the first item.", kind="integer", required=True),
        Column(
            "type",
            "cashDiscount (Skonto), dunningCosts, currencyConversion and irrecoverableReceivable "
            "are no money that came in; partPaymentCreditNote is a credit note set off.",
            required=True,
            path="paymentItemType",
            choices=tuple(
                "partPaymentFinancialTransaction partPaymentCreditNote partPaymentCashBox "
                "manualPayment cashDiscount dunningCosts currencyConversion "
                "irrecoverableReceivable".split()
            ),
        ),
        Column(
            "posting_date",
            "Day it was booked.",
            kind="timestamp",
            required=True,
            path="postingDate",
        ),
        Column("amount", "Amount, positive.", kind="decimal", required=True),
        _CURRENCY,
    ),
)

# What of each table tells whether a voucher has to be read again.
MARKS = {
    VOUCHER_LINES: "position",
    VOUCHER_DETAILS: "voucher_updated_date",
    PAYMENT_ITEMS: "position",
    PAYMENTS: "voucher_updated_date",
}

OPTIONS = (
    Option("base_url", "Address of the API.", "https://api.lexware.io/v1"),
    Option("history_from", "Day of the first voucher to read.", "2015-01-01"),
    Option("requests", "How many requests are sent in so many seconds.", "2"),
    # Two in exactly one second are refused now and then: the network does not keep the distance.
    Option("seconds", "In how many seconds so many requests are sent.", "1.1"),
)
SECRETS = (Option("api_key", "API key of Lexware Office."),)


def pull(context: Pull) -> Iterator[Reading]:
    """Contacts and the voucher list whole; details and payments of the vouchers that need them.

    What marks a voucher as read (voucher_details, payments) comes after its lines and items, so
    that a pull killed in between reads them once more. Where the list cannot be read tonight, the
    lake's is worked off. A refused key ends the pull.
    """
    api, first_day = _reached(context.connection)
    for reading in (
        Reading(CONTACTS, _contacts(api), "everything"),
        Reading(VOUCHERS, _vouchers(api, first_day, LAST_DAY), "everything"),
    ):
        yield reading
        if any(isinstance(problem, NotPermitted) for problem in context.problems):
            return
    listed = _listed(context)
    held = {table: context.known(table, column) for table, column in MARKS.items()}
    yield from _left_over(held, listed)
    yield from _details(api, context, held, listed)
    yield from _payments(api, context, held, listed)


def check(context: Pull) -> list[str]:
    """One request per right; an id that nobody has is not found by whoever may look for it."""
    lacking = []
    try:
        api, _ = _reached(context.connection)
        for right, (path, params) in RIGHTS.items():
            try:
                api.one(path, params)
            except NotThere:
                continue
            except NotPermitted:
                lacking.append(right)
    except SourceProblem as problem:
        return [str(problem)]
    if len(lacking) == len(RIGHTS):
        return [f"{VENDOR} refuses the key. {REMEDY}"]
    return [f"the key may not read {right}. {REMEDY}" for right in lacking]


SOURCE = Source(
    name="lexware_office",
    title="Lexware Office (API)",
    area="accounting",
    tables=(CONTACTS, VOUCHERS, VOUCHER_DETAILS, VOUCHER_LINES, PAYMENTS, PAYMENT_ITEMS),
    owner="accounting",
    access="API key, made in Lexware Office under Erweiterungen → Public API.",
    promised_age_hours=36,
    pull=pull,
    check=check,
    options=OPTIONS,
    secrets=SECRETS,
)


def _reached(connection: Connection) -> tuple[Api, date]:
    options = connection.options
    try:
        first_day = date.fromisoformat(options["history_from"])
        pace = Pace(int(options["requests"]), float(options["seconds"]))
        if pace.requests < 1 or pace.seconds <= 0:
            raise ValueError
    except ValueError as error:
        raise SourceProblem(
            "lexware_office: write a day such as 2015-01-01 for history_from and numbers above "
            "zero for requests and seconds in stammkunde.yml"
        ) from error
    api = Api(
        VENDOR,
        options["base_url"],
        headers={"Authorization": f"Bearer {connection.secrets['api_key']}"},
        paces=(pace,),
        remedy=REMEDY,
    )
    return api, first_day


def _contacts(api: Api) -> Iterator[dict]:
    customers = {"customer": "true"}
    if _count(api, "contacts", customers) == MOST_ROWS:
        raise SourceProblem(
            f"{VENDOR}: there are {MOST_ROWS:,} customers or more, which is all it hands out; "
            "nothing of contacts was taken. Ask the vendor for another way to read them"
        )
    yield from _rows(api, "contacts", customers)


def _vouchers(api: Api, first: date, last: date) -> Iterator[dict]:
    """The list of these days, halved until the vendor hands out each part of it whole."""
    params = {
        "voucherType": ",".join(VOUCHER_TYPES),
        "voucherStatus": "any",
        "voucherDateFrom": first.isoformat(),
        "voucherDateTo": last.isoformat(),
        # What is added meanwhile is appended, so that it moves no row to a page already read.
        "sort": "createdDate,ASC",
    }
    found = _count(api, "voucherlist", params)
    if found < MOST_ROWS:
        if found:
            yield from _rows(api, "voucherlist", params)
    elif first == last:
        raise SourceProblem(
            f"{VENDOR}: on {first} there are {MOST_ROWS:,} vouchers or more, which is all it hands "
            "out; nothing of vouchers was taken. Ask the vendor for another way to read them"
        )
    else:
        middle = first + (last - first) // 2
        yield from _vouchers(api, first, middle)
        yield from _vouchers(api, middle + timedelta(days=1), last)


def _count(api: Api, path: str, params: Mapping[str, str]) -> int:
    count = api.one(path, {**params, "size": 1}).get("totalElements")
    if not isinstance(count, int):
        raise SourceProblem(
            f"{VENDOR}: {path} does not tell how many there are; the vendor changed its API: "
            "ask for a newer version of this connector"
        )
    return count


def _rows(api: Api, path: str, params: Mapping[str, str]) -> Iterator[dict]:
    return api.rows(
        path,
        at="content",
        paginator=_pages,
        params={**params, "size": ROWS_PER_PAGE},
        total="totalElements",
    )


def _pages() -> "BasePaginator":
    from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator

    return PageNumberPaginator(base_page=0, total_path="totalPages")


# Per table: keys of the records in the lake → what MARKS names.
Held = Mapping[Table, Mapping[tuple[str, ...], str | None]]


@dataclass(frozen=True)
class _Listed:
    """What the voucher list says of a voucher that has to be read or need not be."""

    type: str
    status: str
    updated: str

    @property
    def is_finished(self) -> bool:
        return self.status not in UNFINISHED


def _listed(context: Pull) -> dict[str, _Listed]:
    types = context.known(VOUCHERS, "voucher_type")
    states = context.known(VOUCHERS, "voucher_status")
    return {
        key[0]: _Listed(types[key], states[key], updated)
        for key, updated in context.known(VOUCHERS, "updated_date").items()
    }


def _left_over(held: Held, listed: Mapping[str, _Listed]) -> Iterator[Reading]:
    """Takes away what belonged to vouchers that are gone."""
    for table, records in held.items():
        gone = {voucher for voucher, *_ in records} - listed.keys()
        if gone:
            yield Reading(table, (), Parts(table.key[0], frozenset(gone)))


def _details(
    api: Api, context: Pull, held: Held, listed: Mapping[str, _Listed]
) -> Iterator[Reading]:
    # Lines that the gate refused are not known: their voucher is read again.
    with_lines = {voucher for voucher, _ in held[VOUCHER_LINES]}
    due = {
        voucher: ENDPOINTS[said.type]
        for voucher, said in listed.items()
        if said.type in ENDPOINTS
        and said.is_finished
        and (held[VOUCHER_DETAILS].get((voucher,)) != said.updated or voucher not in with_lines)
    }
    yield from _read(api, context, listed, due, VOUCHER_DETAILS, VOUCHER_LINES, "lineItems")


def _payments(
    api: Api, context: Pull, held: Held, listed: Mapping[str, _Listed]
) -> Iterator[Reading]:
    balances = context.known(PAYMENTS, "payment_status")
    relations = context.known(VOUCHER_DETAILS, "related_vouchers")
    due = {
        voucher: "payments"
        for voucher, said in listed.items()
        for key in [(voucher,)]
        if said.is_finished
        and (held[PAYMENTS].get(key) != said.updated or balances[key] != "balanced")
        and (said.type != "creditnote" or (key in relations and not _undoes(relations[key])))
    }
    yield from _read(api, context, listed, due, PAYMENTS, PAYMENT_ITEMS, "paymentItems")


def _undoes(related: str | None) -> bool:
    """Whether a credit note is set off with an invoice: for those no payments are told."""
    return any(other.get("voucherType") == "invoice" for other in json.loads(related or "[]"))


def _read(
    api: Api,
    context: Pull,
    listed: Mapping[str, _Listed],
    due: Mapping[str, str],
    table: Table,
    parts: Table,
    field: str,
) -> Iterator[Reading]:
    """Readings of the vouchers that are due (id → endpoint): first the parts that stand in a field
    of the answer, then the rest of it, unless the parts could not be landed.
    """
    for answers in _answers(api, context, due, field):
        problems = len(context.problems)
        yield Reading(
            parts,
            (
                {"voucherId": voucher, "position": position, **part}
                for voucher, answer in answers.items()
                for position, part in enumerate(answer[field], start=1)
            ),
            Parts("voucher_id", frozenset(answers)),
        )
        if len(context.problems) == problems:
            yield Reading(
                table,
                (
                    {**answer, "id": voucher, "voucherUpdatedDate": listed[voucher].updated}
                    for voucher, answer in answers.items()
                ),
                "changes",
            )


def _answers(
    api: Api, context: Pull, due: Mapping[str, str], field: str
) -> Iterator[dict[str, dict]]:
    """What the vendor tells of each voucher, VOUCHERS_PER_LOAD at a time.

    One that cannot be read is a problem in `context` and spoils no other, as long as they are few.
    Raises NotPermitted.
    """
    answers: dict[str, dict] = {}
    failures = 0
    refused = None
    # In one order every night: a load that the gate refused is known again by its checksum.
    for voucher, endpoint in sorted(due.items()):
        try:
            answers[voucher] = _with_list(api.one(f"{endpoint}/{voucher}"), endpoint, field)
        except NotThere as gone:
            log.warning("%s; it was in the list a moment ago", gone)
        except NotPermitted as problem:
            refused = problem
            break
        except SourceProblem as problem:
            log.error("%s", problem)
            context.problems.append(problem)
            failures += 1
            if failures == MOST_FAILURES:
                break
        if len(answers) == VOUCHERS_PER_LOAD:
            yield answers
            answers = {}
    if answers:
        yield answers
    if refused:
        raise refused


def _with_list(answer: dict, endpoint: str, field: str) -> dict:
    if not isinstance(answer.get(field), list):
        raise SourceProblem(
            f"{VENDOR}: an answer of {endpoint} has no list {field}; the vendor changed its API: "
            "ask for a newer version of this connector"
        )
    return answer
