"""The ledger of consent: what was ever declared about being written to, in a folder of the lake.

    batches/<number>/    events.parquet  batch.json   never changed again
    subjects/<number>.parquet                         contact points and their salts; erasable
    evidence/<number>.parquet                         what proves the events; erasable
    key                                               makes pseudonyms of contact points

An event is one canonical text. Its leaf is the HMAC-SHA256 of that text and of the evidence beside
it, under a salt that belongs to its contact point alone; each leaf is chained to the one before,
and the end of the chain, the file and the head of the batch before make the head of a batch.
Whoever edits, deletes, adds or swaps an event breaks the chain from there on; whoever cuts off its
end or builds all of it anew is found out by a head that left the machine in time. The text names a
contact point by a keyed pseudonym only: erasing salt and evidence leaves a chain that still holds,
and a withdrawal that still counts, but no address.
"""

import contextlib
import functools
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from sources.landing import committed, sync, write_json

# What a candidate says: the first go into the canonical text, the others into the evidence.
TEXT_COLUMNS = (
    "source", "channel", "controller", "purpose", "event", "happened_at", "is_time_known",
    "text_version", "text_sha256", "detail", "recorded_at",
)  # fmt: skip
EVIDENCE_COLUMNS = (
    "consent_event_id", "source_record", "source_status", "evidence_ip", "document_ref",
    "collected_by", "recorded_load_id",
)  # fmt: skip

_EVENTS = pa.schema(
    [
        ("seq", pa.int64()),
        ("canonical", pa.string()),
        ("leaf", pa.string()),
        ("chained", pa.string()),
    ]
)
_SUBJECTS = pa.schema(
    [
        ("subject", pa.string()),
        ("channel", pa.string()),
        ("contact_point", pa.string()),
        ("salt", pa.string()),
    ]
)
_EVIDENCE = pa.schema([("seq", pa.int64()), ("subject", pa.string()), ("evidence", pa.string())])
_NO_HEAD = "0" * 64
# In a canonical text, before the pseudonym.
_SUBJECT_IS = '"contact_point":"'
_MOMENT, _ISO = pa.timestamp("us", tz="UTC"), "%Y-%m-%dT%H:%M:%S.%fZ"
_MOMENTS = ("happened_at", "recorded_at")
_SQL_TYPES = dict.fromkeys(_MOMENTS, "timestamptz") | {"is_time_known": "boolean"}
_HEAD_FIELDS = (
    "number",
    "rows",
    "first_seq",
    "file_sha256",
    "chained",
    "previous_head",
    "written_at",
)


class LedgerBroken(Exception):
    """The ledger is not what it was; the text names the first event or batch that does not fit."""


@dataclass(frozen=True)
class Head:
    """What is to be known of a batch outside this machine."""

    number: int
    rows: int
    head: str
    written_at: str

    def line(self) -> str:
        """As it stands in the file of heads."""
        return f"{self.number} {self.written_at} {self.rows} {self.head}"

    @classmethod
    def read(cls, line: str) -> "Head":
        """The head of a line. Raises ValueError."""
        number, written_at, rows, head = line.split()
        return cls(int(number), int(rows), head, written_at)


@dataclass(frozen=True)
class Batch:
    """batch.json."""

    number: int
    rows: int
    first_seq: int
    file_sha256: str
    chained: str
    previous_head: str
    written_at: str
    head: str

    def computed_head(self) -> str:
        """The head that follows from the rest."""
        return _sha256(_canonical({name: getattr(self, name) for name in _HEAD_FIELDS}))


