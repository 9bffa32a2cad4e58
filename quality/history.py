"""What one run learned of one source: the record that later runs are compared with.

It holds counts and names of columns and rules, never a value. Who keeps it, and where, is not known
here.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from quality.rules import Family


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a table: its name stays the same from run to run.

    name is that of a broken rule, or says what is unusual, late or drifted; found is what this run
    saw of it, remedy what to do.
    """

    name: str
    found: str
    remedy: str = ""

    @property
    def sentence(self) -> str:
        """All of it, for a person."""
        return f"{self.found} {self.remedy}".rstrip()


@dataclass(frozen=True)
class FamilyResult:
    """What is wrong with a table in the eyes of a family of rules; note: what is worth knowing."""

    faults: tuple[Fault, ...] = ()
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


@dataclass(frozen=True)
class TableRun:
    """One table in one run.

    landed, accepted and quarantined are the rows of this run's loads; judged those without
    deletions, counted how many of them a sentence holds of (see Suite.counted). was_read: the
    source answered for it to the end, or its files were looked at. to_correct: quarantined rows
    that still stand, over all loads in force; broken: rule → rows that break it and still stand.
    outside: fields the contract does not know → rows. columns: those found in this run's loads;
    new and gone are fields that the loads before did not have, or had. …_in_force: over all loads
    that count.
    """

    was_read: bool
    landed: int = 0
    accepted: int = 0
    quarantined: int = 0
    judged: int = 0
    counted: Mapping[str, int] = field(default_factory=dict)
    to_correct: int = 0
    broken: Mapping[str, int] = field(default_factory=dict)
    outside: Mapping[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    newest_change: datetime | None = None
    last_arrival: datetime | None = None
    landed_in_force: int = 0
    rows_in_force: int = 0
    judged_in_force: int = 0
    counted_in_force: Mapping[str, int] = field(default_factory=dict)
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    families: Mapping[Family, FamilyResult] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceRun:
    """One source in one run; problems and left_alone are what the pull said of it."""

    source: str
    run_id: str
    started_at: datetime
    is_on: bool
    problems: tuple[str, ...] = ()
    left_alone: tuple[str, ...] = ()
    tables: Mapping[str, TableRun] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        """Whether everything could be read and was let in."""
        return not self.problems and not any(table.refused for table in self.tables.values())

    def as_json(self) -> dict:
        """The record as it is kept."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping) -> "SourceRun":
        """The record as it was kept."""
        return cls(
            **{
                **content,
                "started_at": datetime.fromisoformat(content["started_at"]),
                "problems": tuple(content["problems"]),
                "left_alone": tuple(content["left_alone"]),
                "tables": {name: _table_run(table) for name, table in content["tables"].items()},
            }
        )


def _table_run(content: Mapping) -> TableRun:
    return TableRun(
        **{
            **content,
            "columns": tuple(content["columns"]),
            "new": tuple(content["new"]),
            "gone": tuple(content["gone"]),
            "refused": tuple(content["refused"]),
            "newest_change": _moment(content["newest_change"]),
            "last_arrival": _moment(content["last_arrival"]),
            "families": {
                family: FamilyResult(
                    tuple(Fault(**fault) for fault in result["faults"]), result["note"]
                )
                for family, result in content["families"].items()
            },
        }
    )


def _moment(written: str | None) -> datetime | None:
    return written and datetime.fromisoformat(written)
