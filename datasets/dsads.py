"""DSADS: Daily and Sports Activities (UCI 256), from the official zip or its unpacked folder."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from harbench.data.archive import open_source
from harbench.dataset import (
    Dataset,
    DatasetInfo,
    Recording,
    Sensor,
    WindowOptions,
    register_dataset,
)
from harbench.errors import HarbenchError

RATE = 25.0
ROWS, COLUMNS = 125, 45
MAX_FILE_BYTES = 1_000_000
SEGMENT = re.compile(r"(?:^|/)a(\d\d)/p(\d)/s(\d\d)\.txt$")
SUBJECTS, SEGMENTS = 8, 60
ACTIVITIES = (
    "sitting",
    "standing",
    "lying on back",
    "lying on right side",
    "ascending stairs",
    "descending stairs",
    "standing in elevator",
    "moving in elevator",
    "walking in parking lot",
    "walking on treadmill, flat",
    "walking on treadmill, 15 deg",
    "running on treadmill",
    "exercising on stepper",
    "exercising on cross trainer",
    "cycling, horizontal",
    "cycling, vertical",
    "rowing",
    "jumping",
    "playing basketball",
)
Read = Callable[[str], bytes]


@dataclass(frozen=True)
class DsadsOptions(WindowOptions):
    """One window per official 5 s segment.

    zero_rows: rows in which all 45 values are 0 count as missing, or stay as they are ("keep").
    In the official files the last second of every stairs segment of subjects 1 and 6 is such.
    """

    window: Annotated[int, Field(ge=2)] = ROWS
    step: Annotated[int, Field(ge=1)] = ROWS
    zero_rows: Literal["keep", "missing"] = "missing"


@register_dataset
class Dsads(Dataset):
    """19 activities, 8 subjects, 5 units x (acc, gyro, mag), 25 Hz, 5 s segments.

    The segments of one activity and subject are consecutive pieces of one 5-minute take: they
    form one recording, a missing segment is a gap in it. All samples carry the activity's label.
    """

    name = "dsads"
    Options = DsadsOptions
    options: DsadsOptions
    archive = "daily+and+sports+activities.zip"

    @property
    def info(self) -> DatasetInfo:
        """The facts of the official description."""
        return DatasetInfo(
            title="Daily and Sports Activities (DSADS)",
            sensors=(
                Sensor("torso", (0.0, 0.12, 0.35)),
                Sensor("right arm", (0.35, 0.05, -0.05)),
                Sensor("left arm", (-0.35, 0.05, -0.05)),
                Sensor("right leg", (0.15, 0.03, -0.45)),
                Sensor("left leg", (-0.15, 0.03, -0.45)),
            ),
            channels=tuple(f"{kind}_{axis}" for kind in ("acc", "gyr", "mag") for axis in "xyz"),
            units=("m/s2",) * 3 + ("rad/s",) * 3 + ("normalised",) * 3,
            classes=ACTIVITIES,
            rate=RATE,
            licence="CC BY 4.0",
            citation="Altun, Barshan and Tuncel, Comparative study on classifying human "
            "activities with miniature inertial and magnetic sensors, Pattern Recognition 43, 2010",
            url="https://archive.ics.uci.edu/static/public/256/daily+and+sports+activities.zip",
        )

    def recordings(self, source: Path | None) -> Iterator[Recording]:
        """Yield one recording per (activity, subject), sorted by name."""
        assert source is not None, "dsads is not embedded: the engine always gives a source"
        with open_source(source, "s??.txt", MAX_FILE_BYTES) as members:
            takes = _group(members.names, source)
            for (activity, subject), segments in sorted(takes.items()):
                found = _recording(source, members.read, activity, subject, segments)
                if self.options.zero_rows == "missing":
                    found.values[(found.values == 0).all(axis=(1, 2))] = np.nan
                yield found


def _recording(
    source: Path, read: Read, activity: int, subject: int, segments: dict[int, str]
) -> Recording:
    numbers = sorted(segments)
    values = np.concatenate([_parse(source, segments[n], read) for n in numbers])
    steps = np.concatenate([(n - 1) * ROWS + np.arange(ROWS) for n in numbers])
    return Recording(
        name=f"a{activity:02d}-p{subject}",
        subject=f"p{subject}",
        time=steps / RATE,
        values=values.reshape(len(values), 5, 9),
        labels=np.full(len(values), activity - 1, dtype=np.int64),
    )


def _group(names: list[str], source: Path) -> dict[tuple[int, int], dict[int, str]]:
    """(activity, subject) -> segment number -> file name."""
    takes: dict[tuple[int, int], dict[int, str]] = defaultdict(dict)
    for name in sorted(names):
        match = SEGMENT.search(name)
        if not match:
            continue
        activity, subject, segment = map(int, match.groups())
        for kind, number, most in (
            ("activity", activity, len(ACTIVITIES)),
            ("subject", subject, SUBJECTS),
            ("segment", segment, SEGMENTS),
        ):
            if not 1 <= number <= most:
                raise HarbenchError(f"{source}: {name} names {kind} {number}; there are {most}.")
        take = takes[activity, subject]
        if segment in take:
            raise HarbenchError(f"{source}: {name} and {take[segment]} are the same segment.")
        take[segment] = name
    if not takes:
        raise HarbenchError(
            f"{source} holds no file like data/a01/p1/s01.txt: it is not the official DSADS "
            "archive."
        )
    return takes


def _parse(source: Path, name: str, read: Read) -> NDArray[np.float32]:
    """One segment file: 125 lines of 45 numbers separated by commas."""
    rows = read(name).decode("utf-8", errors="replace").rstrip().split("\n")
    if len(rows) != ROWS:
        raise HarbenchError(f"{source}: {name} has {len(rows)} lines, expected {ROWS}.")
    try:
        values = _numbers([row.split(",") for row in rows])
        if values.shape == (ROWS, COLUMNS) and not np.isinf(values).any():
            return values
    except ValueError:
        pass
    raise HarbenchError(f"{source}: {name}, line {_bad_line(rows)}: expected {COLUMNS} numbers.")


def _numbers(fields: list[str] | list[list[str]]) -> NDArray[np.float32]:
    """Texts as float32; what is too large for it becomes infinite."""
    with np.errstate(over="ignore"):
        return np.array(fields, dtype=np.float32)


def _bad_line(rows: list[str]) -> int:
    """The first line (from 1) that does not hold 45 finite numbers."""
    for number, row in enumerate(rows, start=1):
        fields = row.split(",")
        try:
            if len(fields) != COLUMNS or np.isinf(_numbers(fields)).any():
                return number
        except ValueError:
            return number
    return 0
