"""What a rule, a suite and a verdict are. Nothing is judged here; Great Expectations is unknown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from quality.thresholds import Thresholds

Family = Literal["freshness", "reliability", "format", "errors"]
FAMILIES: tuple[Family, ...] = ("freshness", "reliability", "format", "errors")
# What each family says of a table when it passes, and the harm where it does not.
FAMILY_CHECKS: dict[Family, tuple[str, str]] = {
    "freshness": (
        "it_arrived_on_time",
        "Decisions would rest on what was true some time ago, a withdrawal of consent among it.",
    ),
    "reliability": (
        "it_is_as_much_and_as_composed_as_usual",
        "What silently stops, doubles or changes its meaning is found weeks later in a figure.",
    ),
    "format": (
        "its_columns_and_forms_are_as_agreed",
        "A row of another form would be read as something else. It goes to quarantine, or is let "
        "in and counted where the harm is small.",
    ),
    "errors": (
        "its_rows_are_valid",
        "A wrong row makes a wrong decision. It goes to quarantine, or is let in and counted where "
        "keeping it out would do more harm.",
    ),
}


class Severity(StrEnum):
    """What a broken rule does: keep the row out, or only be counted and shown."""

    QUARANTINE = "quarantine"
    WARN = "warn"


@dataclass(frozen=True)
class Rule:
    """One rule on the rows of a table: a sentence that is true of a good row.

    `looks_at` is a prepared column (see Suite.prepared) or a column of the contract; `column` is
    the one a person has to correct. `where` narrows the rule to the rows with these values.
    """

    name: str
    column: str
    looks_at: str
    must: Literal["be_present", "be_absent", "be_between", "be_one_of", "match"]
    harm: str
    remedy: str
    family: Family = "errors"
    severity: Severity = Severity.QUARANTINE
    least: object = None
    most: object = None
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    where: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Suite:
    """All rules of one table.

    prepared maps a name to the DuckDB expression that computes it from the landed text; in it
    `read_number(text, mark)`, `read_day(text, order)` and `read_moment(text)` give null where the
    text is none. `key` are the columns that name a record in lists of what to correct. `counted`
    maps a sentence to the DuckDB condition whose share of the rows is compared from night to night;
    newest is the DuckDB expression of when a row last changed.
    """

    source: str
    table: str
    rules: tuple[Rule, ...]
    thresholds: Thresholds
    prepared: Mapping[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    counted: Mapping[str, str] = field(default_factory=dict)
    newest: str | None = None


@dataclass(frozen=True)
class RuleResult:
    """How one rule came out over a whole load."""

    rule: Rule
    broken: int


@dataclass(frozen=True)
class Profile:
    """What a load looks like, in counts: never a value.

    judged rows without deletions; counted: sentence → rows of which it holds; outside: name of a
    field that the contract does not know → rows that have it; newest_change: UTC, None: unknown.
    """

    judged: int = 0
    counted: Mapping[str, int] = field(default_factory=dict)
    outside: Mapping[str, int] = field(default_factory=dict)
    newest_change: datetime | None = None

    def as_json(self) -> dict:
        """The profile as it is kept beside the load."""
        return {
            "judged": self.judged,
            "counted": dict(self.counted),
            "outside": dict(self.outside),
            "newest_change": self.newest_change and self.newest_change.isoformat(),
        }


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one load. landed = accepted + quarantined, unless it is refused."""

    is_let_in: bool
    reasons: tuple[str, ...]
    landed: int
    accepted: int
    quarantined: int
    results: tuple[RuleResult, ...]
    profile: Profile = Profile()

    def as_json(self) -> dict:
        """The verdict as it is kept beside the load; it holds counts, never a value."""
        return {
            "is_let_in": self.is_let_in,
            "reasons": list(self.reasons),
            "landed": self.landed,
            "accepted": self.accepted,
            "quarantined": self.quarantined,
            "rules": [
                {
                    "name": result.rule.name,
                    "family": result.rule.family,
                    "severity": result.rule.severity.value,
                    "column": result.rule.column,
                    "broken": result.broken,
                }
                for result in self.results
            ],
            "profile": self.profile.as_json(),
        }
