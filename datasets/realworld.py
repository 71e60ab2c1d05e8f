"""RealWorld (HAR) 2016, Mannheim: nested zips as they come, seven positions on one time grid."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from harbench.data.archive import Members, is_number, open_inner, open_source
from harbench.data.clock import REPAIR, sampling_times
from harbench.data.coverage import named
from harbench.data.gaps import on_grid
from harbench.dataset import (
    LARGEST_VALUE,
    Dataset,
    DatasetInfo,
    FloatArray,
    Recording,
    Sensor,
    Stamped,
    WindowOptions,
    register_dataset,
)
from harbench.errors import HarbenchError

RATE = 50.0
LARGEST_FILE = 500_000_000
KINDS = ("acc", "gyr", "mag")
ACTIVITIES = {
    "climbingdown": "climbing stairs down",
    "climbingup": "climbing stairs up",
    "jumping": "jumping",
    "lying": "lying",
    "running": "running",
    "sitting": "sitting",
    "standing": "standing",
    "walking": "walking",
}
POSITIONS = {
    "chest": (0.0, 0.12, 0.35),
    "forearm": (0.33, 0.03, 0.05),
    "head": (0.0, 0.0, 0.70),
    "shin": (0.12, 0.05, -0.65),
    "thigh": (0.12, 0.08, -0.30),
    "upperarm": (0.25, 0.0, 0.30),
    "waist": (0.0, 0.12, 0.0),
}
# proband2 has no forearm while climbing up, proband6 no thigh while jumping.
INCOMPLETE, SUBJECTS = (2, 6), 15
COLUMNS = ["id", "attr_time", "attr_x", "attr_y", "attr_z"]
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
OUTER = re.compile(r"(?:^|/)proband(\d+)/data/(acc|gyr|mag)_([a-z]+)_csv\.zip$")
# The first part of a recording in parts has no number in gyr and mag.
PART = re.compile(r"(?:^|/)(?:acc|gyr|mag)_[a-z]+(?:_(\d))?_csv\.zip$")
CSV = re.compile(r"(?:^|/)[A-Za-z]+_[a-z]+(?:_\d)?_([a-z]+)\.csv$")
Series = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class RealWorldOptions(WindowOptions):
    """Windows of 3 s with 50 % overlap (150 and 75 samples at 50 Hz).

    all_subjects: keep subjects 2 and 6, for each of whom one sensor is missing in one activity;
    without them 13 remain, as in the paper. max_gap: also the longest pause between two samples
    that is bridged; what lies in a longer one is missing.
    """

    window: Annotated[int, Field(ge=2)] = 150
    step: Annotated[int, Field(ge=1)] = 75
    all_subjects: bool = False


@register_dataset
class RealWorld(Dataset):
    """8 activities, 15 subjects (13 by default), 7 positions x (acc, gyr, mag), 50 Hz.

    Every device and sensor has stamps of its own, which are arrival times: delivery stalls for up
    to 2 s and the backlog then arrives 1 ms apart. Each series is put back on its even clock
    (harbench/data/clock.py; a real loss stays a pause), then all are interpolated to one 20 ms
    grid over the interval that they share. Activities recorded in parts are separate recordings.
    The paper counts 39,281 windows; nothing is done to make the number found here agree.
    """

    name = "realworld"
    Options = RealWorldOptions
    options: RealWorldOptions
    archive = "realworld2016_dataset.zip"

    def __init__(self, options: WindowOptions) -> None:
        super().__init__(options)
        self._incomplete = ""

    @property
    def remarks(self) -> tuple[str, ...]:
        """That the clock is repaired, and what the archive lacks once it has been read."""
        return (REPAIR, self._incomplete) if self._incomplete else (REPAIR,)

    @property
    def info(self) -> DatasetInfo:
        """The facts of the official description."""
        return DatasetInfo(
            title="RealWorld (HAR) 2016",
            sensors=tuple(Sensor(name, place) for name, place in POSITIONS.items()),
            channels=tuple(f"{kind}_{axis}" for kind in KINDS for axis in "xyz"),
            units=("m/s2",) * 3 + ("rad/s",) * 3 + ("uT",) * 3,
            classes=tuple(ACTIVITIES.values()),
            rate=RATE,
            licence="see the distribution",
            citation="Sztyler and Stuckenschmidt, On-body localization of wearable devices: an "
            "investigation of position-aware activity recognition, PerCom 2016",
            url="http://wifo5-14.informatik.uni-mannheim.de/sensor/dataset/realworld2016/realworld2016_dataset.zip",
        )

    def recordings(self, source: Path | None) -> Iterator[Recording]:
        """Yield one recording per (subject, activity, part), sorted by name."""
        assert source is not None, "realworld is not embedded: the engine always gives a source"
        for name, series in self._series(source):
            subject, activity, _ = name.split("-")
            even = {key: _repaired(found) for key, found in series.items()}
            values = self._aligned(even, f"{source}: {name}")
            yield Recording(
                name=name,
                subject=subject,
                time=np.arange(len(values)) / RATE,
                values=values,
                labels=np.full(len(values), list(ACTIVITIES).index(activity)),
            )

    def stamped(self, source: Path | None) -> Iterator[Stamped]:
        """Yield every series with its arrival times."""
        assert source is not None, "realworld is not embedded: the engine always gives a source"
        for name, series in self._series(source):
            for (position, kind), (stamps, samples) in sorted(series.items()):
                yield Stamped(f"{name}.{position}.{kind}", stamps, samples)

    def _series(self, source: Path) -> Iterator[tuple[str, dict[tuple[str, str], Series]]]:
        """Every recording's name, and its series by (position, kind), with their arrival times."""
        with open_source(source, "*_csv.zip", LARGEST_FILE) as members:
            for (subject, activity), files in sorted(self._files(members).items()):
                parts: dict[int, dict[tuple[str, str], Series]] = defaultdict(dict)
                for kind, file in files.items():
                    with open_inner(members, file, "*") as inner:
                        _collect(inner, kind, parts)
                if not parts or not all(parts.values()):
                    raise HarbenchError(
                        f"{members.source}: proband{subject}, {activity}: there is no sample."
                    )
                for part, series in sorted(parts.items()):
                    yield f"proband{subject:02d}-{activity}-{part}", series

    def _files(self, members: Members) -> dict[tuple[int, str], dict[str, str]]:
        """(subject, activity) -> kind of sensor -> zip."""
        found: dict[tuple[int, str], dict[str, str]] = defaultdict(dict)
        for file in members.names:
            match = OUTER.search(file)
            if not match or match[3] not in ACTIVITIES:
                continue
            subject, kind = int(match[1]), match[2]
            if subject in INCOMPLETE and not self.options.all_subjects:
                continue
            files = found[subject, match[3]]
            if kind in files:
                raise HarbenchError(f"{members.source}: {files[kind]} and {file} are the same.")
            files[kind] = file
        if not found:
            raise HarbenchError(
                f"{members.source} holds no file like proband1/data/acc_walking_csv.zip: it is "
                "not the official RealWorld 2016 archive."
            )
        self._incomplete = _lacking(found, Path(members.source).name, self.options.all_subjects)
        return found

    def _aligned(self, series: dict[tuple[str, str], Series], where: str) -> FloatArray:
        """(S, 7, 9) on the common grid; a sensor without samples is missing."""
        begin = max(time[0] for time, _ in series.values())
        end = min(time[-1] for time, _ in series.values())
        if end <= begin:
            raise HarbenchError(f"{where}: its devices share no interval of time.")
        grid = begin + np.arange(int((end - begin) * RATE) + 1) / RATE
        values = np.full((len(grid), len(POSITIONS), 9), np.nan, dtype=np.float32)
        for (position, kind), (time, samples) in series.items():
            first = 3 * KINDS.index(kind)
            place = (slice(None), list(POSITIONS).index(position), slice(first, first + 3))
            values[place] = on_grid(time, samples, grid, self.options.max_gap)
        return values


