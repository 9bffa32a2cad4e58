"""Clusters of one night after another in, ids out: they stay, come back, and are never reused."""

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.identity.stable_ids import Assignment, Registry, assigned


class Nights:
    """A registry that goes through one night after another; a night is a list of words of records.

    ["ab", "c"] is a night with the records a, b and c, of which the first two are one.
    """

    def __init__(self) -> None:
        self.registry, self.night = Registry.empty(), 0
        self.last: Assignment | None = None

    def pass_(self, *words: str) -> dict[str, str]:
        """The id of every record after a further night."""
        self.night += 1
        rows = [{"record": record, "cluster": min(word)} for word in words for record in word]
        schema = pa.schema([("record", pa.string()), ("cluster", pa.string())])
        with duckdb.connect() as db:
            db.register("clusters", pa.Table.from_pylist(rows, schema=schema))
            self.last = assigned(db, "clusters", self.registry, night=self.night, prefix="o_")
        self.registry = self.last.registry
        return {
            row["record"]: row["entity_id"]
            for row in self.registry.held.to_pylist()
            if not row["is_gone"]
        }

    @property
    def changes(self) -> set[tuple]:
        return {
            (row["kind"], row["old_id"], row["new_id"], row["records"])
            for row in self.last.changes.to_pylist()
        }


def test_the_same_clusters_keep_their_ids_and_change_nothing():
    nights = Nights()
    first = nights.pass_("ab", "c")
    assert nights.pass_("ab", "c") == first
    assert (nights.changes, len(set(first.values()))) == (set(), 2)
    assert all(name.startswith("o_") and len(name) == 18 for name in first.values())


def test_a_lost_registry_gives_the_same_ids_again():
    assert Nights().pass_("ab", "c") == Nights().pass_("c", "ab")


def test_a_merge_keeps_the_id_of_the_oldest_and_says_what_became_of_the_other():
    nights = Nights()
    old = nights.pass_("b")["b"]
    young = nights.pass_("b", "a")["a"]
    assert nights.pass_("ab") == {"a": old, "b": old}
    assert nights.changes == {("merge", young, old, 1)}


def test_what_is_unmerged_has_its_earlier_ids_again():
    nights = Nights()
    before = nights.pass_("ab", "cd")
    nights.pass_("abcd")
    assert nights.pass_("ab", "cd") == before
    assert nights.changes == {("split", before["a"], before["c"], 2)}


def test_what_is_unmerged_after_its_oldest_record_vanished_has_its_earlier_ids_too():
    nights = Nights()
    before = nights.pass_("a", "cd")
    nights.pass_("a", "d")
    nights.pass_("ad")
    assert nights.pass_("a", "d") == {"a": before["a"], "d": before["d"]}


def test_a_part_that_splits_off_for_the_first_time_gets_an_id_that_nobody_had():
    nights = Nights()
    (old,) = set(nights.pass_("abc").values())
    after = nights.pass_("a", "bc")
    assert (after["a"], after["b"] == after["c"] != old) == (old, True)
    assert nights.changes == {("split", old, after["b"], 2)}


def test_a_record_that_comes_back_has_its_id_again_unless_others_kept_it():
    nights = Nights()
    before = nights.pass_("ab", "c")
    nights.pass_("b")
    assert nights.changes == {("gone", before["c"], None, 1)}
    after = nights.pass_("a", "b", "c")
    assert (after["b"], after["c"]) == (before["b"], before["c"])
    assert after["a"] not in before.values()


def test_an_id_of_somebody_who_is_gone_is_given_to_nobody_else():
    nights = Nights()
    gone = nights.pass_("a")["a"]
    nights.pass_("b")
    assert gone not in nights.pass_("b", "c").values()


def test_a_record_in_two_clusters_is_named():
    with duckdb.connect() as db:
        db.execute("create table clusters as select 'a' as record, unnest(['a', 'b']) as cluster")
        with pytest.raises(ValueError, match="more than one cluster: 'a'"):
            assigned(db, "clusters", Registry.empty(), night=1, prefix="o_")


RECORDS = "abcdefgh"
# Each record's group of a night; None: it is not there.
a_night = st.fixed_dictionaries({record: st.none() | st.integers(0, 4) for record in RECORDS})


@given(st.lists(a_night, min_size=2, max_size=8))
@settings(max_examples=80, deadline=None)
def test_over_many_nights_ids_are_one_per_cluster_never_reused_and_every_change_is_said(drawn):
    nights = Nights()
    holders: dict[str, set[str]] = {}
    held: dict[str, str] = {}
    for groups in drawn:
        words: dict[int, str] = {}
        for record, group in groups.items():
            if group is not None:
                words[group] = words.get(group, "") + record
        ids = nights.pass_(*words.values())
        assert ids.keys() == set("".join(words.values()))
        of_words = [{ids[record] for record in word} for word in words.values()]
        assert all(len(one) == 1 for one in of_words)
        assert len(set().union(*of_words)) == len(words)
        for word in words.values():
            (name,) = {ids[record] for record in word}
            # An id that is not new is held by somebody who held it before.
            if name in holders:
                assert holders[name] & set(word)
            holders.setdefault(name, set()).update(word)
        moved = {(held.get(record, ids[record]), ids[record]) for record in ids}
        moved = {(old, new) for old, new in moved if old != new}
        said = {(old, new) for kind, old, new, _ in nights.changes if kind != "gone"}
        assert said == moved
        living = set(ids.values())
        assert all((old in living) == (kind == "split") for kind, old, *_ in nights.changes)
        held |= ids
