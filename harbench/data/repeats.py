"""Recordings that hold the same signal as another: what a split by takes does not keep apart."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from harbench.data.coverage import named, with_option
from harbench.dataset import Recording


@dataclass
class Repeats:
    """Digests of the recordings' values, 32 bytes each; `notes` says which are alike."""

    found: dict[bytes, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, recording: Recording) -> bool:
        """Whether an earlier recording had these values; one without any is like no other."""
        missing = np.isnan(recording.values)
        if missing.all():
            return False
        # Missing values may differ in their bits.
        values = np.where(missing, np.float32(np.nan), recording.values)
        alike = self.found[hashlib.sha256(values.tobytes()).digest()]
        alike.append((recording.name, recording.subject))
        return len(alike) > 1

    def notes(self, spec: str, dropped: bool) -> list[str]:
        """A sentence where recordings repeat each other, and which splits that spoils."""
        groups = [group for group in self.found.values() if len(group) > 1]
        pairs = [f"{name} = {group[0][0]}" for group in groups for name, _ in group[1:]]
        if not pairs:
            return []
        if dropped:
            return [f"{len(pairs)} recordings are left out, copies of others ({named(pairs)})."]
        across = any(len({subject for _, subject in group}) > 1 for group in groups)
        splits = "every split" if across else "`random` and `recording` splits"
        return [
            f"REPEATED: {len(pairs)} of the recordings have the same values as others "
            f"({named(pairs)}): {splits} can test a copy of what was learnt. To leave the copies "
            f"out: {with_option(spec, 'repeats', 'drop')}"
        ]