def _lacking(
    found: Mapping[tuple[int, str], Mapping[str, str]], archive: str, all_subjects: bool
) -> str:
    """A sentence on the files that the official archive has beside those found; "" where none."""
    subjects = [each for each in range(1, SUBJECTS + 1) if all_subjects or each not in INCOMPLETE]
    absent = [
        f"proband{subject}/data/{kind}_{activity}_csv.zip"
        for subject, activity, kind in itertools.product(subjects, ACTIVITIES, KINDS)
        if kind not in found.get((subject, activity), {})
    ]
    if not absent:
        return ""
    return (
        f"INCOMPLETE: {archive} lacks {len(absent)} of the official archive's "
        f"{len(subjects) * len(ACTIVITIES) * len(KINDS)} files ({named(absent)}). What is there "
        "is used, and the rest is missing. If it is not meant to be an excerpt, get it anew."
    )


def _repaired(series: Series) -> Series:
    """The series on its even clock."""
    time, kept = sampling_times(series[0])
    return time, series[1][kept]


def _collect(
    members: Members, kind: str, parts: dict[int, dict[tuple[str, str], Series]], part: int = 1
) -> None:
    """Read the CSV files of a zip, and of the zips in it, which are parts of the recording."""
    for file in members.names:
        inner = PART.search(file)
        if inner:
            with open_inner(members, file, "*.csv") as deeper:
                _collect(deeper, kind, parts, int(inner[1] or 1))
            continue
        match = CSV.search(file)
        if not match or match[1] not in POSITIONS:
            continue
        key = (match[1], kind)
        if key in parts[part]:
            raise HarbenchError(f"{members.source}: {file} is there twice.")
        series = _read(members, file)
        if series is not None:
            parts[part][key] = series


def _read(members: Members, file: str) -> Series | None:
    """Seconds of arrival, not decreasing, and three axes; None where the file has no sample."""
    where = f"{members.source}: {file}"
    try:
        with members.open(file) as stream:
            header = stream.readline().removeprefix(BYTE_ORDER_MARK).strip()
            if not header:
                return None
            if header != ",".join(COLUMNS).encode():
                raise HarbenchError(f"{where}: its header is not {','.join(COLUMNS)}.")
            stream.seek(0)
            table = pd.read_csv(stream, encoding="utf-8", dtype=np.float64)
    except HarbenchError:
        raise
    except (ValueError, pd.errors.ParserError) as error:
        line = _bad_line(members, file)
        raise HarbenchError(f"{where}, line {line}: expected 5 numbers ({error}).") from error
    wrong = ~(np.abs(table[COLUMNS[1:]].to_numpy()) <= LARGEST_VALUE).all(axis=1)
    if wrong.any():
        raise HarbenchError(f"{where}, line {int(np.argmax(wrong)) + 2}: expected 5 numbers.")
    if len(table) < 2:
        return None
    # Stamps are Unix milliseconds, not always sorted; a sample that is there twice counts once.
    table = table.drop_duplicates(COLUMNS[1:]).sort_values("attr_time", kind="stable")
    return table["attr_time"].to_numpy() / 1000, table[COLUMNS[2:]].to_numpy()


def _bad_line(members: Members, file: str) -> int:
    """The first line (from 1, the header is one) that does not hold five numbers."""
    with members.open(file) as stream:
        for number, line in enumerate(stream, start=1):
            fields = line.split(b",")
            if number > 1 and not (len(fields) == len(COLUMNS) and all(map(is_number, fields))):
                return number
    return 0
