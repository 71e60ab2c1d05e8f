"""The fingerprint of a dataset: what a method can see or a split depends on, and no words."""

from __future__ import annotations

import hashlib
import json

from harbench.dataset import DatasetInfo


class Fingerprint:
    """sha256 of a dataset's content, taken up window by window.

    It covers shape, rate, sensors and channels in their order, positions, the number of classes,
    and of every window its values, label, subject, recording and start. Title, licence, citation,
    address, units and the classes' names may be corrected without invalidating a result.
    """

    def __init__(self, info: DatasetInfo, shape: tuple[int, ...]) -> None:
        seen = {
            "shape": shape,
            "rate": float(info.rate),
            "sensors": [(each.name, [float(v) for v in each.position]) for each in info.sensors],
            "channels": info.channels,
            "classes": len(info.classes),
        }
        self._digest = hashlib.sha256(json.dumps(seen).encode())

    def windows(self, values: bytes) -> None:
        """Take up the next windows: float32, little endian, one NaN for all missing values."""
        self._digest.update(values)

    def finished(
        self,
        labels: list[int],
        subjects: list[str],
        recordings: list[int],
        starts: list[int],
    ) -> str:
        """The fingerprint, once the facts of all windows, each (W,), are known."""
        self._digest.update(json.dumps([labels, subjects, recordings, starts]).encode())
        return self._digest.hexdigest()
