"""Recordings that hold the same signal as another: what a split by takes does not keep apart."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harbench.data.coverage import named, with_option
from harbench.dataset import FloatArray, Recording

# Samples in a row that are compared; single ones are alike by chance where a sensor is coarse.
RUN = 16
# Of the runs of a recording one in so many is kept, and so many are enough to tell.
KEPT, ENOUGH = 64, 4
FACTORS = np.random.default_rng(0).integers(2**63, size=(2, 4096), dtype=np.uint64) * 2 + 1


def runs(values: FloatArray) -> NDArray[np.uint64]:
    """(..., T - RUN + 1) a number for each run of RUN samples of values (..., T, K).

    Equal runs have equal numbers; 0: fewer than half of its samples differ from the one before.
    """
    if values.shape[-2] < RUN:
        return np.zeros((*values.shape[:-2], 0), np.uint64)
    # Missing values may differ in their bits.
    same = np.where(np.isnan(values), np.float32(np.nan), values).astype(np.float32)
    bits = same.view(np.uint32).astype(np.uint64)
    columns = FACTORS[0, np.arange(bits.shape[-1]) % FACTORS.shape[1]]
    rows = (bits * columns).sum(axis=-1, dtype=np.uint64)
    rows = (rows ^ (rows >> np.uint64(29))) * FACTORS[0, 0]
    count = rows.shape[-1] - RUN + 1
    found = np.zeros((*rows.shape[:-1], count), np.uint64)
    moves = np.zeros(found.shape, np.uint8)
    differ = rows[..., 1:] != rows[..., :-1]
    for step in range(RUN):
        found += rows[..., step : step + count] * FACTORS[1, step]
        if step < RUN - 1:
            moves += differ[..., step : step + count]
    found ^= found >> np.uint64(32)
    return np.where(moves >= RUN // 2, found, np.uint64(0))


@dataclass
class Repeats:
    """What recordings hold, and which hold what an earlier one does; `notes` says so.

    names: of recordings with their subjects. digests: of all values. owners: of a run of samples,
    the first recording that has it. sizes: how many runs were kept of each. found: (a recording,
    an earlier one, whether all values are equal).
    """

    names: list[tuple[str, str]] = field(default_factory=list)
    digests: dict[bytes, int] = field(default_factory=dict)
    owners: dict[int, int] = field(default_factory=dict)
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
        numbers = np.unique(runs(values.reshape(len(values), -1)))
        kept = numbers[(numbers > 0) & (numbers % KEPT == 0)].tolist()
        own = len(self.names)
        self.names.append((recording.name, recording.subject))
        self.sizes.append(len(kept))
        first = self.digests.setdefault(hashlib.sha256(values.tobytes()).digest(), own)
        earlier = self._alike(kept, own) if first == own else first
        if earlier is not None:
            self.found.append((own, earlier, first != own))
        for number in kept:
            self.owners.setdefault(number, own)
        return earlier is not None

    def _alike(self, kept: list[int], own: int) -> int | None:
        """The earlier recording that shares most runs, if they are half of the shorter one's."""
        shared = Counter(self.owners[number] for number in kept if number in self.owners)
        for earlier, count in shared.most_common(1):
            if count >= max(ENOUGH, min(self.sizes[earlier], self.sizes[own]) / 2):
                return earlier
        return None

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
