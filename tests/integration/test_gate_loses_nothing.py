"""Whatever a load holds: each of its rows is accepted or quarantined, once, and as it landed."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipelines.ingest import judge
from pipelines.settings import Settings
from quality.thresholds import Tolerance, shipped
from sources.contract import Batch, Column, Source, Table
from sources.landing import Lake, Load, landed_schema
from sources.registry import SOURCES

LET_ALL_IN = Tolerance(replace(shipped().defaults, bad_rows_share=1.0))
COLUMNS_AT_ONCE = 5
TABLES = [(source, table) for source in SOURCES for table in source.tables]
NASTY = (
    *(None, "", " ", "\u00a0", "\0", "a\nb", "ä" * 300, "'; drop table landed; --", "%", "\\"),
    *("0", "1", "-1", "5-", "1,5", "1.5", "1.234", "1.234,56", "9" * 40, "1e999", "NaN", "١٢"),
    *("31.02.2025", "01.02.2025", "02/03/2025", "2025-02-28", "2199-01-01", "0001-01-01"),
    *("2025-01-05T10:00:00Z", "2025-01-05 25:00", "epoch", "🙂"),
    *("true", "ja", "null", "{", "[]", '{"a": 1e999}', '["ä"]', "a@example.com", "a@", "EUR"),
)  # fmt: skip
TEXTS = st.sampled_from(NASTY) | st.text(max_size=6)
EXTRAS = st.none() | st.dictionaries(st.text(max_size=6), st.sampled_from(NASTY), max_size=2).map(
    lambda fields: json.dumps(fields, ensure_ascii=False)
)


def values_of(column: Column) -> st.SearchStrategy:
    return st.sampled_from(column.choices) | TEXTS if column.choices else TEXTS


@st.composite
def rows_of(draw: st.DrawFn, table: Table) -> list[dict]:
    """Rows that hold something, often nothing good, in a few columns of the contract."""
    columns = [column for column in table.columns if not column.name.startswith("_")]
    # Great Expectations takes 15 ms for each column that holds anything.
    filled = draw(st.lists(st.sampled_from(columns), max_size=COLUMNS_AT_ONCE, unique=True))
    row = st.fixed_dictionaries(
        {
            "_is_deleted": st.sampled_from((None, None, None, True)),
            "_defect": st.sampled_from((None, None, None, "3 fields where the header has 9")),
            "_decimal_mark": st.sampled_from((",", ".", None)),
            "_date_order": st.sampled_from((None, "dmy", "mdy")),
            "_extra": EXTRAS,
            **{column.name: values_of(column) for column in filled},
        }
    )
    return draw(st.lists(row, min_size=1, max_size=20))


def landed(lake: Lake, source: Source, table: Table, rows: list[dict]) -> Load:
    fields = [
        field
        for field in landed_schema(table)
        if field.name not in ("_load_id", "_pulled_at", "_file")
    ]
    content = pa.Table.from_pylist(rows, schema=pa.schema(fields))
    batch = Batch(table, "0" * 64, iter([content.slice(0, 3), content.slice(3)]))
    return lake.land(source.name, batch, pulled_at=datetime(2026, 1, 1, tzinfo=UTC))


def read(paths: Iterable[Path]) -> list[dict]:
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


@pytest.mark.parametrize(
    ("source", "table"), TABLES, ids=[f"{source.name}.{table.name}" for source, table in TABLES]
)
def test_every_landed_row_is_in_exactly_one_place(tmp_path_factory, source: Source, table: Table):
    @hypothesis_settings(
        max_examples=1,
        deadline=None,
        # One judgement takes up to a second: looking for the smallest one would take minutes.
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(rows=rows_of(table))
    def holds(rows: list[dict]):
        # The first one tried is always the emptiest; there is time for one of each table.
        assume(len(rows) > 3)
        home = tmp_path_factory.mktemp("home")
        settings = Settings(home=home, tolerance=LET_ALL_IN)
        lake = Lake(settings.lake)
        numbered = [row | {"_row": number} for number, row in enumerate(rows, start=2)]
        load = landed(lake, source, table, numbered)
        before = read(load.parts)

        verdict = judge(load, table, lake, settings)

        assert verdict.landed == len(rows) == verdict.accepted + verdict.quarantined
        (let_in,) = lake.loads("accepted", source.name, table.name)
        (kept_out,) = lake.loads("quarantine", source.name, table.name)
        accepted, quarantined = read(let_in.parts), read(kept_out.rows)
        assert (len(accepted), len(quarantined)) == (verdict.accepted, verdict.quarantined)
        assert sorted(accepted + quarantined, key=lambda row: row["_row"]) == before
        reasons = read([kept_out.folder / "reasons.parquet"])
        assert {reason["row_number"] for reason in reasons} == {row["_row"] for row in quarantined}
        assert all(reason["rule"] and reason["harm"] and reason["remedy"] for reason in reasons)
        assert not any(row["_is_deleted"] for row in quarantined), "a deletion has nothing to judge"
        assert not load.folder.exists()

    holds()
