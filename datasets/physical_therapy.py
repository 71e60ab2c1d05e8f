"""Physical Therapy Exercises (UCI 730), from the official zip or its unpacked folder."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from harbench.data.archive import Members, is_number, open_source
from harbench.dataset import (
    LARGEST_VALUE,
    Dataset,
    DatasetInfo,
    Recording,
    Sensor,
    WindowOptions,
    register_dataset,
)
from harbench.errors import HarbenchError

RATE = 25.0
LARGEST_FILE = 20_000_000
SUBJECTS, EXERCISES, UNITS = 5, 8, 5
# Assumed, see below.
HEIGHTS = (0.4, 0.2, 0.0, -0.2, -0.4)
CHANNELS = tuple(f"{kind}_{axis}" for kind in ("acc", "gyr", "mag") for axis in "xyz")
HEADER = ";".join(("time index", *CHANNELS))
COLUMNS = 1 + len(CHANNELS)
FILE = re.compile(r"(?:^|/)s(\d)/e(\d)/u(\d)/(template_session|test)\.txt$")


@dataclass(frozen=True)
class PhysicalTherapyOptions(WindowOptions):
    """Windows of 125 samples (5 s, about one execution of an exercise) side by side."""

    window: Annotated[int, Field(ge=2)] = 125
    step: Annotated[int, Field(ge=1)] = 125


@register_dataset
class PhysicalTherapy(Dataset):
    """8 exercises, 5 subjects, 5 units x (acc, gyro, mag), 25 Hz.

    Of every subject and exercise there are two recordings: the template session (three executions:
    correct, fast, of low amplitude) and the test (ten of each, and pauses). All samples carry the
    exercise, those of pauses too, because the files do not say where an execution in a test lies.
    Assumed: the files do not say where a unit sat, and its place probably differs between arm and
    leg exercises. The units are therefore numbered, and their positions stand in for unknown ones:
    20 cm apart along the right side. What a method makes of positions means nothing here.
    """

    name = "physical-therapy"
    Options = PhysicalTherapyOptions
    options: PhysicalTherapyOptions
    archive = "physical+therapy+exercises+dataset.zip"
    obtain = "https://archive.ics.uci.edu/dataset/730/physical+therapy+exercises+dataset"

    @property
    def info(self) -> DatasetInfo:
        """The facts of the official files; the positions are assumed."""
        return DatasetInfo(
            title="Physical Therapy Exercises",
            sensors=tuple(
                Sensor(f"unit {n}", (0.2, 0.05, height)) for n, height in enumerate(HEIGHTS, 1)
            ),
            channels=CHANNELS,
            units=("m/s2",) * 3 + ("rad/s",) * 3 + ("normalised",) * 3,
            classes=tuple(f"exercise {n}" for n in range(1, EXERCISES + 1)),
            rate=RATE,
            licence="CC BY 4.0",
            citation="Yurtman and Barshan, Automated evaluation of physical therapy exercises "
            "using multi-template dynamic time warping on wearable sensor signals, Computer "
            "Methods and Programs in Biomedicine 117(2), 2014",
        )

    def recordings(self, source: Path | None) -> Iterator[Recording]:
        """Yield one recording per (subject, exercise, session), sorted by name."""
        assert source is not None, "physical-therapy is not embedded: the engine gives a source"
        with open_source(source, "te*[nt].txt", LARGEST_FILE) as members:
            for (subject, exercise, session), files in sorted(_sessions(members).items()):
                index, values = _units(members, files)
                yield Recording(
                    name=f"s{subject}-e{exercise}-{session}",
                    subject=f"s{subject}",
                    time=(index - 1) / RATE,
                    values=values,
                    labels=np.full(len(index), exercise - 1, dtype=np.int64),
                )


def _sessions(members: Members) -> dict[tuple[int, int, str], dict[int, str]]:
    """(subject, exercise, session) -> unit -> file name; every session has all units."""
    sessions: dict[tuple[int, int, str], dict[int, str]] = defaultdict(dict)
    for file in members.names:
        match = FILE.search(file)
        if not match:
            continue
        subject, exercise, unit = (int(match[n]) for n in (1, 2, 3))
        for kind, number, most in (
            ("subject", subject, SUBJECTS),
            ("exercise", exercise, EXERCISES),
            ("unit", unit, UNITS),
        ):
            if not 1 <= number <= most:
                raise HarbenchError(
                    f"{members.source}: {file} names {kind} {number}; there are {most}."
                )
        units = sessions[subject, exercise, match[4].partition("_")[0]]
        if unit in units:
            raise HarbenchError(
                f"{members.source}: {units[unit]} and {file} are the same recording."
            )
        units[unit] = file
    if not sessions:
        raise HarbenchError(
            f"{members.source} holds no file like s1/e1/u1/test.txt: it is not the official "
            "archive of Physical Therapy Exercises."
        )
    for units in sessions.values():
        lost = [f"u{n}" for n in range(1, UNITS + 1) if n not in units]
        if lost:
            raise HarbenchError(
                f"{members.source}: {next(iter(units.values()))} lacks the same file of "
                f"{', '.join(lost)}. Download the archive again."
            )
    return sessions


def _units(
    members: Members, files: dict[int, str]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Time indices (S,) and values (S, 5, 9) of one session."""
    tables = {unit: _parse(members, files[unit]) for unit in sorted(files)}
    index = tables[1][:, 0]
    for unit, table in tables.items():
        if not np.array_equal(table[:, 0], index):
            raise HarbenchError(
                f"{members.source}: {files[unit]} and {files[1]} have different time indices: "
                f"{len(table)} and {len(index)} lines of one session."
            )
    values = np.stack([table[:, 1:] for table in tables.values()], axis=1)
    return index, values.astype(np.float32)


def _parse(members: Members, file: str) -> NDArray[np.float64]:
    """The numbers of one file, (S, 10); its first column increases by whole numbers from 1."""
    where = f"{members.source}: {file}"
    with members.open(file) as stream:
        header = stream.readline().decode("utf-8", errors="replace").strip()
        if header != HEADER:
            raise HarbenchError(f"{where}, line 1: expected {HEADER!r}.")
        try:
            table = pd.read_csv(
                stream, sep=";", header=None, dtype=np.float64, skip_blank_lines=False
            ).to_numpy()
        except pd.errors.EmptyDataError:
            raise HarbenchError(f"{where} holds no samples.") from None
        except (ValueError, OverflowError, pd.errors.ParserError):
            table = np.empty((0, 0))
    if table.shape[1] != COLUMNS or not (np.abs(table) <= LARGEST_VALUE).all():
        line = _bad_line(members, file)
        raise HarbenchError(f"{where}, line {line}: expected {COLUMNS} numbers.")
    index = table[:, 0]
    wrong = (np.diff(index, prepend=0) < 1) | (index != np.floor(index))
    if wrong.any():
        line = int(np.argmax(wrong)) + 2
        raise HarbenchError(f"{where}, line {line}: the time index must increase, from 1.")
    return table


def _bad_line(members: Members, file: str) -> int:
    """The first line (from 1, after the header) that does not hold ten finite numbers."""
    with members.open(file) as stream:
        for number, line in enumerate(stream, start=1):
            fields = line.rstrip(b"\r\n").split(b";")
            good = all(is_number(f) and abs(float(f)) <= LARGEST_VALUE for f in fields)
            if number > 1 and not (good and len(fields) == COLUMNS):
                return number
    return 0
