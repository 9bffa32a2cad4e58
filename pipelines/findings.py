"""What the gate objected to and still stands: of every load in force, until the source corrects it.

A finding leaves by itself when a later load brings the same record again, or the file of the same
name. What is objected to is the gate's business, how it is shown that of others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from sources.contract import Source, Table
from sources.landing import Lake, Load

_LISTED = (
    "row_number", "record_key", "column_name", "rule", "family", "harm", "remedy", "value",
)  # fmt: skip
COLUMNS = {
    "source": "varchar",
    "table_name": "varchar",
    "load_id": "varchar",
    "file": "varchar",
    "row_number": "bigint",
    "record_key": "varchar",
    "column_name": "varchar",
    "rule": "varchar",
    "family": "varchar",
    "harm": "varchar",
    "remedy": "varchar",
    "value": "varchar",
    "found_at": "timestamptz",
    "is_kept_out": "boolean",
    "is_open": "boolean",
}


@dataclass(frozen=True)
class Standing:
    """What stands of one table: rows to correct, rows by broken rule, and one of each to look at.

    sample: dictionaries of place, rule and value, one for every broken rule; nothing personal is
    in them.
    """

    to_correct: int = 0
    broken: dict[str, int] = field(default_factory=dict)
    sample: tuple[dict, ...] = ()


def register_findings(
    db: duckdb.DuckDBPyConnection, source: Source, table: Table, loads: Sequence[Load], lake: Lake
) -> bool:
    """View `findings` (COLUMNS) over the loads in force of a table; False where there is none."""
    lists = {
        stage: [
            (load, path)
            for load in loads
            if has_any(load) and (path := _list_of(lake, load, stage)).exists()
        ]
        for stage, has_any in (("quarantine", _has_bad_rows), ("accepted", _has_doubtful_rows))
    }
    concerned = [load for found in lists.values() for load, _ in found]
    if not concerned:
        return False
    _register_loads(db, loads)
    selects = [
        _select(db, [path for _, path in found], is_kept_out=stage == "quarantine")
        for stage, found in lists.items()
        if found
    ]
    db.execute(f"create or replace temp table listed as {' union all '.join(selects)}")
    _register_later_units(db, table, loads, concerned, lake)
    same = " and ".join(f"u.{name} is not distinct from r.{name}" for name in table.replaced_by)
    must = {column.name for column in table.columns if column.required}
    # Without the part of its number that every record has, nobody can say which one it is.
    told = [f"r.{name} is not null" for name in table.replaced_by if name in must]
    any_part = " or ".join(f"r.{name} is not null" for name in table.replaced_by)
    is_named = " and ".join([f"({any_part})", *told])
    # Source, table and column names are the registry's; everything else is data of the lake.
    db.execute(
        "create or replace temp view findings as with replaced as ("
        "select distinct r.load_id, r._row from rows_listed r "
        f"join units u on {same} where {is_named} and u.load_id > r.load_id) "
        f"select '{source.name}' as source, '{table.name}' as table_name, l.load_id, i.file, "
        f"{', '.join(f'l.{name}' for name in _LISTED)}, i.pulled_at as found_at, l.is_kept_out, "
        "not i.is_read_anew and p.load_id is null as is_open "
        "from listed l join in_force i on l.load_id = i.load_id "
        "left join replaced p on p.load_id = l.load_id and p._row = l.row_number"
    )
    return True


def standing(source: Source, table: Table, loads: Sequence[Load], lake: Lake) -> Standing:
    """What stands of a table, counted, with a sample."""
    with duckdb.connect() as db:
        if not register_findings(db, source, table, loads, lake):
            return Standing()
        ((to_correct,),) = db.sql(
            "select count(distinct (load_id, row_number)) from findings "
            "where is_open and is_kept_out"
        ).fetchall()
        broken = db.sql(
            "select rule, count(*) from findings where is_open group by rule order by rule"
        ).fetchall()
        sample = db.sql(
            "select coalesce(file || ', row ' || row_number, record_key, 'row ' || row_number) "
            "as place, rule, value from findings where is_open qualify row_number() over "
            "(partition by rule order by load_id desc, row_number) = 1 order by rule"
        ).fetchall()
    return Standing(
        to_correct,
        dict(broken),
        tuple({"place": place, "rule": rule, "value": value} for place, rule, value in sample),
    )


def _list_of(lake: Lake, load: Load, stage: str) -> Path:
    folder = lake.folder(stage, load.about["source"], load.about["table"]) / load.load_id
    return folder / ("reasons.parquet" if stage == "quarantine" else "findings.parquet")


def _has_bad_rows(load: Load) -> bool:
    return load.verdict["quarantined"] > 0


def _has_doubtful_rows(load: Load) -> bool:
    return any(rule["broken"] and rule["severity"] == "warn" for rule in load.verdict["rules"])


def _register_loads(db: duckdb.DuckDBPyConnection, loads: Sequence[Load]) -> None:
    """Table in_force: every load, and whether a file of its name was read again later."""
    newest = {load.about["file"]: load.load_id for load in loads if load.about.get("file")}
    db.execute(
        "create or replace temp table in_force "
        "(load_id varchar, file varchar, pulled_at timestamptz, is_read_anew boolean)"
    )
    db.executemany(
        "insert into in_force values (?, ?, ?, ?)",
        [
            (
                load.load_id,
                load.about.get("file"),
                load.about["pulled_at"],
                newest.get(load.about.get("file"), load.load_id) > load.load_id,
            )
            for load in loads
        ],
    )


def _select(db: duckdb.DuckDBPyConnection, paths: list[Path], *, is_kept_out: bool) -> str:
    name = f"lists_{int(is_kept_out)}"
    relation = db.read_parquet([str(path) for path in paths], union_by_name=True, filename=True)
    relation.create_view(name, replace=True)
    # Loads judged by an earlier version list less.
    columns = ", ".join(
        column if column in relation.columns else f"null::varchar as {column}" for column in _LISTED
    )
    return (
        f"select regexp_extract(filename, '([^/]+)/[^/]+$', 1) as load_id, {columns}, "
        f"{is_kept_out} as is_kept_out from {name}"
    )


def _register_later_units(
    db: duckdb.DuckDBPyConnection,
    table: Table,
    loads: Sequence[Load],
    concerned: list[Load],
    lake: Lake,
) -> None:
    """Tables rows_listed (unit of every listed row) and units (newest load that has a unit)."""
    unit = ", ".join(table.replaced_by)
    first = min(load.load_id for load in concerned)
    listed_in = {load.load_id for load in concerned}
    since = [load for load in loads if load.load_id >= first]
    files = {load.load_id: _rows_of(lake, load) for load in since}
    listed = [str(path) for load_id in listed_in for path in files[load_id]]
    db.read_parquet(listed, union_by_name=True).create_view("listed_in", replace=True)
    db.execute(
        f"create or replace temp table rows_listed as select _load_id as load_id, _row, {unit} "
        "from listed_in where (_load_id, _row) in (select load_id, row_number from listed)"
    )
    later = [str(path) for load_id, paths in files.items() if load_id > first for path in paths]
    if not later:
        db.execute("create or replace temp table units as from rows_listed limit 0")
        return
    db.read_parquet(later, union_by_name=True).create_view("later", replace=True)
    db.execute(
        f"create or replace temp table units as select max(_load_id) as load_id, {unit} from later "
        f"group by all"
    )


def _rows_of(lake: Lake, load: Load) -> list[Path]:
    quarantined = lake.folder("quarantine", load.about["source"], load.about["table"])
    return [*load.rows, *(quarantined / load.load_id).glob("rows.parquet")]
