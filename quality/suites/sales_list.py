"""The rules of the sales list. How they are evaluated is not known here."""

from datetime import date

from quality.rules import Rule, Severity, Suite
from quality.suites.contract import (
    FITS_THE_HEADER,
    ContractTable,
    counted,
    plausible_day,
    record_key,
)
from quality.thresholds import Thresholds

_NUMBERS = ("quantity", "unit_price", "amount")

_PREPARED = {
    **{f"{name}_number": f"read_number({name}, _decimal_mark)::double" for name in _NUMBERS},
    **{
        f"{name}_unreadable": (
            f"case when read_number({name}, _decimal_mark) is null then {name} end"
        )
        for name in _NUMBERS
    },
    "invoiced_on": "read_day(date, _date_order)::timestamp",
    "line_amount": (
        "coalesce(read_number(quantity, _decimal_mark)::double"
        " * read_number(unit_price, _decimal_mark)::double,"
        " read_number(amount, _decimal_mark)::double)"
    ),
    "zero_unit_price": "case when read_number(unit_price, _decimal_mark) = 0 then unit_price end",
    "kind": "coalesce(document_kind, 'by_sign')",
    "printed": "coalesce(credit_note_amounts, 'negative')",
    "copy_number": (
        "row_number() over (partition by invoice_number, date, customer_number, customer_name,"
        " email, product_code, product, quantity, unit_price, amount order by _row)"
    ),
    "customer": (
        "coalesce(nullif(trim(customer_number), ''), nullif(trim(email), ''),"
        " nullif(trim(customer_name), ''))"
    ),
}


def suite(table: ContractTable, thresholds: Thresholds, *, pulled_on: date) -> Suite:
    """The suite for loads pulled on a day."""
    largest = thresholds.largest_plausible_amount
    return Suite(
        source="sales_list",
        table="lines",
        thresholds=thresholds,
        prepared=_PREPARED,
        key=record_key(table),
        counted=counted(table),
        newest="invoiced_on",
        rules=(
            FITS_THE_HEADER,
            Rule(
                name="date_is_a_calendar_day",
                column="date",
                looks_at="invoiced_on",
                must="be_present",
                family="format",
                harm="A sale without a day belongs to no period and moves every deadline.",
                remedy="Write a day that exists, such as 31.12.2025 or 2025-12-31; for dates with "
                "slashes state date_order: dmy or mdy in the mapping.",
            ),
            plausible_day("date", "invoiced_on", thresholds, pulled_on),
            *(
                Rule(
                    name=f"{name}_is_a_number",
                    column=name,
                    looks_at=f"{name}_unreadable",
                    must="be_absent",
                    family="format",
                    harm="A number that cannot be read would count as nothing.",
                    remedy="Write digits with the decimal mark of the file; if the whole column "
                    "is refused, state decimal_mark in the mapping.",
                )
                for name in _NUMBERS
            ),
            Rule(
                name="line_has_an_amount",
                column="unit_price",
                looks_at="line_amount",
                must="be_present",
                harm="Revenue would be missing without a trace.",
                remedy="Fill in quantity and unit price, or the amount of the line.",
            ),
            Rule(
                name="amount_is_plausible",
                column="unit_price",
                looks_at="line_amount",
                must="be_between",
                least=-largest,
                most=largest,
                harm="One slipped decimal mark outweighs all other customers.",
                remedy=f"Correct quantity and price: no line amounts to {largest:,.0f}.",
            ),
            *_sign_rules(),
            Rule(
                name="currency_is_a_currency_code",
                column="currency",
                looks_at="currency",
                must="match",
                pattern=r"^\s*[A-Za-z]{3}\s*$",
                family="format",
                harm="An amount in a currency nobody knows cannot be converted.",
                remedy="Write the ISO 4217 code, such as EUR or CHF.",
            ),
            Rule(
                name="unit_price_is_not_zero",
                column="unit_price",
                looks_at="zero_unit_price",
                must="be_absent",
                severity=Severity.WARN,
                harm="A free item adds a line but no revenue; often the price was forgotten.",
                remedy="Look whether these items were free of charge.",
            ),
            Rule(
                name="line_stands_only_once_in_its_invoice",
                column="invoice_number",
                looks_at="copy_number",
                must="be_between",
                most=1,
                severity=Severity.WARN,
                harm="If the second line is a slip of the export, revenue is counted twice.",
                remedy="Compare with the invoice; a line that was really sold twice may stay.",
            ),
            Rule(
                name="line_names_a_customer",
                column="customer_number",
                looks_at="customer",
                must="be_present",
                severity=Severity.WARN,
                harm="An anonymous sale counts as revenue but for no customer.",
                remedy="Enter the customer number in the source where the buyer is known.",
            ),
            Rule(
                name="email_looks_like_an_address",
                column="email",
                looks_at="email",
                must="match",
                pattern=r"^\s*[^@\s]+@[^@\s]+\.[^@\s.]{2,}\s*$",
                family="format",
                severity=Severity.WARN,
                harm="Nobody can be written to, and records of one customer do not meet.",
                remedy="Correct the address in the source.",
            ),
        ),
    )


def _sign_rules() -> tuple[Rule, ...]:
    """Signs by the marker; a list without a marker has no misplaced sign (its sign tells)."""
    return (
        *(
            Rule(
                name=f"{name}_is_negative_only_on_credit_notes",
                column=name,
                looks_at=f"{name}_number",
                must="be_between",
                where=(("kind", "invoice"),),
                least=0,
                harm="A stock correction or a bad-debt booking would count as a return.",
                remedy="Mark the document as a credit note, or leave internal bookings out of the "
                "export.",
            )
            for name in _NUMBERS
        ),
        Rule(
            name="credit_note_takes_money_off",
            column="quantity",
            looks_at="line_amount",
            must="be_between",
            where=(("kind", "credit_note"), ("printed", "negative")),
            most=0,
            harm="A credit note with a positive amount would raise revenue.",
            remedy="If this export prints credit notes positive, state credit_note: amounts: "
            "positive in the mapping; otherwise correct the sign.",
        ),
        Rule(
            name="credit_note_printed_positive_is_positive",
            column="quantity",
            looks_at="line_amount",
            must="be_between",
            where=(("kind", "credit_note"), ("printed", "positive")),
            least=0,
            harm="The sign would be turned once too often and revenue raised.",
            remedy="State credit_note: amounts: negative in the mapping, or correct the sign.",
        ),
    )
