"""The ledger of consent: what may be done to it unnoticed (nothing), and what erasing leaves."""

import json
import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.privacy.ledger import (
    EVIDENCE_COLUMNS,
    TEXT_COLUMNS,
    ConsentLedger,
    Head,
    LedgerBroken,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        (name, {"happened_at": MOMENT, "recorded_at": MOMENT}.get(name, pa.string()))
        for name in ("contact_point", *TEXT_COLUMNS, *EVIDENCE_COLUMNS)
        if name != "is_time_known"
    ]
    + [("is_time_known", pa.bool_())]
)


def candidates(*rows: dict) -> pa.Table:
    alike = {
        "source": "mailchimp",
        "channel": "email",
        "controller": "company",
        "purpose": "newsletter",
        "event": "confirmed",
        "happened_at": START,
        "is_time_known": True,
        "text_version": "v1",
        "recorded_at": START + timedelta(days=1),
        "evidence_ip": "192.0.2.1",
    }
    return pa.Table.from_pylist([alike | row for row in rows], schema=SCHEMA)


def declared(number: int, **said: object) -> dict:
    return {
        "consent_event_id": f"e{number}",
        "contact_point": f"person{number // 3}@krone.example",
        "source_record": f"list:{number // 3}",
        "happened_at": START + timedelta(minutes=number),
    } | said


@pytest.fixture
def ledger(tmp_path: Path) -> ConsentLedger:
    """Three batches of twenty events each."""
    made = ConsentLedger(tmp_path / "consent")
    for night in range(3):
        rows = [declared(number) for number in range(20 * night, 20 * night + 20)]
        assert made.append(candidates(*rows), now=START + timedelta(days=night)) == 20
    return made


def events(ledger: ConsentLedger) -> list[dict]:
    with duckdb.connect() as db:
        ledger.register(db, "consent")
        return db.sql("from consent.events order by seq").to_arrow_table().to_pylist()


def test_what_is_appended_is_read_back_as_it_was_told(ledger):
    assert ledger.verify(ledger.heads()) == 60
    read = events(ledger)
    assert [row["seq"] for row in read] == list(range(1, 61))
    assert len({row["event_id"] for row in read}) == 60
    for number, row in enumerate(read):
        told = declared(number)
        for name in ("contact_point", "consent_event_id", "source_record", "happened_at"):
            assert row[name] == told[name]
        assert (row["event"], row["evidence_ip"]) == ("confirmed", "192.0.2.1")
    assert read[0]["subject"] == read[1]["subject"] != read[3]["subject"]
    assert read[0]["record"] == read[1]["record"] != read[3]["record"]


def test_what_is_told_again_is_no_event_however_it_is_told(ledger):
    before = ledger.heads()
    again = [declared(number, source_status="seen again") for number in range(60)]
    assert ledger.append(candidates(*again), now=START) == 0
    assert ledger.heads() == before
    assert ledger.append(candidates(*again, declared(60)), now=START) == 1
    assert ledger.verify(before) == 61


def test_an_empty_ledger_fits_and_nothing_makes_no_batch(tmp_path):
    ledger = ConsentLedger(tmp_path)
    assert ledger.append(candidates(), now=START) == 0
    assert (ledger.verify(), ledger.heads(), events(ledger)) == (0, [], [])


def test_no_contact_point_and_no_record_stands_in_the_chain(ledger, tmp_path):
    for path in tmp_path.rglob("batches/**/*"):
        if path.is_file():
            text = (
                path.read_bytes() if path.suffix == ".json" else str(pq.read_table(path)).encode()
            )
            assert b"krone" not in text
            assert b"list:" not in text
            assert b"192.0.2.1" not in text


def _batch(ledger_folder: Path, number: int) -> Path:
    return ledger_folder / "batches" / f"{number:06d}" / "events.parquet"


def _edited(path: Path, edit: Callable[[list[dict]], list[dict]]) -> None:
    table = pq.read_table(path)
    rows = edit(table.to_pylist())
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path, compression="zstd")


def _other(row: dict, **said: object) -> dict:
    text = json.loads(row["canonical"]) | said
    return row | {"canonical": json.dumps(text, sort_keys=True, separators=(",", ":"))}


