"""What the gate tolerates: the shipped figures, a company's own, and what is refused of them."""

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipelines.settings import SettingsProblem, load_settings
from quality.gate import Arrival, judging
from quality.rules import Severity, Verdict
from quality.suites.catalogue import suite_for
from quality.thresholds import SHIPPED, ThresholdProblem, Tolerance, shipped, tolerance
from sources.company.credit_ratings import RATINGS
from sources.landing import landed_schema
from sources.registry import SOURCES, source_named

TABLES = frozenset(f"{source.name}.{table.name}" for source in SOURCES for table in source.tables)
PULLED_ON = date(2026, 1, 1)
SOUND = {
    "customer_number": "K1",
    "credit_index": "230",
    "bureau": "Büro",
    "rated_on": "2025-06-01",
    "_decimal_mark": ".",
}
BAD = {"credit_index": "gut"}


def said(content: str) -> Tolerance:
    return tolerance(yaml.safe_load(content), TABLES, "a file")


def verdict_under(
    said_of_it: Tolerance, tmp_path: Path, rows: list[dict], arrival: Arrival | None = None
) -> Verdict:
    """What the gate says of credit ratings under these figures."""
    stamp = {"_load_id": "1", "_pulled_at": datetime(2026, 1, 1, tzinfo=UTC)}
    landed = [SOUND | stamp | {"_row": number} | row for number, row in enumerate(rows)]
    part = tmp_path / "part-00000.parquet"
    pq.write_table(pa.Table.from_pylist(landed, schema=landed_schema(RATINGS)), part)
    suite = suite_for("credit_ratings", RATINGS, said_of_it, pulled_on=PULLED_ON)
    with judging([part], suite, arrival) as judgement:
        return judgement.verdict


def test_the_shipped_figures_are_those_of_the_file():
    defaults = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))["defaults"]
    assert vars(shipped().defaults) == defaults
    assert shipped().of("sales_list", "lines").bad_rows_always_allowed == 0
    assert shipped().of("ticket_list", "tickets") == shipped().defaults


def test_what_is_shipped_names_tables_and_rules_that_there_are():
    assert shipped().tables.keys() <= TABLES
    for address, severity in shipped().severities.items():
        source, table, rule = address.split(".")
        contract = source_named(source).table(table)
        suite = suite_for(source, contract, shipped(), pulled_on=PULLED_ON)
        severities = {rule.name: rule.severity for rule in suite.rules}
        assert severities[rule] == severity


@pytest.mark.parametrize("content", ["{}", "defaults:\ntables:\nseverities:", "tables: {}"])
def test_a_company_that_says_nothing_keeps_the_shipped_figures(content: str):
    assert said(content) == shipped()


def test_what_is_said_of_a_table_stands_above_what_is_said_of_all():
    own = said(
        "defaults: {bad_rows_share: 0.1, first_plausible_day: 2010-01-01}\n"
        "tables: {credit_ratings.ratings: {bad_rows_share: 0.5}}"
    )
    assert own.of("ticket_list", "tickets").bad_rows_share == 0.1
    ratings = own.of("credit_ratings", "ratings")
    assert (ratings.bad_rows_share, ratings.first_plausible_day) == (0.5, date(2010, 1, 1))
    assert own.of("sales_list", "lines").bad_rows_always_allowed == 0, "the shipped one still holds"


def test_a_company_may_say_more_of_a_table_that_has_shipped_figures():
    own = said("tables: {sales_list.lines: {bad_rows_share: 0.01}}").of("sales_list", "lines")
    assert (own.bad_rows_share, own.bad_rows_always_allowed) == (0.01, 0)
    own = said("tables: {sales_list.lines: {bad_rows_always_allowed: 5}}")
    assert own.of("sales_list", "lines").bad_rows_always_allowed == 5


def test_the_shipped_figures_are_not_changed_by_a_company():
    said("defaults: {bad_rows_share: 1}\ntables: {sales_list.lines: {bad_rows_share: 1}}")
    assert shipped().defaults.bad_rows_share == 0.2
    assert shipped().of("sales_list", "lines").bad_rows_share == 0.2


@pytest.mark.parametrize(
    ("content", "is_let_in"),
    [
        ("{}", False),
        ("defaults: {bad_rows_share: 0.5}", True),
        ("defaults: {bad_rows_always_allowed: 25}", True),
        ("tables: {credit_ratings.ratings: {bad_rows_share: 0.5}}", True),
        ("tables: {ticket_list.tickets: {bad_rows_share: 0.5}}", False),
        ("severities: {credit_ratings.ratings.credit_index_is_a_number: warn}", True),
    ],
)
def test_a_company_decides_how_many_bad_rows_keep_a_load_out(
    tmp_path: Path, content: str, is_let_in: bool
):
    verdict = verdict_under(said(content), tmp_path, [BAD] * 25 + [{}] * 25)
    assert verdict.is_let_in is is_let_in
    if "severities" in content:
        assert (verdict.accepted, verdict.quarantined) == (50, 0)


def test_a_company_may_be_stricter_than_what_is_shipped(tmp_path: Path):
    rows = [BAD] + [{}] * 9
    assert verdict_under(shipped(), tmp_path, rows).is_let_in
    strict = said("defaults: {bad_rows_always_allowed: 0, bad_rows_share: 0.05}")
    (reason,) = verdict_under(strict, tmp_path, rows).reasons
    assert "1 of 10 rows (10.0%) are bad, more than the 5% allowed" in reason


def test_a_company_may_let_a_warning_keep_the_row_out(tmp_path: Path):
    strict = said("severities: {credit_ratings.ratings.credit_index_is_plausible: quarantine}")
    rows = [{"credit_index": "99999"}, {}]
    assert verdict_under(shipped(), tmp_path, rows).quarantined == 0
    assert verdict_under(strict, tmp_path, rows).quarantined == 1


