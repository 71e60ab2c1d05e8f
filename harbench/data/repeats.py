"""Recordings that hold the same signal as another: what a split by takes does not keep apart."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harbench.data.coverage import named, with_option
from harbench.dataset import FloatArray, IntArray, Recording

# Samples in a row that are compared; single ones are alike by chance where a sensor is coarse.
RUN = 16
# Of the runs of a recording one in so many is kept, and so many are enough to tell.
KEPT, ENOUGH = 64, 4
FACTORS = np.random.default_rng(0).integers(2**63, size=(2, 4096), dtype=np.uint64) * 2 + 1


def runs(values: FloatArray) -> NDArray[np.uint64]:
    """(..., T - RUN + 1) a number for each run of RUN samples of values (..., T, K).

    Equal runs have equal numbers; 0: fewer than half of its samples differ from the one before.
    Missing values are all of the same bits, as prepared data has them.
    """
    if values.shape[-2] < RUN:
        return np.zeros((*values.shape[:-2], 0), np.uint64)
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rows = bits @ FACTORS[0, np.arange(bits.shape[-1]) % FACTORS.shape[1]]
    rows ^= rows >> np.uint64(29)
    rows *= FACTORS[0, 0]
    count = rows.shape[-1] - RUN + 1
    found = np.zeros((*rows.shape[:-1], count), np.uint64)
    moves = np.zeros(found.shape, np.uint8)
    differ = rows[..., 1:] != rows[..., :-1]
    for step in range(RUN):
        found += rows[..., step : step + count] * FACTORS[1, step]
        if step < RUN - 1:
            moves += differ[..., step : step + count]
    found ^= found >> np.uint64(32)
    found[moves < RUN // 2] = 0
    return found


@dataclass
class Repeats:
    """What recordings hold, and which hold what an earlier one does; `notes` says so.

    names: of recordings with their subjects. digests: of all values. kept: numbers of runs, each
    once, and owners: the first recording that has it. sizes: how many runs were kept of each.
    found: (a recording, an earlier one, whether all values are equal).
    """

    names: list[tuple[str, str]] = field(default_factory=list)
    digests: dict[bytes, int] = field(default_factory=dict)
    kept: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    owners: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    sizes: list[int] = field(default_factory=list)
    found: list[tuple[int, int, bool]] = field(default_factory=list)

    def add(self, recording: Recording) -> bool:
        """Whether an earlier recording has these values, or half of the samples of one of the two.

        One without any value is like no other.
        """
        missing = np.isnan(recording.values)
        if missing.all():
            return False
        # Missing values may differ in their bits.
        values = np.where(missing, np.float32(np.nan), recording.values)
        numbers = runs(values.reshape(len(values), -1))
        kept = np.unique(numbers[numbers % KEPT == 0])
        kept = kept[kept > 0]
        own = len(self.names)
        self.names.append((recording.name, recording.subject))
        self.sizes.append(len(kept))
        shared = np.bincount(self.owners[np.isin(self.kept, kept)], minlength=own + 1)
        earlier = self.digests.setdefault(hashlib.sha256(values.tobytes()).digest(), own)
        equal = earlier != own
        if not equal:
            earlier = int(shared.argmax())
        alike = equal or shared[earlier] >= max(ENOUGH, min(self.sizes[earlier], len(kept)) / 2)
        if alike:
            self.found.append((own, earlier, equal))
        new = np.setdiff1d(kept, self.kept, assume_unique=True)
        self.kept = np.concatenate([self.kept, new])
        self.owners = np.concatenate([self.owners, np.full(len(new), own)])
        return bool(alike)

    def notes(self, spec: str, dropped: bool) -> list[str]:
        """A sentence where recordings repeat each other, and which splits that spoils."""
        if not self.found:
            return []
        pairs = [
            f"{self.names[own][0]} {'=' if equal else '~'} {self.names[earlier][0]}"
            for own, earlier, equal in self.found
        ]
        meant = (
            "" if all(equal for *_, equal in self.found) else "; ~: most of the samples, shifted"
        )
        if dropped:
            return [
                f"{len(pairs)} recordings are left out, copies of others ({named(pairs)}{meant})."
            ]
        across = any(self.names[own][1] != self.names[other][1] for own, other, _ in self.found)
        splits = "every split" if across else "`random` and `recording` splits"
        return [
            f"REPEATED: {len(pairs)} of the recordings have the same values as others "
            f"({named(pairs)}{meant}): {splits} can test a copy of what was learnt. To leave the "
            f"copies out: {with_option(spec, 'repeats', 'drop')}"
        ]