def _tamper(dice: random.Random, folder: Path) -> tuple[str, int]:
    """One change of a ledger of three batches; what it is, and the first event it concerns."""
    number = dice.randrange(1, 4)
    place = dice.randrange(19)
    kind = dice.choice(
        ["text", "leaf", "chained", "deleted", "doubled", "swapped", "evidence", "address"]
    )
    seq = 20 * (number - 1) + place + 1

    def edit(rows: list[dict]) -> list[dict]:
        one, next_ = rows[place], rows[place + 1]
        match kind:
            case "text":
                rows[place] = _other(one, event=dice.choice(["withdrawn", "granted_offline"]))
            case "leaf" | "chained":
                rows[place] = one | {kind: next_[kind]}
            case "deleted":
                del rows[place]
            case "doubled":
                rows.insert(place, one)
            case "swapped":
                rows[place] = one | {"canonical": next_["canonical"]}
                rows[place + 1] = next_ | {"canonical": one["canonical"]}
        return rows

    if kind == "evidence":
        _edited(
            folder / "evidence" / f"{number:06d}.parquet",
            lambda rows: [row | {"evidence": "{}"} if row["seq"] == seq else row for row in rows],
        )
    elif kind == "address":
        part = folder / "subjects" / f"{number:06d}.parquet"
        _edited(part, lambda rows: [rows[0] | {"contact_point": "a@b.example"}, *rows[1:]])
    else:
        _edited(_batch(folder, number), edit)
    return kind, seq


def test_a_hundred_changes_are_all_found_and_the_first_event_is_named(ledger, tmp_path):
    heads, dice = ledger.heads(), random.Random(3)
    kinds = set()
    for _ in range(100):
        spoilt = tmp_path / "spoilt"
        shutil.copytree(tmp_path / "consent", spoilt)
        kind, seq = _tamper(dice, spoilt)
        kinds.add(kind)
        with pytest.raises(LedgerBroken) as broken:
            ConsentLedger(spoilt).verify(heads)
        if kind == "doubled":
            seq += 1
        assert (
            "pseudonym" in str(broken.value)
            if kind == "address"
            else (f"event {seq} " in str(broken.value))
        )
        shutil.rmtree(spoilt)
    assert len(kinds) == 8


def test_a_change_with_all_hashes_made_anew_is_found_by_the_head_kept_elsewhere(ledger, tmp_path):
    """Whoever has the machine has the salts, and can write a ledger that fits in itself."""
    heads = ledger.heads()
    (tmp_path / "forged").mkdir()
    shutil.copy(tmp_path / "consent" / "key", tmp_path / "forged" / "key")
    forged = ConsentLedger(tmp_path / "forged")
    for night in range(3):
        rows = [
            declared(number, **({"event": "withdrawn"} if number == 25 else {}))
            for number in range(20 * night, 20 * night + 20)
        ]
        forged.append(candidates(*rows), now=START + timedelta(days=night))
    assert forged.verify() == 60
    with pytest.raises(LedgerBroken, match=r"batch 1 .* not the one whose head was kept elsewhere"):
        forged.verify(heads)


def test_what_was_cut_off_at_the_end_is_found_by_the_head_kept_elsewhere(ledger, tmp_path):
    heads = ledger.heads()
    shutil.rmtree(tmp_path / "consent" / "batches" / "000003")
    assert ledger.verify() == 40
    with pytest.raises(LedgerBroken, match=r"ends with batch 2, event 40; .* event 41 .* cut off"):
        ledger.verify(heads)


def test_a_batch_that_is_gone_from_the_middle_is_found_by_itself(ledger, tmp_path):
    shutil.rmtree(tmp_path / "consent" / "batches" / "000002")
    with pytest.raises(LedgerBroken, match="batch 2 is missing"):
        ledger.verify()


@pytest.mark.parametrize("name", ["batch.json", "events.parquet"])
def test_a_file_that_cannot_be_read_is_named(ledger, tmp_path, name):
    (tmp_path / "consent" / "batches" / "000002" / name).write_text("{")
    with pytest.raises(LedgerBroken, match=r"000002/batch.json|batch 2, from event 21 on"):
        ledger.verify()


