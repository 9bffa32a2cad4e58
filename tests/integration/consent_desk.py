"""The models of consent, run on tables of one's own without dbt, and what they should say.

`Desk.decided` runs the compiled SQL; `Oracle` says the same from the text of the rules, in plain
Python, event by event.
"""

import csv
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = REPOSITORY / "dbt_project"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = pa.timestamp("us", tz="UTC")
# What was there before anything was known.
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

_SEEDS = {
    "consent_rules": {"value": "decimal(18, 6)"},
    "consent_purposes": {"is_advertising": "boolean"},
    "consent_controllers": {"is_default": "boolean"},
    "consent_jurisdictions": dict.fromkeys(
        (
            "needs_confirmation",
            "has_existing_customer_exception",
            "has_legitimate_interest",
            "obeys_ecg_list",
        ),
        "boolean",
    ),
    "consent_texts": {"valid_from": "date", "valid_before": "date"},
    "consent_collections": {"used_from": "date", "used_before": "date"},
    "consent_similar_goods": {},
    "consent_notices": {"valid_from": "date", "valid_before": "date"},
    "newsletter_statuses": {},
}
_EVENT = pa.schema(
    [
        ("event_id", pa.string()),
        ("subject", pa.string()),
        ("contact_point", pa.string()),
        ("channel", pa.string()),
        ("controller", pa.string()),
        ("purpose", pa.string()),
        ("event", pa.string()),
        ("happened_at", MOMENT),
        ("is_time_known", pa.bool_()),
        ("source", pa.string()),
        ("record", pa.string()),
        ("text_version", pa.string()),
        ("text_sha256", pa.string()),
        ("detail", pa.string()),
        ("recorded_at", MOMENT),
        ("document_ref", pa.string()),
    ]
)
_SCOPE = pa.schema(
    [
        ("subject", pa.string()),
        ("channel", pa.string()),
        ("contact_point", pa.string()),
        ("is_valid", pa.bool_()),
        ("controller", pa.string()),
        ("is_default_controller", pa.bool_()),
        ("purpose", pa.string()),
        ("is_advertising", pa.bool_()),
        ("country", pa.string()),
    ]
)

DECIDING = ("int_consent_texts_hashed", "int_consent_signals", "int_consent_decisions")


