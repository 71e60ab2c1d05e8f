"""SPAR: shoulder exercises under one smart watch, shipped inside the package seglearn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harbench.dataset import (
    Dataset,
    DatasetInfo,
    Recording,
    Sensor,
    WindowOptions,
    register_dataset,
)

RATE = 50.0
EXERCISES = (
    "pendulum",
    "abduction",
    "forward elevation",
    "internal rotation",
    "external rotation",
    "trapezius extension",
    "upright row",
)
WRIST = (0.35, 0.0, -0.05)


@dataclass(frozen=True)
class SparOptions(WindowOptions):
    """Windows of 2.56 s with 50 % overlap."""


@register_dataset
class Spar(Dataset):
    """7 shoulder exercises, 10 subjects, both sides, 50 Hz; the embedded default dataset.

    One body location, so its two "sensors" are the watch's accelerometer and gyroscope, three
    axes each. Every recording is one exercise on one side: all its windows carry its label.
    """

    name = "spar"
    Options = SparOptions
    embedded = True

    @property
    def info(self) -> DatasetInfo:
        """The facts of the study, and of the file inside seglearn."""
        return DatasetInfo(
            title="Smartwatch performance for the assessment of shoulder exercises (SPAR)",
            sensors=(Sensor("accelerometer", WRIST), Sensor("gyroscope", WRIST)),
            channels=("x", "y", "z"),
            units=("g | rad/s",) * 3,
            classes=EXERCISES,
            rate=RATE,
            licence="BSD-3-Clause (package seglearn)",
            citation="Burns et al., Shoulder physiotherapy exercise recognition: machine learning "
            "the inertial signals from a smartwatch, Physiological Measurement 39, 2018",
        )

    def recordings(self, source: Path | None) -> Iterator[Recording]:
        """Yield the 140 recordings, sorted by name; `source` is not used."""
        from seglearn.datasets import load_watch

        data = load_watch()
        sides = np.where(np.asarray(data["side"]) == 1, "right", "left")
        names = [
            f"subject-{subject:02d}-{side}-{EXERCISES[label].replace(' ', '-')}"
            for subject, side, label in zip(data["subject"], sides, data["y"], strict=True)
        ]
        for row in np.argsort(names):
            values = np.asarray(data["X"][row], dtype=np.float32)
            yield Recording(
                name=names[row],
                subject=f"{data['subject'][row]:02d}",
                time=np.arange(len(values)) / RATE,
                values=values.reshape(len(values), 2, 3),
                labels=np.full(len(values), data["y"][row], dtype=np.int64),
            )
