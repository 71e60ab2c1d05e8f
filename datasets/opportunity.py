"""Opportunity (UCI 226): gestures or locomotion from the five jacket IMUs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from harbench.data.archive import Members, is_number, open_source
from harbench.data.gaps import close_gaps
from harbench.dataset import (
    LARGEST_VALUE,
    Dataset,
    DatasetInfo,
    IntArray,
    Recording,
    Sensor,
    WindowOptions,
    register_dataset,
)
from harbench.errors import HarbenchError

RATE = 30.0
COLUMNS = 250
LARGEST_FILE = 200_000_000
FILE = re.compile(r"(?:^|/)S([1-4])-(ADL[1-5]|Drill)\.dat$")
EXPECTED = tuple(f"S{s}-{run}" for s in range(1, 5) for run in
                 ("ADL1", "ADL2", "ADL3", "ADL4", "ADL5", "Drill"))  # fmt: skip
# First column (from 0) of each jacket IMU: accelerometer, gyroscope, magnetometer, three axes each.
IMUS = {
    "back": (37, (0.0, -0.12, 0.35)),
    "right upper arm": (50, (0.25, 0.0, 0.30)),
    "right lower arm": (63, (0.33, 0.03, 0.05)),
    "left upper arm": (76, (-0.25, 0.0, 0.30)),
    "left lower arm": (89, (-0.33, 0.03, 0.05)),
}
TIME, LOCOMOTION, GESTURE = 0, 243, 249
GESTURES = {
    406516: "open door 1",
    406517: "open door 2",
    404516: "close door 1",
    404517: "close door 2",
    406520: "open fridge",
    404520: "close fridge",
    406505: "open dishwasher",
    404505: "close dishwasher",
    406519: "open drawer 1",
    404519: "close drawer 1",
    406511: "open drawer 2",
    404511: "close drawer 2",
    406508: "open drawer 3",
    404508: "close drawer 3",
    408512: "clean table",
    407521: "drink from cup",
    405506: "toggle switch",
}
MODES = {1: "stand", 2: "walk", 4: "sit", 5: "lie"}


@dataclass(frozen=True)
class OpportunityOptions(WindowOptions):
    """Windows of 2 s with 50 % overlap (60 and 30 samples at 30 Hz).

    labels: the 17 mid-level gestures of both arms, or 4 modes of locomotion; null is no class, and
    windows that are mostly null are dropped. fill_gap: seconds; missing values between present
    ones that are at most so far apart are interpolated, longer gaps stay missing.
    """

    window: Annotated[int, Field(ge=2)] = 60
    step: Annotated[int, Field(ge=1)] = 30
    labels: Literal["gestures", "locomotion"] = "gestures"
    fill_gap: Annotated[float, Field(ge=0)] = 0.2


@register_dataset
class Opportunity(Dataset):
    """4 subjects, 5 IMUs x (acc, gyro, mag), 30 Hz, five natural runs and one drill each.

    A window carries its most frequent label, which must cover half of it (`label_share`). The
    paper counts 8,165 windows; the number found here is shown by `harbench data info`, and
    nothing is done to make the two agree.
    """

    name = "opportunity"
    Options = OpportunityOptions
    options: OpportunityOptions
    archive = "OpportunityUCIDataset.zip"

    @property
    def info(self) -> DatasetInfo:
        """The facts of the official description."""
        return DatasetInfo(
            title=f"Opportunity, {self.options.labels}",
            sensors=tuple(Sensor(name, place) for name, (_, place) in IMUS.items()),
            channels=tuple(f"{kind}_{axis}" for kind in ("acc", "gyr", "mag") for axis in "xyz"),
            units=("mg",) * 3 + ("0.001 rad/s",) * 3 + ("0.001",) * 3,
            classes=tuple(self._codes().values()),
            rate=RATE,
            licence="CC BY 4.0",
            citation="Roggen et al., Collecting complex activity datasets in highly rich "
            "networked sensor environments, INSS 2010",
            url="https://archive.ics.uci.edu/static/public/226/opportunity+activity+recognition.zip",
        )

    def recordings(self, source: Path | None) -> Iterator[Recording]:
        """Yield one recording per file, sorted by name; all 24 must be there, once."""
        assert source is not None, "opportunity is not embedded: the engine always gives a source"
        with open_source(source, "*.dat", LARGEST_FILE) as members:
            for name, file in sorted(_files(members).items()):
                yield self._recording(members, name, file)

    def _recording(self, members: Members, name: str, file: str) -> Recording:
        table = _parse(members, file)
        where = f"{members.source}: {file}"
        # The stamps are milliseconds rounded from 1/30 s: the sample's number is exact again.
        place = np.round(table[TIME].to_numpy() * RATE / 1000)
        _require(np.diff(place, prepend=place[0] - 1) > 0, where, "time does not increase")
        time = place / RATE
        columns = [first + i for first, _ in IMUS.values() for i in range(9)]
        values = table[columns].to_numpy(dtype=np.float32).reshape(len(table), len(IMUS), 9)
        return Recording(
            name=name,
            subject=name[:2],
            time=time,
            values=close_gaps(time, values, self.options.fill_gap),
            labels=self._labels(table, where),
        )

    def _codes(self) -> dict[int, str]:
        return GESTURES if self.options.labels == "gestures" else MODES

    def _labels(self, table: pd.DataFrame, where: str) -> IntArray:
        column = GESTURE if self.options.labels == "gestures" else LOCOMOTION
        found = table[column].to_numpy()
        classes = np.full(len(found), -1, dtype=np.int64)
        for index, code in enumerate(self._codes()):
            classes[found == code] = index
        known = (classes >= 0) | (found == 0)
        _require(known, where, f"column {column + 1} holds no known label")
        return classes


def _files(members: Members) -> dict[str, str]:
    """Recording name -> file name; every one of the 24 exactly once."""
    files: dict[str, str] = {}
    for file in members.names:
        match = FILE.search(file)
        if match:
            name = f"S{match[1]}-{match[2]}"
            if name in files:
                raise HarbenchError(f"{members.source}: {files[name]} and {file} are the same run.")
            files[name] = file
    missing = [name for name in EXPECTED if name not in files]
    if missing:
        raise HarbenchError(
            f"{members.source} lacks {len(missing)} of the 24 files, first {missing[0]}.dat: it is "
            "not the official Opportunity archive, or not all of it."
        )
    return files


def _parse(members: Members, file: str) -> pd.DataFrame:
    """Time, IMUs and labels of one file, by column number from 0."""
    wanted = [TIME, *(f + i for f, _ in IMUS.values() for i in range(9)), LOCOMOTION, GESTURE]
    where = f"{members.source}: {file}"
    with members.open(file) as stream:
        first = stream.readline().split()
    # The parser takes the number of columns from the first line, and refuses longer ones.
    if first and len(first) != COLUMNS:
        raise HarbenchError(f"{where}, line 1: expected {COLUMNS} numbers, got {len(first)}.")
    try:
        with members.open(file) as stream:
            table = pd.read_csv(
                stream,
                sep=r"\s+",
                header=None,
                dtype=np.float64,
                encoding="ascii",
                na_values=["NaN"],
                keep_default_na=False,
                skip_blank_lines=False,
                on_bad_lines="error",
            )
    except pd.errors.EmptyDataError as error:
        raise HarbenchError(f"{where} is empty.") from error
    except (ValueError, pd.errors.ParserError) as error:
        raise HarbenchError(f"{where}, line {_bad_line(members, file)}: {_words(error)}") from error
    table = table[wanted].copy()
    _require(np.isfinite(table[TIME].to_numpy()), where, "no time stamp")
    values = table.to_numpy()
    _require(~(np.abs(values) > LARGEST_VALUE).any(axis=1), where, "a value is infinite")
    labels = [LOCOMOTION, GESTURE]
    table[labels] = table[labels].fillna(0)
    return table


def _bad_line(members: Members, file: str) -> int:
    """The first line (from 1) that does not hold 250 numbers."""
    with members.open(file) as stream:
        for number, line in enumerate(stream, start=1):
            fields = line.split()
            if len(fields) != COLUMNS or not all(map(is_number, fields)):
                return number
    return 0


def _words(error: Exception) -> str:
    return f"expected {COLUMNS} numbers ({str(error).strip().splitlines()[0]})."


def _require(good: np.ndarray, where: str, problem: str) -> None:
    """Raise HarbenchError that names the first line (from 1) where `good` is False."""
    if not good.all():
        raise HarbenchError(f"{where}, line {int(np.argmin(good)) + 1}: {problem}.")
