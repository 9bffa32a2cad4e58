"""What the gate says of consent forms and blocking lists beyond their contracts."""

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quality.gate import judging
from quality.rules import Severity
from quality.suites.catalogue import suite_for
from quality.thresholds import shipped
from sources.company.blocking_lists import ENTRIES
from sources.company.consent_forms import DECLARATIONS
from sources.contract import Table
from sources.landing import landed_schema

PULLED_ON = date(2026, 1, 1)
CONSENT = {
    "declaration_id": "17",
    "channel": "email",
    "contact_point": "anna@x.example",
    "purpose": "newsletter",
    "decision": "granted",
    "signed_at": "12.03.2025",
    "text_version": "messe-2025",
    "document_ref": "Blatt 17",
}
REFUSAL = CONSENT | {"decision": "objected", "text_version": None, "document_ref": None}
ENTRY = {"list_name": "own", "entry": "anna@x.example", "channel": "email"}
SHA1 = "86a61ee541736fdf46e46b6efb5408f01cfe4af1"


def broken(tmp_path: Path, source: str, table: Table, row: dict) -> dict[str, Severity]:
    """The rules that a row breaks, and what each does."""
    pulled_at = datetime(2026, 1, 1, tzinfo=UTC)
    stamped = {"_row": 2, "_load_id": "1", "_pulled_at": pulled_at, "_decimal_mark": ".", **row}
    landed = tmp_path / "part-00000.parquet"
    pq.write_table(pa.Table.from_pylist([stamped], schema=landed_schema(table)), landed)
    suite = suite_for(source, table, shipped(), pulled_on=PULLED_ON)
    with judging([landed], suite) as judgement:
        results = judgement.verdict.results
    return {result.rule.name: result.rule.severity for result in results if result.broken}


KEPT_OUT, COUNTED = Severity.QUARANTINE, Severity.WARN


@pytest.mark.parametrize(
    ("row", "rules"),
    [
        (CONSENT, {}),
        (CONSENT | {"decision": " granted ", "purpose": "review_request"}, {}),
        (CONSENT | {"signed_at": "12.03.2025 10:15"}, {}),
        (CONSENT | {"purpose": "advertising"}, {"consent_names_a_purpose": KEPT_OUT}),
        (CONSENT | {"text_version": " "}, {"consent_names_its_wording": COUNTED}),
        (CONSENT | {"document_ref": None}, {"consent_names_its_document": COUNTED}),
        (
            CONSENT | {"signed_at": "05.01.2199"},
            {"consent_is_not_of_a_day_to_come": KEPT_OUT, "signed_at_is_plausible": COUNTED},
        ),
        # A clock that is ahead of ours by less than a day.
        (CONSENT | {"signed_at": "2026-01-01T20:00:00Z"}, {}),
        (REFUSAL, {}),
        (REFUSAL | {"purpose": "advertising"}, {}),
        (REFUSAL | {"decision": "withdrawn", "purpose": "advertising"}, {}),
        (REFUSAL | {"signed_at": "05.01.2199"}, {"signed_at_is_plausible": COUNTED}),
        (REFUSAL | {"signed_at": "31.12.1989"}, {"signed_at_is_plausible": COUNTED}),
    ],
)
def test_consent_needs_what_a_refusal_does_not(tmp_path: Path, row: dict, rules: dict):
    assert broken(tmp_path, "consent_forms", DECLARATIONS, row) == rules


@pytest.mark.parametrize(
    ("channel", "contact_point", "is_one"),
    [
        ("email", "Anna@X.example", True),
        ("email", " anna@x.example ", True),
        ("email", "+43 1 2345", False),
        ("email", "@x.example", False),
        ("email", SHA1, False),
        ("phone", "+43 1 23 45", True),
        ("phone", "(01) 2345/6", True),
        ("phone", "anna@x.example", False),
        ("post", "Quirlweg 3, 1010 Kesselfing", True),
        ("post", "postlagernd", True),
    ],
)
def test_a_contact_point_of_another_form_than_its_channel_is_let_in_and_counted(
    tmp_path: Path, channel: str, contact_point: str, is_one: bool
):
    for row in (CONSENT, REFUSAL):
        said = row | {"channel": channel, "contact_point": contact_point}
        rules = {} if is_one else {"contact_point_has_the_form_of_its_channel": COUNTED}
        assert broken(tmp_path, "consent_forms", DECLARATIONS, said) == rules


@pytest.mark.parametrize(
    ("channel", "entry", "blocks"),
    [
        ("email", "anna@x.example", True),
        ("email", "@X.example", True),
        ("email", SHA1, True),
        ("email", SHA1.upper(), True),
        ("email", SHA1[:-1], False),
        ("email", SHA1 * 3, False),
        ("email", "x.example", False),
        ("email", "anna@", False),
        ("phone", "0664/123 45", True),
        ("phone", "anna@x.example", False),
        ("post", "Quirlweg 3, 1010 Kesselfing", True),
    ],
)
def test_an_entry_that_blocks_nobody_is_kept_out(
    tmp_path: Path, channel: str, entry: str, blocks: bool
):
    row = ENTRY | {"channel": channel, "entry": entry}
    rules = {} if blocks else {"entry_has_the_form_of_its_channel": KEPT_OUT}
    assert broken(tmp_path, "blocking_lists", ENTRIES, row) == rules


@pytest.mark.parametrize(
    ("listed_on", "rules"),
    [
        (None, {}),
        ("05.01.2199", {}),
        ("31.02.2025", {"listed_on_is_a_calendar_day": COUNTED}),
        ("gestern", {"listed_on_is_a_calendar_day": COUNTED}),
    ],
)
def test_who_is_blocked_never_waits_for_a_day(tmp_path: Path, listed_on: str | None, rules: dict):
    row = ENTRY | {"listed_on": listed_on}
    assert broken(tmp_path, "blocking_lists", ENTRIES, row) == rules
