"""The gate and staging each read numbers and dates: here the two readings are held together."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality import gate

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """stg_sales_list__lines as dbt compiles it, over a table `lines`."""
    target = tmp_path_factory.mktemp("dbt")
    project = REPOSITORY / "dbt_project"
    subprocess.run(
        [Path(sys.executable).with_name("dbt"), "--quiet", "compile", "--no-introspect",
         "--select", "stg_sales_list__lines", "--project-dir", project, "--profiles-dir", project,
         "--target-path", target, "--log-path", target],
        check=True,
        env={**os.environ, "STAMMKUNDE_WAREHOUSE": str(target / "w.duckdb")},
    )  # fmt: skip
    manifest = json.loads((target / "manifest.json").read_text())
    node = manifest["nodes"]["model.stammkunde.stg_sales_list__lines"]
    return node["compiled_code"].replace('"w"."raw_sales_list"."lines"', "lines")


@pytest.fixture(scope="module")
def db(compiled: str) -> duckdb.DuckDBPyConnection:
    with duckdb.connect() as connection:
        connection.execute(gate._MACROS)
        columns = (
            "invoice_number document_kind date customer_number customer_name email product_code "
            "product currency quantity unit_price amount credit_note_amounts _decimal_mark "
            "_date_order _file _load_id"
        )
        connection.execute(
            f"create table lines ({' varchar, '.join(columns.split())} varchar, _row bigint)"
        )
        connection.execute(f"create view staged as {compiled}")
        yield connection


def both(db: duckdb.DuckDBPyConnection, amount: str, mark: str, day: str, order: str | None):
    db.execute("delete from lines")
    db.execute(
        "insert into lines (amount, _decimal_mark, date, _date_order, _load_id, _row) "
        "values (?, ?, ?, ?, '1', 1)",
        [amount, mark, day, order],
    )
    return db.sql(
        "select read_number(amount, _decimal_mark), read_day(date, _date_order), "
        "(select line_amount_net from staged), (select invoiced_on from staged) from lines"
    ).fetchall()[0]


digits = st.text("0123456789", min_size=1, max_size=7)
grouped = st.sampled_from(["1.234", "1,234", "1.234.567", "1'234", "1’234", "1 234"])
date_orders = st.sampled_from(["dmy", "mdy", None])
written_numbers = st.one_of(
    st.builds(
        lambda sign, whole, mark, decimals, tail: f"{sign}{whole}{mark}{decimals}{tail}",
        st.sampled_from(["", "-", "+", " ", "- "]),
        st.one_of(
            digits, st.sampled_from(["1.234", "1,234", "1.234.567", "1'234", "1’234", "1 234"])
        ),
        st.sampled_from(["", ".", ","]),
        st.one_of(st.just(""), digits),
        st.sampled_from(["", "-", " ", "\u00a0", " -"]),
    ),
    st.text(max_size=6),
)
written_days = st.one_of(
    st.builds(
        lambda day, form, clock: day.strftime(form) + clock,
        st.dates(date(1950, 1, 1), date(2068, 12, 31)),
        st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%Y%m%d"]),
        st.sampled_from(["", " 08:15", "T08:15:00", " 08:15:00.123", "T08:15:00Z", " 8:15 Uhr"]),
    ),
    st.sampled_from(["31.02.2023", "2023-02-29", "1.2.2023", "0.0.0", "12.2023", ""]),
    st.text(max_size=8),
)


@settings(max_examples=400, deadline=None)
@given(
    written_numbers,
    st.sampled_from([",", "."]),
    written_days,
    st.sampled_from(["dmy", "mdy", None]),
)
def test_what_the_gate_lets_in_staging_reads_the_same(db, amount, mark, day, order):
    number, calendar_day, staged_number, staged_day = both(db, amount, mark, day, order)
    if number is not None:
        assert staged_number == number
    if calendar_day is not None:
        assert staged_day == calendar_day
