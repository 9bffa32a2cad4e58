"""The demo company's Lexware Office: its books since the move there, answered as the vendor does.

The forms are those of the vendor's documentation (https://developers.lexware.io/docs/). What was
really bought and paid is drawn in `world.py`; how a server is started is known in `serving.py`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sources.contract import Connection, Secret
from sources.demo.company import AS_OF, CURRENCY
from sources.demo.documents import CASH_DISCOUNT_DAYS, CASH_DISCOUNT_PERCENT
from sources.demo.relations import Relations
from sources.demo.serving import refused
from sources.demo.world import Invoice, InvoiceLine, Organisation, Payment, Person, World

# The day of the move from the old accounting; contacts came along, older documents did not.
FIRST_VOUCHER_DAY = date(2025, 10, 1)
API_KEY = "demo-key-of-lexware-office"
REQUESTS_PER_SECOND = 400
DRAFTS, VOIDED = 3, 4

_BERLIN = ZoneInfo("Europe/Berlin")
_ORGANISATION_ID = str(uuid5(NAMESPACE_URL, "https://culinary-cooking.example"))
_COLLECTIVE_CUSTOMER = "Sammelkunde"
_ENDPOINTS = {
    "invoices": "invoice",
    "credit-notes": "creditnote",
    "down-payment-invoices": "downpaymentinvoice",
}
_DEFAULT_ROWS, _MOST_ROWS, _SEARCH_WINDOW = 25, 250, 10_000
_SORTABLE = ("voucherDate", "voucherNumber", "createdDate", "updatedDate")


@dataclass
class Books:
    """What the server holds, by id (details and payments by their voucher's); tests may change it.

    truth maps the id of a contact or voucher to its customer number; counter sales are not in it.
    counts says how often each oddity occurs. The key may not read paths that begin with one of
    forbidden.
    """

    contacts: dict[str, dict] = field(default_factory=dict)
    vouchers: dict[str, dict] = field(default_factory=dict)
    details: dict[str, dict] = field(default_factory=dict)
    payments: dict[str, dict] = field(default_factory=dict)
    truth: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    forbidden: set[str] = field(default_factory=set)


def id_of(kind: str, number: str) -> str:
    """The UUID of a contact, voucher or article, made from its number."""
    return str(uuid5(NAMESPACE_URL, f"https://culinary-cooking.example/{kind}/{number}"))


def books(world: World, relations: Relations | None = None) -> Books:
    """All customers, and the documents from FIRST_VOUCHER_DAY on; relations say nothing of these.

    Besides there are a few drafts and voided invoices, which the world knows nothing of.
    """
    held = Books()
    people = defaultdict(list)
    for person in world.people:
        people[person.organisation].append(person)
    customers = {
        organisation.number: organisation
        for organisation in world.organisations
        if not organisation.number.startswith("L")
    }
    for number, organisation in customers.items():
        contact = _contact(organisation, people[number])
        held.contacts[contact["id"]] = contact
        held.truth[contact["id"]] = number
        held.counts["archived contact"] += contact["archived"]

    documents = list(world.invoices(FIRST_VOUCHER_DAY, AS_OF))
    invoices = [document for document in documents if not document.is_credit_note]
    moved = {invoice.number for invoice in invoices}
    related = {}
    for document in documents:
        if document.credits in moved:
            related[document.number] = document.credits
            related[document.credits] = document.number
    for document in documents:
        customer = customers.get(document.customer)
        _enter(held, document, customer, related.get(document.number), _status(document))
    for place, invoice in enumerate(invoices[: DRAFTS + VOIDED]):
        unfinished = replace(
            invoice, number=f"RE-2025-9{place:05d}", on=invoices[-1].on, payments=()
        )
        status = "draft" if place < DRAFTS else "voided"
        _enter(held, unfinished, customers.get(invoice.customer), None, status)
        held.counts[status] += 1
    return held


def connection(base_url: str) -> Connection:
    """How the connector reaches this server, a little slower than it may."""
    return Connection(
        options={
            "base_url": f"{base_url}/v1",
            "history_from": "2021-01-01",
            "requests": str(REQUESTS_PER_SECOND - 50),
            "seconds": "1",
        },
        secrets={"api_key": Secret(API_KEY)},
    )


def app(held: Books) -> Starlette:
    """The vendor's API over these books, for the key API_KEY."""

    def guarded(answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
        async def endpoint(request: Request) -> Response:
            unauthorised = refused(request, "authorization", f"Bearer {API_KEY}")
            if unauthorised:
                return unauthorised
            if _first_part(request) in held.forbidden:
                return JSONResponse({"message": "Forbidden"}, 403)
            return answer(request)

        return endpoint

    def contacts(request: Request) -> Response:
        wanted = request.query_params.get("customer")
        rows = [
            contact
            for contact in held.contacts.values()
            if wanted in (None, str("customer" in contact["roles"]).lower())
        ]
        return _page(request, sorted(rows, key=_name), {"property": "name", "direction": "ASC"})

    def voucherlist(request: Request) -> Response:
        return _voucherlist(request, list(held.vouchers.values()))

    def details(request: Request) -> Response:
        voucher = held.vouchers.get(request.path_params["id"], {})
        if voucher.get("voucherType") != _ENDPOINTS[_first_part(request)]:
            return _error(request, 404, "Not Found")
        return JSONResponse(held.details[voucher["id"]])

    def payments(request: Request) -> Response:
        voucher = request.path_params["id"]
        if voucher not in held.vouchers:
            return _error(request, 404, "Not Found")
        if voucher not in held.payments:
            return _error(request, 406, "Not Acceptable")
        return JSONResponse(held.payments[voucher])

    return Starlette(
        routes=[
            Route("/v1/contacts", guarded(contacts)),
            Route("/v1/voucherlist", guarded(voucherlist)),
            *(Route(f"/v1/{endpoint}/{{id}}", guarded(details)) for endpoint in _ENDPOINTS),
            Route("/v1/payments/{id}", guarded(payments)),
        ]
    )


def _voucherlist(request: Request, rows: list[dict]) -> Response:
    asked = request.query_params
    sort, _, direction = asked.get("sort", "voucherDate,DESC").partition(",")
    try:
        types, states = asked["voucherType"].split(","), asked["voucherStatus"].split(",")
        if sort not in _SORTABLE or direction not in ("", "ASC", "DESC"):
            raise ValueError
        if types != ["any"]:
            rows = [row for row in rows if row["voucherType"] in types]
        if states != ["any"]:
            rows = [row for row in rows if _has_status(row, states)]
        for name in ("voucherDate", "createdDate", "updatedDate"):
            if f"{name}From" in asked:
                first = date.fromisoformat(asked[f"{name}From"]).isoformat()
                rows = [row for row in rows if row[name][:10] >= first]
            if f"{name}To" in asked:
                last = date.fromisoformat(asked[f"{name}To"]).isoformat()
                rows = [row for row in rows if row[name][:10] <= last]
    except (KeyError, ValueError):
        return _error(request, 400, "Bad Request")
    rows.sort(key=lambda row: (row[sort], row["id"]), reverse=direction == "DESC")
    return _page(request, rows, {"property": sort.lower(), "direction": direction or "ASC"})


def _has_status(row: dict, states: list[str]) -> bool:
    # Overdue comes by the clock: whoever asks for open gets those, too.
    return row["voucherStatus"] in states or (
        row["voucherStatus"] == "overdue" and "open" in states
    )


def _page(request: Request, rows: list[dict], sort: dict) -> Response:
    try:
        page = int(request.query_params.get("page", 0))
        size = int(request.query_params.get("size", _DEFAULT_ROWS))
    except ValueError:
        return _error(request, 400, "Bad Request")
    if not 1 <= size <= _MOST_ROWS:
        size = _DEFAULT_ROWS
    if (page + 1) * size > _SEARCH_WINDOW:
        return _error(request, 500, "Internal Server Error", "Maximum search window size exceeded")
    content = rows[page * size : (page + 1) * size]
    total = min(len(rows), _SEARCH_WINDOW)
    pages = -(-total // size)
    return JSONResponse(
        {
            "content": content,
            "first": page == 0,
            "last": page >= pages - 1,
            "totalPages": pages,
            "totalElements": total,
            "numberOfElements": len(content),
            "size": size,
            "number": page,
            "sort": [{**sort, "ignoreCase": False, "nullHandling": "NATIVE"}],
        }
    )


def _error(request: Request, status: int, error: str, message: str | None = None) -> Response:
    return JSONResponse(
        {
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "status": status,
            "error": error,
            "path": request.url.path,
            "traceId": "90d78d0777be",
            "message": message or error,
        },
        status,
    )


def _first_part(request: Request) -> str:
    return request.url.path.split("/")[2]


def _name(contact: dict) -> str:
    return contact["company"]["name"] if "company" in contact else contact["person"]["lastName"]


def _contact(organisation: Organisation, people: list[Person]) -> dict:
    number = organisation.number
    contact = {
        "id": id_of("contact", number),
        "organizationId": _ORGANISATION_ID,
        "version": int(number) % 7,
        "roles": {"customer": {"number": int(number)}},
        "addresses": {
            "billing": [
                {
                    "street": organisation.street,
                    "zip": organisation.postcode,
                    "city": organisation.city,
                    "countryCode": organisation.country,
                }
            ]
        },
        "phoneNumbers": {"business": [organisation.phone]},
        "archived": int(number) % 97 == 0,
    }
    sort = "business"
    if organisation.kind == "private":
        (person,) = people
        sort = "private"
        contact["person"] = _present(
            salutation=person.salutation, firstName=person.first_name, lastName=person.last_name
        )
    else:
        contact["company"] = {
            "name": organisation.name,
            "vatRegistrationId": organisation.vat_id,
            "allowTaxFreeInvoices": organisation.country != "DE",
            "contactPersons": [
                _present(
                    salutation=person.salutation,
                    firstName=person.first_name,
                    lastName=person.last_name,
                    primary=place == 0,
                    emailAddress=person.email,
                    phoneNumber=person.phone or person.mobile,
                )
                for place, person in enumerate(people)
            ],
        }
    if organisation.email:
        contact["emailAddresses"] = {sort: [organisation.email]}
    return contact


def _present(**members: object) -> dict:
    return {name: value for name, value in members.items() if value not in (None, "")}


def _status(document: Invoice) -> str:
    if not document.open_amount:
        return "paidoff" if document.is_credit_note else "paid"
    return "overdue" if document.due_on < AS_OF else "open"


def _enter(
    held: Books, document: Invoice, customer: Organisation | None, related: str | None, status: str
) -> None:
    """Write a document into list, details and payments; related is the number of the invoice that
    a credit note undoes, or of the credit note that undoes an invoice.
    """
    voucher = id_of("voucher", document.number)
    kind, other = "invoice", "creditnote"
    if document.is_credit_note:
        kind, other = other, kind
    place = int(document.number[-6:])
    created = _moment(document.on, time(8 + place % 9, place * 7 % 60, place * 13 % 60))
    paid = [_moment(payment.on, time(17, 42, 2)) for payment in document.payments]
    updated = max([created, *paid])
    is_open = status in ("open", "overdue")
    held.vouchers[voucher] = {
        "id": voucher,
        "voucherType": kind,
        "voucherStatus": status,
        "voucherNumber": document.number,
        "voucherDate": _moment(document.on),
        "createdDate": created,
        "updatedDate": updated,
        "dueDate": None if document.is_credit_note else _moment(document.due_on),
        "contactId": customer and id_of("contact", customer.number),
        "contactName": _listed_name(customer),
        "totalAmount": _number(document.gross),
        "openAmount": None
        if status == "draft"
        else _number(document.open_amount if is_open else 0),
        "currency": CURRENCY,
        "archived": False,
    }
    if customer:
        held.truth[voucher] = customer.number
    held.details[voucher] = {
        "id": voucher,
        "organizationId": _ORGANISATION_ID,
        # The list has whole seconds.
        "createdDate": created.replace(".000", ".480"),
        "updatedDate": updated.replace(".000", ".528"),
        "version": 1 + len(document.payments),
        "language": "de",
        "archived": False,
        "voucherStatus": "open" if is_open else status,
        "voucherNumber": document.number,
        "voucherDate": _moment(document.on),
        "address": _address(customer),
        "electronicDocumentProfile": "NONE",
        **_sums(document, customer),
        "relatedVouchers": []
        if related is None
        else [
            {
                "id": id_of("voucher", related),
                "voucherNumber": related,
                "voucherType": other,
            }
        ],
        **(_of_a_credit_note(document) if document.is_credit_note else _of_an_invoice(document)),
    }
    if status != "draft" and not (document.is_credit_note and related):
        held.payments[voucher] = _payment(document, kind, status, is_open)
        held.counts["quoted open amount"] += isinstance(held.payments[voucher]["openAmount"], str)


def _moment(day: date, at: time = time()) -> str:
    return datetime.combine(day, at, _BERLIN).isoformat(timespec="milliseconds")


def _number(amount: Decimal | int) -> float:
    """Positive on credit notes, too."""
    return float(abs(amount))


def _listed_name(customer: Organisation | None) -> str:
    if customer is None:
        return _COLLECTIVE_CUSTOMER
    if customer.kind == "private":
        return ", ".join(reversed(customer.name.split()))
    return customer.name


def _address(customer: Organisation | None) -> dict:
    if customer is None:
        return {"contactId": None, "name": _COLLECTIVE_CUSTOMER, "countryCode": "DE"}
    return {
        "contactId": id_of("contact", customer.number),
        "name": customer.name,
        "street": customer.street,
        "city": customer.city,
        "zip": customer.postcode,
        "countryCode": customer.country,
    }


def _sums(document: Invoice, customer: Organisation | None) -> dict:
    is_export = customer is not None and customer.country == "CH"
    net, tax = _number(document.net), _number(document.tax)
    return {
        "lineItems": [_line(line, document) for line in document.lines],
        "totalPrice": {
            "currency": CURRENCY,
            "totalNetAmount": net,
            "totalGrossAmount": _number(document.gross),
            "totalTaxAmount": tax,
        },
        "taxAmounts": [
            {
                "taxRatePercentage": document.lines[0].tax_rate,
                "taxAmount": tax,
                "netAmount": net,
            }
        ],
        "taxConditions": {"taxType": "thirdPartyCountryDelivery" if is_export else "net"},
    }


def _line(line: InvoiceLine, document: Invoice) -> dict:
    item = {
        "id": id_of("article", line.product_code),
        "type": "material" if line.unit == "Stück" else "service",
        "name": line.product_name,
        "description": f"Artikelnummer {line.product_code}",
        "quantity": _number(line.quantity),
        "unitName": line.unit,
        "unitPrice": {
            "currency": CURRENCY,
            "netAmount": _number(line.unit_price),
            "grossAmount": _number(line.unit_price * (100 + line.tax_rate) / 100),
            "taxRatePercentage": line.tax_rate,
        },
        "lineItemAmount": _number(line.net_amount),
    }
    return item if document.is_credit_note else {**item, "discountPercentage": 0}


def _of_a_credit_note(document: Invoice) -> dict:
    return {
        "title": "Rechnungskorrektur",
        "introduction": f"Rechnungskorrektur zur Rechnung {document.credits}",
    }


def _of_an_invoice(document: Invoice) -> dict:
    days = (document.due_on - document.on).days
    return {
        "dueDate": _moment(document.due_on),
        "paymentConditions": {
            "paymentTermLabel": f"{CASH_DISCOUNT_DAYS} Tage - {CASH_DISCOUNT_PERCENT} %, "
            f"{days} Tage netto",
            "paymentTermDuration": days,
            "paymentDiscountConditions": {
                "discountPercentage": CASH_DISCOUNT_PERCENT,
                "discountRange": CASH_DISCOUNT_DAYS,
            },
        },
        "shippingConditions": {"shippingDate": _moment(document.on), "shippingType": "delivery"},
        "closingInvoice": False,
        "title": "Rechnung",
        "introduction": "Unsere Lieferungen/Leistungen stellen wir Ihnen wie folgt in Rechnung.",
    }


def _payment(document: Invoice, kind: str, status: str, is_open: bool) -> dict:
    items = [
        {
            "paymentItemType": sort,
            "postingDate": _moment(payment.on),
            "amount": _number(amount),
            "currency": CURRENCY,
        }
        for payment in document.payments
        for sort, amount in (
            (_payment_type(document, payment), payment.amount),
            ("cashDiscount", payment.cash_discount),
        )
        if amount
    ]
    open_amount = abs(document.open_amount)
    payment = {
        "openAmount": _number(open_amount if is_open else 0),
        "currency": CURRENCY,
        "paymentStatus": "openRevenue" if is_open else "balanced",
        "voucherType": kind,
        "voucherStatus": "open" if is_open else status,
        "paymentItems": items,
    }
    if is_open and items:
        # As in the vendor's own sample: some open amounts are quoted.
        payment["openAmount"] = f"{open_amount:.2f}"
    if status in ("paid", "paidoff"):
        last = max(payment.on for payment in document.payments)
        payment["paidDate"] = _moment(last, time(13, 42, 2, 123_000))
    return payment


def _payment_type(document: Invoice, payment: Payment) -> str:
    if payment.is_set_off:
        # What a credit note took off an invoice that stayed in the old accounting.
        return "manualPayment" if document.is_credit_note else "partPaymentCreditNote"
    return "partPaymentCashBox" if document.is_collective else "partPaymentFinancialTransaction"
