"""What a rule and a suite are. Nothing is judged here, and Great Expectations is not imported."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal


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
    text is none. A load is refused when more than `share_of_bad_rows_allowed` of its rows are bad
    and they are more than `bad_rows_always_allowed`.
    """

    source: str
    table: str
    rules: tuple[Rule, ...]
    prepared: dict[str, str] = field(default_factory=dict)
    share_of_bad_rows_allowed: float = 0.2
    bad_rows_always_allowed: int = 0


@dataclass(frozen=True)
class RuleResult:
    """How one rule came out over a whole load."""

    rule: Rule
    broken: int


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one load. landed = accepted + quarantined, unless it is refused."""

    is_let_in: bool
    reasons: tuple[str, ...]
    landed: int
    accepted: int
    quarantined: int
    results: tuple[RuleResult, ...]

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
                    "severity": result.rule.severity.value,
                    "column": result.rule.column,
                    "broken": result.broken,
                }
                for result in self.results
            ],
        }