def seed(name: str) -> list[dict[str, str]]:
    """The rows of a seed as they are shipped."""
    with (PROJECT / "seeds" / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def text_sha256(row: Mapping[str, str]) -> str:
    """The hash of a wording of consent_texts."""
    text = "|".join((row["wording"], row["channels"], row["purposes"]))
    return hashlib.sha256(text.encode()).hexdigest()


HASHES = {row["text_version"]: text_sha256(row) for row in seed("consent_texts")}


class Desk:
    """Compiled models, by name."""

    def __init__(self, folder: Path, models: Sequence[str]) -> None:
        done = subprocess.run(
            [
                Path(sys.executable).with_name("dbt"), "--no-use-colors", "--quiet",
                *("--log-level-file", "none"), "compile", "--no-introspect",
                "--project-dir", PROJECT, "--profiles-dir", PROJECT,
                "--target-path", folder / "target", "--log-path", folder / "logs",
                "--select", *models,
            ],
            env={**os.environ, "STAMMKUNDE_WAREHOUSE": str(folder / "build.duckdb")},
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        self.sql = {
            path.stem: path.read_text()
            for path in (folder / "target" / "compiled").rglob("*.sql")
            if path.stem in models
        }
        assert self.sql.keys() == set(models)

    @contextmanager
    def opened(self, **seeds: list[dict]) -> Iterator[duckdb.DuckDBPyConnection]:
        """A warehouse in memory with the seeds as shipped, or as given, of the demo company."""
        with duckdb.connect(config={"threads": 1}) as db:
            db.execute("set TimeZone = 'UTC'")
            db.execute("attach ':memory:' as build")
            for schema in ("staging", "intermediate", "marts", "rules"):
                db.execute(f"create schema build.{schema}")
            for name, kinds in _SEEDS.items():
                rows = seeds.get(name) or seed(name)
                columns = list(rows[0])
                given = pa.table(
                    {one: pa.array([row[one] or None for row in rows]) for one in columns}
                )
                db.register("given", given)
                cast = ", ".join(f"{one}::{kinds.get(one, 'varchar')} as {one}" for one in columns)
                db.execute(f"create table build.rules.{name} as select {cast} from given")
                db.unregister("given")
            db.execute(
                "create table build.staging.stg_company__settings as select "
                f"date '{NOW:%Y-%m-%d}' as as_of, 'EUR' as reporting_currency, 'demo' as company"
            )
            yield db

    def run(self, db: duckdb.DuckDBPyConnection, model: str) -> None:
        """Build one model."""
        (schema,) = re.findall(r"models/(\w+)/", str(next(PROJECT.rglob(f"{model}.sql"))))
        db.execute(f"create or replace table build.{schema}.{model} as {self.sql[model]}")

    def decided(
        self, events: Sequence["Event"], scopes: Sequence["Scope"], **seeds: list[dict]
    ) -> dict[tuple[str, str], list[dict]]:
        """(subject, purpose) → decisions from the first to the last."""
        with self.opened(**seeds) as db:
            events_ = pa.Table.from_pylist([one.row() for one in events], schema=_EVENT)
            db.register("events", events_)
            db.execute("create table build.staging.stg_consent__events as from events")
            rows = [
                vars(one) | {"is_default_controller": one.controller == "company"} for one in scopes
            ]
            db.register("scopes", pa.Table.from_pylist(rows, schema=_SCOPE))
            db.execute("create table build.intermediate.int_consent_scopes as from scopes")
            for model in DECIDING:
                self.run(db, model)
            found = db.sql(
                "from build.intermediate.int_consent_decisions order by subject, purpose, "
                "valid_from"
            ).to_arrow_table()
        decided: dict[tuple[str, str], list[dict]] = {}
        for row in found.to_pylist():
            decided.setdefault((row["subject"], row["purpose"]), []).append(row)
        return decided


@dataclass(frozen=True)
class Scope:
    """A question: may this company write there for this purpose?"""

    subject: str
    purpose: str = "newsletter"
    country: str = "DE"
    channel: str = "email"
    controller: str = "company"
    contact_point: str | None = "anna@krone.example"
    is_valid: bool = True
    is_advertising: bool = True


@dataclass(frozen=True)
class Event:
    """An event of the ledger; record: which form it is about."""

    subject: str
    event: str
    happened_at: datetime | None
    recorded_at: datetime
    purpose: str = "newsletter"
    channel: str = "email"
    controller: str | None = None
    record: str | None = "form"
    text_version: str | None = "newsletter-2020"
    text_sha256: str | None = field(default="as it is")
    detail: str | None = None
    document_ref: str | None = None
    number: int = 0
    source: str = "mailchimp"

    @property
    def event_id(self) -> str:
        return hashlib.md5(repr(self).encode()).hexdigest()

    def row(self) -> dict:
        said = dict(vars(self))
        if said["text_sha256"] == "as it is":
            said["text_sha256"] = HASHES.get(self.text_version or "")
        return said | {
            "event_id": self.event_id,
            "contact_point": "anna@krone.example",
            "is_time_known": True,
        }


def at(moment: datetime, decisions: Sequence[dict]) -> dict:
    """The decision that held at a moment."""
    (one,) = [
        row
        for row in decisions
        if row["valid_from"] <= moment
        and (row["valid_before"] is None or moment < row["valid_before"])
    ]
    return one


class Oracle:
    """What the rules say, in plain words, of the events known at a moment."""

    STALE_MONTHS, LAPSED_MONTHS, SKEW = 24, 48, timedelta(hours=1)
    REFUSALS = ("withdrawn", "objected", "bounced", "erased")

    def __init__(self, events: Iterable[Event], country: str = "DE", *, exception: bool = False):
        self.events, self.country, self.exception = list(events), country, exception
        laws = {(row["country"], row["channel"]): row for row in seed("consent_jurisdictions")}
        self.law = laws[country, "email"]
        self.texts = {row["text_version"]: row for row in seed("consent_texts")}

    def reason(self, purpose: str, moment: datetime) -> str:
        """The reason of the decision about a purpose."""
        known = [one for one in self.events if min(one.recorded_at, NOW) <= moment]
        mine = [one for one in known if one.purpose in (purpose, "advertising")]
        lists = {one.detail for one in mine if one.event == "list_blocked"}
        if lists - {"ecg"}:
            return "suppressed"
        refusals = [
            (one.happened_at or one.recorded_at, one.event_id, one.event)
            for one in mine
            if one.event in self.REFUSALS
        ]
        grants = list(self._grants(mine, purpose))
        newest = max((asked for asked, _ in grants), default=None)
        if refusals:
            when, _, what = max(refusals)
            if newest is None or newest <= when + self.SKEW:
                return what
        if "ecg" in lists and self.law["obeys_ecg_list"] == "true":
            return "ecg_listed"
        life = [signed for _, signed in grants]
        if grants:
            life += [
                min(one.happened_at, one.recorded_at)
                for one in mine
                if one.event == "used" and one.happened_at
            ]
            if moment < later(max(life), self.STALE_MONTHS):
                return "consent"
        if self.exception and self._is_existing_customer(known, mine, purpose, moment):
            return "existing_customer"
        if grants:
            return "lapsed" if moment >= later(max(life), self.LAPSED_MONTHS) else "stale"
        kinds = {one.event for one in mine}
        if kinds & {"confirmed", "granted_offline", "imported_without_proof"}:
            return "unproven"
        if "requested" in kinds:
            return "pending"
        if self.exception and self._sales(mine):
            return "exception_incomplete"
        return "unknown"

    def _grants(self, mine: Sequence[Event], purpose: str) -> Iterator[tuple[datetime, datetime]]:
        """When it was asked for and when it was confirmed, of every declaration that is whole."""
        for one in mine:
            if (
                one.event == "granted_offline"
                and one.document_ref
                and self._is_worded(one, purpose)
            ):
                signed = min(one.happened_at, one.recorded_at)
                yield signed, signed
            if one.event != "confirmed" or not one.happened_at or one.purpose != purpose:
                continue
            for request in mine:
                if (
                    request.event == "requested"
                    and request.happened_at
                    and request.happened_at < one.happened_at
                    and (request.source, request.record) == (one.source, one.record)
                    and one.record
                    and self._is_worded(request, purpose)
                ):
                    yield (
                        min(request.happened_at, request.recorded_at),
                        min(one.happened_at, one.recorded_at),
                    )

    def _is_worded(self, one: Event, purpose: str) -> bool:
        text = self.texts.get(one.text_version or "")
        if text is None or one.happened_at is None or one.purpose != purpose:
            return False
        told = {
            row.row()["text_sha256"]
            for row in self.events
            if row.text_version == one.text_version and row.row()["text_sha256"]
        }
        day = f"{one.happened_at:%Y-%m-%d}"
        return (
            told == {HASHES[one.text_version]}
            and text["valid_from"] <= day
            and (not text["valid_before"] or day < text["valid_before"])
            and purpose in text["purposes"].split(";")
            and "email" in text["channels"].split(";")
        )

    def _sales(self, mine: Sequence[Event]) -> list[Event]:
        return [
            one
            for one in mine
            if one.event == "exception_basis_recorded"
            and one.happened_at
            and (one.detail or "").startswith("paid_contract:")
        ]

    def _is_existing_customer(
        self, known: Sequence[Event], mine: Sequence[Event], purpose: str, moment: datetime
    ) -> bool:
        sales = self._sales(mine)
        if not sales or any(one.event in (*self.REFUSALS, "list_blocked") for one in known):
            return False
        goods = [row["purpose"] for row in seed("consent_similar_goods")]
        notices = {one.detail for one in mine if one.event == "notice_given" and one.happened_at}
        newest = max(min(one.happened_at, one.recorded_at) for one in sales)
        return (
            purpose in goods
            and {"at_collection", "in_every_mail"} <= notices
            and moment < later(newest, self.STALE_MONTHS)
        )


def later(moment: datetime, months: int) -> datetime:
    """So many calendar months later; the last day of a shorter month."""
    year, month = divmod(moment.month - 1 + months, 12)
    first = moment.replace(year=moment.year + year, month=month + 1, day=1)
    next_month = (first.replace(day=28) + timedelta(days=4)).replace(day=1)
    return first + timedelta(days=min(moment.day, (next_month - first).days) - 1)
