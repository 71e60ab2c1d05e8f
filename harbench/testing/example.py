"""Example: say in one line what it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from harbench.data.archive import Members, open_source
from harbench.dataset import (
    Dataset,
    DatasetInfo,
    Recording,
    Sensor,
    WindowOptions,
    register_dataset,
)
from harbench.errors import HarbenchError, unknown

RATE = 50.0
LARGEST_FILE = 500_000_000
FILE = re.compile(r"(?:^|/)([^/]+)/([^/]+)\.csv$")
ACTIVITIES = ("walking", "sitting")
# Metres on a standing person, from the pelvis: right, forward, up.
SENSORS = {"wrist": (0.35, 0.0, -0.05), "hip": (0.15, 0.0, 0.0)}
CHANNELS = ("acc_x", "acc_y", "acc_z")
COLUMNS = [f"{sensor}_{channel}" for sensor in SENSORS for channel in CHANNELS]


@dataclass(frozen=True)
class ExampleOptions(WindowOptions):
    """Windows of 2.56 s with 50 % overlap. Options of your own are further fields."""


@register_dataset
class Example(Dataset):
    """One line: how many people did what, with which sensors, at which rate.

    Raw files: <subject>/<activity>.csv, a column <sensor>_<channel> for each signal and a row for
    each sample; an empty cell is a missing value and stays one.
    """

    name = "example"
    Options = ExampleOptions
    archive = "example.zip"
    obtain = "Say here where its raw data is to be had."

    @property
    def info(self) -> DatasetInfo:
        """The facts that do not depend on the samples; with a url, `data fetch` downloads it."""
        return DatasetInfo(
            title="Example recordings",
            sensors=tuple(Sensor(name, place) for name, place in SENSORS.items()),
            channels=CHANNELS,
            units=("m/s2",) * len(CHANNELS),
            classes=ACTIVITIES,
            rate=RATE,
            licence="say under which licence it may be used",
            citation="Author et al., title, venue year",
        )

    def recordings(self, source: Path | None) -> Iterator[Recording]:
        """Yield one recording per file, sorted by name; a zip is read without unpacking it."""
        assert source is not None, "raw files are needed: the engine always gives a source"
        with open_source(source, "*.csv", LARGEST_FILE) as members:
            found: dict[tuple[str, str], str] = {}
            for file in members.names:
                match = FILE.search(file)
                if not match:
                    continue
                key = (match[1], match[2])
                if match[2] not in ACTIVITIES:
                    raise HarbenchError(
                        f"{source}: {file}: {unknown('class', match[2], ACTIVITIES)}"
                    )
                if key in found:
                    raise HarbenchError(f"{source}: {found[key]} and {file} are the same.")
                found[key] = file
            if not found:
                raise HarbenchError(f"{source} holds no file like anna/walking.csv.")
            for (subject, activity), file in sorted(found.items()):
                values = _read(members, file)
                yield Recording(
                    name=f"{subject}-{activity}",
                    subject=subject,
                    time=np.arange(len(values)) / RATE,
                    values=values.reshape(len(values), len(SENSORS), len(CHANNELS)),
                    labels=np.full(len(values), ACTIVITIES.index(activity), dtype=np.int64),
                )


def _read(members: Members, file: str) -> np.ndarray:
    """(S, sensors x channels), NaN where a cell is empty."""
    try:
        with members.open(file) as stream:
            table = pd.read_csv(stream, usecols=COLUMNS, dtype=np.float32)
    except ValueError as error:
        raise HarbenchError(f"{members.source}: {file} cannot be read ({error}).") from error
    return table[COLUMNS].to_numpy()
