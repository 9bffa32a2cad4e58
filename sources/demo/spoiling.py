"""Which records go wrong, and how many. What goes wrong is said by whoever draws the records."""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Generic, TypeVar

Record = TypeVar("Record")


class Spoiling(Generic[Record]):
    """Spoils records of a list in place: one defect a record, and in truth the count of each.

    No two defects of a list get the same count: mixed up, they cannot cancel out.
    """

    def __init__(self, records: list[Record], rng: Random, truth: Counter[str]) -> None:
        self._records, self._rng, self._truth = records, rng, truth
        self._sound = dict.fromkeys(range(len(records)))
        self._counts: set[int] = set()

    def spoil(
        self,
        defect: str,
        share: float,
        change: Callable[[Record], Record],
        fits: Callable[[Record], bool] = lambda record: True,
    ) -> None:
        """Change a share of all records among the sound ones that fit.

        Raises ValueError where too few of them fit.
        """
        count = max(1, round(share * len(self._records)))
        while self._truth[defect] + count in self._counts:
            count += 1
        fitting = [at for at in self._sound if fits(self._records[at])]
        if len(fitting) < count:
            raise ValueError(f"too few records: no {count} that suit {defect}")
        for at in self._rng.sample(fitting, count):
            self._records[at] = change(self._records[at])
            del self._sound[at]
        self._truth[defect] += count
        self._counts.add(self._truth[defect])