class ConsentLedger:
    """The ledger of one company. The caller holds the writer's lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._batches = folder / "batches"

    @functools.cached_property
    def _key(self) -> bytes:
        path = self._folder / "key"
        if path.exists():
            return bytes.fromhex(path.read_text())
        if self.batches():
            raise LedgerBroken(
                "the key of the ledger is gone: without it no contact point is known again, and "
                "withdrawals would be forgotten. Remedy: restore lake/consent/key from the back-up"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(".key")
        temporary.unlink(missing_ok=True)
        with open(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        sync(temporary)
        temporary.rename(path)
        sync(self._folder)
        return bytes.fromhex(path.read_text())

    def subject(self, channel: str, contact_point: str) -> str:
        """The pseudonym of a contact point: the same forever, and nothing without the key."""
        return self._pseudonym(f"{channel}:{contact_point}")

    def append(self, candidates: pa.Table, *, now: datetime) -> int:
        """Add what is new among the candidates as one batch; returns how many events that is.

        candidates: contact_point (normalised), TEXT_COLUMNS and EVIDENCE_COLUMNS; happened_at and
        recorded_at in UTC, is_time_known boolean, the rest text. Which event it is follows from
        consent_event_id: one that is there already is not added, whatever else it says now. Raises
        LedgerBroken where batches are there and their key is not.
        """
        known = self._event_ids()
        ids = [self._pseudonym(one)[:32] for one in candidates["consent_event_id"].to_pylist()]
        fresh = candidates.append_column("event_id", pa.array(ids, pa.string())).filter(
            pa.array([one not in known for one in ids], pa.bool_())
        )
        self._write(fresh, now)
        return fresh.num_rows

    def erase(self, channel: str, contact_point: str, *, now: datetime) -> None:
        """Forget a contact point: its address, its evidence and what ties its events to it.

        Its withdrawals stay, under the pseudonym, so that an old list that comes back revives
        nothing; that it was erased is an event of its own, which ends every consent before it.
        """
        subject = self.subject(channel, contact_point)
        moment = now.astimezone(UTC)
        erased = {
            "event_id": self._pseudonym(f"erased:{subject}:{moment.isoformat()}")[:32],
            "contact_point": contact_point,
            "source": "ledger",
            "channel": channel,
            "purpose": "advertising",
            "event": "erased",
            "happened_at": moment,
            "is_time_known": True,
            "recorded_at": moment,
        }
        fields = [(name, pa.string()) for name in (*TEXT_COLUMNS, *EVIDENCE_COLUMNS)]
        schema = pa.schema([("event_id", pa.string()), ("contact_point", pa.string()), *fields])
        for name, kind in (
            ("happened_at", _MOMENT), ("recorded_at", _MOMENT), ("is_time_known", pa.bool_()),
        ):  # fmt: skip
            schema = schema.set(schema.get_field_index(name), pa.field(name, kind))
        self._write(pa.Table.from_pylist([erased], schema=schema), now)
        for part in ("subjects", "evidence"):
            for path in self._parts(part):
                rows = pq.read_table(path)
                kept = rows.filter(pa.compute.not_equal(rows["subject"], subject))
                if kept.num_rows < rows.num_rows:
                    _replace(kept, path)

    def register(self, db: duckdb.DuckDBPyConnection, schema: str) -> None:
        """Create <schema>.events, one row per event as its text tells it, and <schema>.batches.

        events: seq, event_id, subject, record, TEXT_COLUMNS, contact_point (null where erased),
        EVIDENCE_COLUMNS (null where erased), batch, leaf.
        """
        db.execute(f"create schema if not exists {schema}")
        told = {"event_id": "varchar", "contact_point": "varchar", "record": "varchar"}
        told |= {name: _SQL_TYPES.get(name, "varchar") for name in TEXT_COLUMNS}
        proof = dict.fromkeys(EVIDENCE_COLUMNS, "varchar")
        with _registered(
            db,
            consent_texts_=self._all_events(),
            consent_subjects_=_concatenated(self._parts("subjects"), _SUBJECTS),
            consent_evidence_=_concatenated(self._parts("evidence"), _EVIDENCE),
            consent_batches_=pa.Table.from_pylist(
                [vars(batch) for batch in self.batches()],
                schema=pa.schema(
                    [
                        (name, pa.int64() if kind is int else pa.string())
                        for name, kind in Batch.__annotations__.items()
                    ]
                ),
            ),
        ):
            db.execute(f"create or replace table {schema}.batches as from consent_batches_")
            db.execute(
                f"create or replace table {schema}.events as with told as ("
                f"select seq, unnest(from_json(canonical, '{json.dumps(told)}')), batch, leaf "
                "from consent_texts_), "
                # Who was erased and came back has two salts and one address.
                "known as (select subject, any_value(contact_point) as contact_point "
                "from consent_subjects_ group by subject), "
                f"proofs as (select seq, unnest(from_json(evidence, '{json.dumps(proof)}')) "
                "from consent_evidence_) "
                "select told.* rename (contact_point as subject), known.contact_point, "
                "proofs.* exclude (seq) from told "
                "left join known on told.contact_point = known.subject "
                "left join proofs on told.seq = proofs.seq"
            )

    def batches(self) -> list[Batch]:
        """All batches, the oldest first. Raises LedgerBroken where one cannot be read."""
        found = []
        for path in sorted(self._batches.glob("[!.]*/batch.json")):
            try:
                found.append(Batch(**json.loads(path.read_text(encoding="utf-8"))))
            except (ValueError, TypeError) as error:
                raise LedgerBroken(f"{path.parent.name}/batch.json is not readable") from error
        return found

    def heads(self) -> list[Head]:
        """What is to leave the machine: the head of every batch."""
        return [Head(one.number, one.rows, one.head, one.written_at) for one in self.batches()]

    def verify(self, outside: Sequence[Head] = ()) -> int:
        """Recompute everything; returns the number of events.

        outside: heads that were kept elsewhere. Raises LedgerBroken, which names the first event
        that does not fit, and where only a head tells it, the batch.
        """
        head, seq = _NO_HEAD, 1
        batches = self.batches()
        kept = {one.number: one for one in outside}
        salts: dict[str, bytes] = {}
        for place, batch in enumerate(batches, 1):
            if batch.number != place:
                raise LedgerBroken(f"batch {place} is missing")
            salts |= self._verified_salts(place)
            seq = self._verified(batch, seq, head, salts)
            head = batch.head
            if place in kept and kept[place].head != head:
                raise LedgerBroken(
                    f"batch {place} (events {batch.first_seq} to {seq - 1}) is not the one whose "
                    f"head was kept elsewhere on {kept[place].written_at}: from event "
                    f"{batch.first_seq} on the ledger was built anew"
                )
        if missing := sorted(kept.keys() - {batch.number for batch in batches}):
            raise LedgerBroken(
                f"the ledger ends with batch {len(batches)}, event {seq - 1}; elsewhere the heads "
                f"of {len(missing)} more were kept, the first of {kept[missing[0]].written_at}: "
                f"event {seq} and what followed were cut off"
            )
        return seq - 1

    def export_heads(self, file: Path) -> None:
        """Write the heads that are not in the file yet; what stands there is never changed.

        Raises LedgerBroken where the file says something else than the ledger.
        """
        lines = [one.line() for one in self.heads()]
        there = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        if there != lines[: len(there)]:
            raise LedgerBroken(f"{file.name} holds other heads than the ledger: ask `verify`")
        if len(there) < len(lines):
            file.parent.mkdir(parents=True, exist_ok=True)
            temporary = file.with_name(f".{file.name}")
            temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            sync(temporary)
            temporary.replace(file)
            sync(file.parent)

    def _verified_salts(self, number: int) -> dict[str, bytes]:
        """Salts whose contact points are those of their pseudonyms. Raises LedgerBroken."""
        rows = self._subjects(number)
        for subject, channel, contact_point in zip(
            *(rows[name].to_pylist() for name in ("subject", "channel", "contact_point")),
            strict=True,
        ):
            if self.subject(channel, contact_point) != subject:
                raise LedgerBroken(
                    f"in subjects/{number:06d}.parquet the pseudonym {subject[:12]}… stands for "
                    "another contact point than it was made of"
                )
        return _salts(rows)

    def _verified(self, batch: Batch, seq: int, head: str, salts: Mapping[str, bytes]) -> int:
        """The number of the first event after this batch. Raises LedgerBroken."""
        folder = self._batches / f"{batch.number:06d}"
        try:
            events = pq.read_table(folder / "events.parquet").cast(_EVENTS)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise LedgerBroken(
                f"batch {batch.number}, from event {seq} on, cannot be read: {error}"
            ) from error
        if batch.previous_head != head:
            raise LedgerBroken(
                f"batch {batch.number} does not follow the batch before it: event {seq}"
            )
        first, chained = seq, head
        proofs = self._evidence(batch.number)
        evidence = dict(zip(proofs["seq"].to_pylist(), proofs["evidence"].to_pylist(), strict=True))
        for part in events.to_batches(max_chunksize=100_000):
            for number, canonical, leaf, link in zip(
                *(column.to_pylist() for column in part.columns), strict=True
            ):
                where = f"event {seq} (batch {batch.number})"
                if number != seq or not canonical:
                    raise LedgerBroken(f"{where} is not there: event {number} stands in its place")
                salt = salts.get(canonical.partition(_SUBJECT_IS)[2][:64])
                if salt and _leaf(salt, canonical, evidence.get(seq)) != leaf:
                    raise LedgerBroken(
                        f"{where} does not fit its leaf: it or its evidence was changed"
                    )
                chained = _link(chained, leaf)
                if chained != link or f'"seq":{seq},' not in canonical:
                    raise LedgerBroken(f"{where} does not follow the one before: it was changed")
                seq += 1
        where = f"batch {batch.number} (events {first} to {seq - 1})"
        if batch.rows != seq - first or batch.first_seq != first or batch.chained != chained:
            raise LedgerBroken(
                f"{where} had {batch.rows} events from {batch.first_seq} on and ended otherwise: "
                f"event {min(seq, batch.first_seq + batch.rows)} does not fit"
            )
        if _file_sha256(folder / "events.parquet") != batch.file_sha256:
            raise LedgerBroken(f"the file of {where} was written anew: event {first} or later")
        if batch.computed_head() != batch.head:
            raise LedgerBroken(f"{where} has another head than follows from it: event {first}")
        return seq

    def _write(self, fresh: pa.Table, now: datetime) -> None:
        """Commit candidates with their event_id as the next batch."""
        if not fresh.num_rows:
            return
        batches = self.batches()
        number = len(batches) + 1
        first = sum(batch.rows for batch in batches) + 1
        head = chained = batches[-1].head if batches else _NO_HEAD
        salts: dict[str, bytes] = {}
        for place in range(1, number):
            salts |= _salts(self._subjects(place))
        new, points, records = [], [], []
        with duckdb.connect() as db, _registered(db, fresh=fresh):
            for channel, point in db.sql(
                "select distinct channel, contact_point from fresh"
            ).fetchall():
                subject = self.subject(channel, point)
                points.append((channel, point, subject))
                if subject not in salts:
                    salts[subject] = secrets.token_bytes(32)
                    new.append((subject, channel, point, salts[subject].hex()))
            for source, record in db.sql(
                "select distinct source, source_record from fresh where source_record is not null"
            ).fetchall():
                records.append((source, record, self._pseudonym(f"{source}:{record}")))
            texts = _texts(db, points, records, first)
        events, proofs = [], []
        for seq, subject, canonical, proof in texts:
            leaf = _leaf(salts[subject], canonical, proof)
            chained = _link(chained, leaf)
            events.append((seq, canonical, leaf, chained))
            proofs.append((seq, subject, proof))
        # These two first: without its batch no part of them counts.
        _replace(_table(new, _SUBJECTS), self._part("subjects", number))
        _replace(_table(proofs, _EVIDENCE), self._part("evidence", number))
        self._commit(number, _table(events, _EVENTS), head, now)

    def _commit(self, number: int, events: pa.Table, previous_head: str, now: datetime) -> None:
        with committed(self._batches / f"{number:06d}") as folder:
            pq.write_table(events, folder / "events.parquet", compression="zstd")
            about = {
                "number": number,
                "rows": events.num_rows,
                "first_seq": events["seq"][0].as_py(),
                "file_sha256": _file_sha256(folder / "events.parquet"),
                "chained": events["chained"][-1].as_py(),
                "previous_head": previous_head,
                "written_at": now.astimezone(UTC).isoformat(timespec="seconds"),
            }
            write_json(folder / "batch.json", about | {"head": _sha256(_canonical(about))})

    def _event_ids(self) -> set[str]:
        with duckdb.connect() as db, _registered(db, texts=self._all_events()):
            return {
                one for (one,) in db.sql("select canonical->>'$.event_id' from texts").fetchall()
            }

    def _all_events(self) -> pa.Table:
        parts = [
            pq.read_table(self._batches / f"{batch.number:06d}" / "events.parquet")
            .cast(_EVENTS)
            .append_column("batch", pa.array([batch.number] * batch.rows, pa.int64()))
            for batch in self.batches()
        ]
        numbered = _EVENTS.append(pa.field("batch", pa.int64()))
        return pa.concat_tables(parts or [numbered.empty_table()])

    def _subjects(self, number: int) -> pa.Table:
        return _concatenated(self._there("subjects", number), _SUBJECTS)

    def _evidence(self, number: int) -> pa.Table:
        return _concatenated(self._there("evidence", number), _EVIDENCE)

    def _part(self, name: str, number: int) -> Path:
        return self._folder / name / f"{number:06d}.parquet"

    def _parts(self, name: str) -> list[Path]:
        """The parts that belong to a batch; one beyond them is left by a killed process."""
        return [path for batch in self.batches() for path in self._there(name, batch.number)]

    def _there(self, name: str, number: int) -> list[Path]:
        """The part of a batch; none where the batch brought none."""
        path = self._part(name, number)
        return [path] if path.exists() else []

    def _pseudonym(self, text: str) -> str:
        return hmac.digest(self._key, text.encode(), "sha256").hex()


def _salts(subjects: pa.Table) -> dict[str, bytes]:
    salts = map(bytes.fromhex, subjects["salt"].to_pylist())
    return dict(zip(subjects["subject"].to_pylist(), salts, strict=True))


def _canonical(content: Mapping) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _texts(
    db: duckdb.DuckDBPyConnection, points: Sequence[tuple], records: Sequence[tuple], first: int
) -> list[tuple]:
    """seq, subject, canonical text and evidence of all events of the relation `fresh`."""
    proof = ", ".join(f"'{name}', f.{name}" for name in sorted(EVIDENCE_COLUMNS))
    told = {name: f"f.{name}" for name in TEXT_COLUMNS}
    told |= {name: f"strftime(f.{name} at time zone 'UTC', '{_ISO}')" for name in _MOMENTS}
    told |= {"seq": "seq", "event_id": "f.event_id", "record": "r.record"}
    told["contact_point"] = "p.subject"
    text = ", ".join(f"'{name}', {told[name]}" for name in sorted(told))
    with _registered(
        db, points=_strings("channel contact_point subject", points),
        records=_strings("source source_record record", records),
    ):  # fmt: skip
        return db.sql(
            f"with ordered as (select *, {first} - 1 + row_number() over (order by recorded_at, "
            "happened_at nulls first, event_id) as seq from fresh) "
            f"select seq, p.subject, json_object({text})::varchar, json_object({proof})::varchar "
            "from ordered f "
            "join points p on f.channel = p.channel and f.contact_point = p.contact_point "
            "left join records r on f.source = r.source and f.source_record = r.source_record "
            "order by seq"
        ).fetchall()


def _leaf(salt: bytes, text: str, evidence: str | None) -> str:
    return hmac.digest(salt, f"{text}\n{evidence or ''}".encode(), "sha256").hex()


def _link(before: str, leaf: str) -> str:
    return _sha256(before + leaf)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _table(rows: Sequence[tuple], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
    arrays = [pa.array(column, one.type) for column, one in zip(columns, schema, strict=True)]
    return pa.table(arrays, schema=schema)


def _strings(columns: str, rows: Sequence[tuple]) -> pa.Table:
    return _table(rows, pa.schema([(name, pa.string()) for name in columns.split()]))


def _concatenated(parts: Sequence[Path], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([schema.empty_table(), *(pq.read_table(part) for part in parts)])


def _replace(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    pq.write_table(table, temporary, compression="zstd")
    temporary.chmod(0o600)
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


@contextlib.contextmanager
def _registered(db: duckdb.DuckDBPyConnection, **tables: pa.Table) -> Iterator[None]:
    for name, table in tables.items():
        db.register(name, table)
    try:
        yield
    finally:
        for name in tables:
            db.unregister(name)