def test_an_erased_contact_point_leaves_its_events_and_no_address(ledger, tmp_path):
    heads = ledger.heads()
    subject = ledger.subject("email", "person1@krone.example")
    ledger.erase("email", "person1@krone.example", now=START + timedelta(days=9))
    assert ledger.verify(heads) == 61
    mine = [row for row in events(ledger) if row["subject"] == subject]
    assert [row["event"] for row in mine] == ["confirmed"] * 3 + ["erased"]
    for row in mine:
        assert (row["contact_point"], row["evidence_ip"], row["source_record"]) == (None,) * 3
    for path in tmp_path.rglob("*"):
        if path.suffix == ".parquet":
            assert "person1@" not in str(pq.read_table(path).to_pylist())
    # An old list that comes back revives nothing: its events are known.
    old = [declared(number) for number in range(3, 6)]
    assert ledger.append(candidates(*old), now=START + timedelta(days=10)) == 0
    assert ledger.verify(heads) == 61
    assert all(row["contact_point"] is None for row in events(ledger) if row["subject"] == subject)
    # Who comes back by a new declaration is known by it alone.
    ledger.append(candidates(declared(3, consent_event_id="new")), now=START + timedelta(days=11))
    assert ledger.verify(heads) == 62
    assert events(ledger)[-1]["evidence_ip"] == "192.0.2.1"


def test_an_event_of_an_erased_contact_point_is_still_guarded_by_the_chain(ledger, tmp_path):
    ledger.erase("email", "person1@krone.example", now=START + timedelta(days=9))
    _edited(
        _batch(tmp_path / "consent", 1),
        lambda rows: [*rows[:3], _other(rows[3], event="withdrawn"), *rows[4:]],
    )
    with pytest.raises(LedgerBroken, match="events 1 to 20"):
        ledger.verify()


def test_without_its_key_the_ledger_takes_nothing_in(ledger, tmp_path):
    (tmp_path / "consent" / "key").unlink()
    with pytest.raises(LedgerBroken, match="restore lake/consent/key from the back-up"):
        ConsentLedger(tmp_path / "consent").append(candidates(declared(99)), now=START)


def test_the_key_and_what_is_personal_are_for_the_owner_alone(ledger, tmp_path):
    paths = [tmp_path / "consent" / "key", *(tmp_path / "consent").glob("[se]*/*.parquet")]
    assert len(paths) == 7
    assert {path.stat().st_mode & 0o077 for path in paths} == {0}


def test_a_process_killed_before_the_commit_left_nothing_that_counts(ledger, tmp_path, monkeypatch):
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ConsentLedger, "_commit", killed)
        with pytest.raises(KeyboardInterrupt):
            ledger.append(candidates(declared(70), declared(80)), now=START)
    assert (tmp_path / "consent" / "subjects" / "000004.parquet").exists()
    assert ledger.verify() == 60
    assert len(events(ledger)) == 60
    assert ledger.append(candidates(declared(80)), now=START) == 1
    assert ledger.verify() == 61
    assert events(ledger)[-1]["contact_point"] == declared(80)["contact_point"]


def test_heads_are_added_to_their_file_and_never_rewritten(ledger, tmp_path):
    file = tmp_path / "reports" / "heads.txt"
    ledger.export_heads(file)
    first = file.read_text()
    assert [Head.read(line) for line in first.splitlines()] == ledger.heads()
    ledger.export_heads(file)
    ledger.append(candidates(declared(60)), now=START)
    ledger.export_heads(file)
    assert file.read_text().startswith(first)
    assert len(file.read_text().splitlines()) == 4
    file.write_text(first.replace(ledger.heads()[1].head, "0" * 64))
    with pytest.raises(LedgerBroken, match="other heads than the ledger"):
        ledger.export_heads(file)


def test_a_national_number_and_an_unknown_time_are_kept_as_they_are_told(tmp_path):
    ledger = ConsentLedger(tmp_path)
    ledger.append(candidates(declared(1, happened_at=None, event="objected")), now=START)
    (row,) = events(ledger)
    assert row["happened_at"] is None
    assert ledger.verify() == 1
