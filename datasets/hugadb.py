"""HuGaDB: human gait database, six inertial sensors on the legs, from the official archive."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from harbench.data.archive import Members, open_source
from harbench.dataset import (
    Dataset,
    DatasetInfo,
    FloatArray,
    Recording,
    Sensor,
    WindowOptions,
    register_dataset,
)
from harbench.errors import HarbenchError

# Nominal: the files hold no time stamps; samples / seconds of the official table.
RATE = 58.8
COLUMNS, HEADER_LINES, LABEL = 39, 4, 38
LARGEST_FILE = 20_000_000
PER_G, PER_DEGREE = 16384.0, 16.384
FILE = re.compile(r"(?:^|/)HuGaDB_v\d_([a-z_]+)_(\d\d)_(\d\d)\.txt$")
WHOLE = re.compile(rb"\s*[-+]?\d{1,18}\s*")
# In the order of the columns.
UNITS = {
    "rf": ("right foot", (0.12, 0.10, -0.90)),
    "rs": ("right shin", (0.12, 0.04, -0.65)),
    "rt": ("right thigh", (0.13, 0.08, -0.25)),
    "lf": ("left foot", (-0.12, 0.10, -0.90)),
    "ls": ("left shin", (-0.12, 0.04, -0.65)),
    "lt": ("left thigh", (-0.13, 0.08, -0.25)),
}
ACTIVITIES = {
    1: "walking",
    2: "running",
    3: "going up",
    4: "going down",
    5: "sitting",
    6: "sitting down",
    7: "standing up",
    8: "standing",
    9: "bicycling",
    10: "up by elevator",
    11: "down by elevator",
    12: "sitting in car",
}
OF_ONE_SUBJECT = (9, 12)
# The official description's table of corrupted gyroscopes: "amplified 10 times", then clipped.
# Subject, units, and the takes of each kind of recording; the zip itself does not say it.
CORRUPTED = """
01 all: sitting_in_car 0-6,8-14
01 lf: standing 3
01 rs+rt+lt: standing 0
03 rf+rs+rt: running 0-1; sitting 1-3; various 0-24; walking 0-1
03 rf+rs+rt+ls+lt: standing 0
03 rf+rt: sitting 0
04 all: sitting 0-2; standing 0-3; various 0-19; walking 0-5
05 all: sitting 0; standing 0
05 lf: sitting 1
05 rf+rs: various 0
05 rf+rs+lf: standing 1; various 1-20; walking 0-3
06 rf+rs+lt: sitting 4
06 rt: walking 3,5
06 rt+lt: standing 0
07 all: sitting 2; standing 3
07 rf+rs: running 0-2; sitting 1,3-4; various 0-24; walking 0-4
07 rf+rs+rt: standing 0
07 rt+lt: standing 1
08 all: sitting 0
08 rf+rt+ls+lt: standing 3
08 rs+rt+ls+lt: standing 2
08 rt+lt: standing 0-1
09 all: sitting 0-3; various 0-8; walking 0-3
09 lf+ls+lt: running 0-2; standing 0-3; various 13-20
09 rs+rt+lf+ls+lt: standing 4
10 all: sitting 0,4
10 rs: standing 3
10 rs+rt+ls: standing 1
11 lf: sitting 0,2; various 4-20; walking 0-3
11 lf+lt: standing 4
11 rs+rt+lf+ls+lt: standing 1-2
11 rs+rt+lf+lt: sitting 3
11 rt+lf+ls+lt: sitting 1; standing 3
11 rt+lf+lt: standing 0
12 all: sitting 0-3; standing 0-4; various 0-18; walking 0-6
13 all: sitting 0-6; standing 0-3; various 7-24; walking 0-3
14 all: sitting 0-3; various 0-21; walking 0-4
15 all: sitting 1,3; standing 0-4; various 0-9,11; walking 0-10
15 rf+rt+lf+ls+lt: sitting 0,2
16 all: sitting 0-5; standing 0-4; various 0-19; walking 0-4
17 all: sitting 0-6; standing 0-3; various 0-2,4-23; walking 0-6
18 all: sitting 0-1; standing 0-4
18 rf+rs+lf+ls+lt: sitting 2-3; various 0-16; walking 0-3
"""


@dataclass(frozen=True)
class HugadbOptions(WindowOptions):
    """Windows of 128 samples (2.2 s) side by side.

    activities: "shared" leaves out bicycling and sitting in a car, which one subject did alone;
    "all" takes the twelve. gyro: gyroscopes that the official description marks as corrupted are
    missing ("missing"), or kept as they are ("keep"); "drop" leaves all gyroscopes out.
    """

    window: Annotated[int, Field(ge=2)] = 128
    step: Annotated[int, Field(ge=1)] = 128
    activities: Literal["shared", "all"] = "shared"
    gyro: Literal["missing", "keep", "drop"] = "missing"


@register_dataset
class Hugadb(Dataset):
    """18 subjects, six leg sensors x (acc, gyro), nominally 58.8 Hz, labels per sample.

    The official description marks gyroscopes of single sensors in 465 of 635 recordings as
    corrupted: by default they are missing, which is real, documented missingness. Further sensors
    clip now and then; they are kept. Seven numbers that 16 bits cannot hold (80 g, a million
    deg/s) are missing. walking_06_05 repeats walking_06_03, and walking_06_06 walking_06_04; they
    are kept, as in the official counts, unless repeats=drop. The two electromyographic channels
    are not read. A recording's name is its file's. Source: Chereshnev and Kertesz-Farkas, AIST
    2017.
    """

    name = "hugadb"
    Options = HugadbOptions
    options: HugadbOptions
    archive = "HuGaDB.zip"
    obtain = "https://github.com/romanchereshnev/HuGaDB"

    @property
    def info(self) -> DatasetInfo:
        """The facts of the official description."""
        kinds = ("acc",) if self.options.gyro == "drop" else ("acc", "gyr")
        return DatasetInfo(
            title="HuGaDB: human gait database",
            sensors=tuple(Sensor(name, place) for name, place in UNITS.values()),
            channels=tuple(f"{kind}_{axis}" for kind in kinds for axis in "xyz"),
            units=(("g",) * 3 + ("deg/s",) * 3)[: 3 * len(kinds)],
            classes=tuple(ACTIVITIES[code] for code in self._codes()),
            rate=RATE,
            licence="none stated; a citation is asked for",
            citation="Chereshnev and Kertesz-Farkas, HuGaDB: Human gait database for activity "
            "recognition from wearable inertial sensor networks, AIST 2017, LNCS 10716",
        )

    def recordings(self, source: Path | None) -> Iterator[Recording]:
        """Yield one recording per file, sorted by name."""
        assert source is not None, "hugadb is not embedded: the engine always gives a source"
        corrupted = corrupted_units()
        with open_source(source, "HuGaDB_v*.txt", LARGEST_FILE) as members:
            for (activity, subject, take), file in sorted(_files(members).items()):
                name = f"{activity}_{subject}_{take:02d}"
                table = _parse(members, file)
                values = _scaled(table)
                if self.options.gyro == "missing":
                    values[:, corrupted.get((activity, subject, take), []), 3:] = np.nan
                elif self.options.gyro == "drop":
                    values = values[:, :, :3]
                classes = np.full(max(ACTIVITIES) + 1, -1, dtype=np.int64)
                classes[list(self._codes())] = np.arange(len(self._codes()))
                yield Recording(
                    name=name,
                    subject=subject,
                    time=np.arange(len(table)) / RATE,
                    values=values,
                    labels=classes[table[:, LABEL]],
                )

    @property
    def left_out(self) -> str:
        """What one subject did alone."""
        if self.options.activities == "all":
            return ""
        names = ", ".join(ACTIVITIES[code] for code in OF_ONE_SUBJECT)
        return f"{names}; activities=all takes them"

    def _codes(self) -> tuple[int, ...]:
        left_out = OF_ONE_SUBJECT if self.options.activities == "shared" else ()
        return tuple(code for code in ACTIVITIES if code not in left_out)


def corrupted_units() -> dict[tuple[str, str, int], list[int]]:
    """(kind of recording, subject, take) -> numbers of the units with a corrupted gyroscope."""
    found = {}
    for line in CORRUPTED.strip().splitlines():
        who, _, takes = line.partition(": ")
        subject, units = who.split()
        chosen = list(UNITS) if units == "all" else units.split("+")
        for part in takes.split("; "):
            activity, numbers = part.split()
            for run in numbers.split(","):
                first, _, last = run.partition("-")
                for take in range(int(first), int(last or first) + 1):
                    found[activity, subject, take] = [list(UNITS).index(unit) for unit in chosen]
    return found


def _files(members: Members) -> dict[tuple[str, str, int], str]:
    """(kind of recording, subject, take) -> file name, each once."""
    files: dict[tuple[str, str, int], str] = {}
    for file in members.names:
        match = FILE.search(file)
        if match:
            key = (match[1], match[2], int(match[3]))
            if key in files:
                raise HarbenchError(
                    f"{members.source}: {files[key]} and {file} are the same recording."
                )
            files[key] = file
    if not files:
        raise HarbenchError(
            f"{members.source} holds no file like HuGaDB_v1_walking_01_00.txt: it is not the "
            "official HuGaDB archive."
        )
    return files


def _parse(members: Members, file: str) -> np.ndarray:
    """All columns of one file, (S, 39) int64: units x (acc, gyro), two EMG, the activity."""
    where = f"{members.source}: {file}"
    content = members.read(file).rstrip()
    samples = content.count(b"\n") + 1 - HEADER_LINES
    if samples < 1:
        raise HarbenchError(f"{where} holds no samples.")
    try:
        with warnings.catch_warnings():
            # numpy reads 1.5 as 1, and only warns.
            warnings.simplefilter("error", DeprecationWarning)
            table = np.loadtxt(
                io.BytesIO(content),
                dtype=np.int64,
                comments=None,
                delimiter="\t",
                skiprows=HEADER_LINES,
                ndmin=2,
            )
    except (ValueError, DeprecationWarning) as error:
        raise _not_whole(members, file) from error
    if table.shape != (samples, COLUMNS):
        raise _not_whole(members, file)
    good = np.isin(table[:, LABEL], list(ACTIVITIES))
    if not good.all():
        line = int(np.argmin(good)) + HEADER_LINES + 1
        raise HarbenchError(f"{where}, line {line}: column {COLUMNS} holds no known activity.")
    return table


def _not_whole(members: Members, file: str) -> HarbenchError:
    """The error that names the first line (from 1) without 39 whole numbers."""
    with members.open(file) as stream:
        for number, line in enumerate(stream, start=1):
            fields = line.split(b"\t")
            whole = all(WHOLE.fullmatch(field) for field in fields)
            if number > HEADER_LINES and not (len(fields) == COLUMNS and whole):
                break
    where = f"{members.source}: {file}, line {number}"
    return HarbenchError(f"{where}: expected {COLUMNS} whole numbers.")


def _scaled(table: np.ndarray) -> FloatArray:
    """(S, 6, 6): acceleration in g, angular velocity in deg/s; NaN where no sensor can be."""
    raw = table[:, :36].reshape(len(table), len(UNITS), 6)
    sixteen_bits = np.iinfo(np.int16)
    held = (raw >= sixteen_bits.min) & (raw <= sixteen_bits.max)
    values = np.where(held, raw, np.nan).astype(np.float32)
    values[..., :3] /= PER_G
    values[..., 3:] /= PER_DEGREE
    return values