@pytest.mark.parametrize(
    ("content", "is_let_in"),
    [
        ("{}", False),
        ("defaults: {smallest_share_of_last_file: 0.1}", True),
        ("defaults: {smallest_file_compared: 101}", True),
        ("defaults: {smallest_file_compared: 100}", False),
    ],
)
def test_a_company_decides_which_file_seems_cut_off(tmp_path: Path, content: str, is_let_in: bool):
    arrival = Arrival(rows_before=100)
    assert verdict_under(said(content), tmp_path, [{}] * 10, arrival).is_let_in is is_let_in


def test_a_company_decides_which_days_are_plausible(tmp_path: Path):
    rows = [{"rated_on": "1985-01-01"}, {"rated_on": "2026-01-20"}, {}]
    assert verdict_under(shipped(), tmp_path, rows).quarantined == 2
    own = said("defaults: {first_plausible_day: 1980-01-01, days_in_the_future: 30}")
    assert verdict_under(own, tmp_path, rows).quarantined == 0


def test_a_company_decides_which_amount_is_plausible():
    own = said("tables: {sales_list.lines: {largest_plausible_amount: 5000}}")
    suite = suite_for(
        "sales_list", source_named("sales_list").table("lines"), own, pulled_on=PULLED_ON
    )
    (rule,) = (rule for rule in suite.rules if rule.name == "amount_is_plausible")
    assert (rule.least, rule.most, rule.severity) == (-5000, 5000, Severity.QUARANTINE)


WRONG = [
    ("default: {}", "did you mean 'defaults'?"),
    ("bad_rows_share: 0.1", "known are: defaults, severities, tables"),
    ("defaults: {bad_row_share: 0.1}", "did you mean 'bad_rows_share'?"),
    ("defaults: [0.1]", "defaults: write entries such as"),
    ("tables: {sales_list.line: {}}", "did you mean 'sales_list.lines'?"),
    ("tables: {sales_list: {bad_rows_share: 0.1}}", "tables has an unknown entry 'sales_list'"),
    ("tables: {sales_list.lines: 0.1}", "tables: sales_list.lines: write entries such as"),
    ("tables: {sales_list.lines: {x: 1}}", "tables: sales_list.lines has an unknown entry 'x'"),
    ("tables: [sales_list.lines]", "tables: write entries such as"),
    ("defaults: {bad_rows_share: '20 %'}", "bad_rows_share is '20 %'; write a number"),
    ("defaults: {bad_rows_share: }", "bad_rows_share is None; write a number"),
    ("defaults: {bad_rows_share: true}", "bad_rows_share is True; write a number"),
    ("defaults: {bad_rows_share: -0.1}", "bad_rows_share is -0.1; write a number"),
    ("defaults: {bad_rows_share: 20}", "bad_rows_share is 20; write a share from 0 to 1"),
    ("defaults: {smallest_share_of_last_file: 1.01}", "write a share from 0 to 1"),
    ("defaults: {ordinary_share_spread: 3}", "write a share from 0 to 1"),
    ("defaults: {smallest_file_compared: 0.5}", "is 0.5; write a whole number"),
    ("defaults: {smallest_file_compared: -1}", "is -1; write a whole number"),
    ("defaults: {nights_needed: false}", "is False; write a whole number"),
    ("defaults: {first_plausible_day: 1990}", "is 1990; write a day such as 1990-01-01"),
    ("defaults: {first_plausible_day: 1990-01-01 10:00:00}", "write a day such as 1990-01-01"),
    ("severities: {sales_list.lines.x: error}", "source.table.rule: quarantine or warn"),
    ("severities: {sales_list.lines: warn}", "source.table.rule: quarantine or warn"),
    ("severities: {1: warn}", "source.table.rule: quarantine or warn"),
]


@pytest.mark.parametrize(("content", "remedy"), WRONG)
def test_a_wrong_entry_is_named_with_its_remedy(content: str, remedy: str):
    with pytest.raises(ThresholdProblem) as problem:
        said(content)
    assert remedy in str(problem.value)
    assert str(problem.value).startswith("a file")


def settings_saying(home: Path, quality: str):
    lines = "\n".join(f"  {line}" for line in quality.splitlines())
    (home / "stammkunde.yml").write_text(f"quality:\n{lines}\n", encoding="utf-8")
    return load_settings({"STAMMKUNDE_HOME": str(home)})


def test_the_companys_file_changes_the_figures(home: Path):
    settings = settings_saying(home, "tables:\n  ticket_list.tickets: {bad_rows_share: 0.4}")
    assert settings.tolerance.of("ticket_list", "tickets").bad_rows_share == 0.4
    assert settings.tolerance.of("credit_ratings", "ratings") == shipped().defaults


@pytest.mark.parametrize("content", ["", "timezone: Europe/Vienna", "quality:", "quality: {}"])
def test_without_a_word_on_quality_the_shipped_figures_hold(home: Path, content: str):
    (home / "stammkunde.yml").write_text(content, encoding="utf-8")
    assert load_settings({"STAMMKUNDE_HOME": str(home)}).tolerance == shipped()


@pytest.mark.parametrize(
    ("content", "remedy"), [*WRONG[::4], ("[defaults]", "write entries such as")]
)
def test_a_wrong_entry_in_the_companys_file_stops_every_command(
    home: Path, content: str, remedy: str
):
    with pytest.raises(SettingsProblem) as problem:
        settings_saying(home, content)
    assert remedy in str(problem.value)
    assert str(problem.value).startswith("stammkunde.yml: quality")
