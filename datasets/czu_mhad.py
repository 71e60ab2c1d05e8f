"""CZU-MHAD: 22 actions, ten inertial sensors; from the .mat files or the older text layout."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import scipy.io
from numpy.typing import NDArray
from pydantic import Field

from harbench.data.archive import Members, open_source
from harbench.data.gaps import on_grid
from harbench.dataset import (
    LARGEST_VALUE,
    Dataset,
    DatasetInfo,
    FloatArray,
    Recording,
    Sensor,
    WindowOptions,
    register_dataset,
)
from harbench.errors import HarbenchError

STEPS = 128
NOMINAL_SECONDS = 7.0
COLUMNS = 7
LARGEST_FILE = 50_000_000
CLOCK = 6
# The type of a compressed element in a MATLAB 5 file.
COMPRESSED = 15
SENSORS = (
    ("chest", (0.0, 0.12, 0.35)),
    ("abdomen", (0.0, 0.12, 0.05)),
    ("left elbow", (-0.30, 0.0, 0.15)),
    ("left wrist", (-0.35, 0.05, -0.05)),
    ("right elbow", (0.30, 0.0, 0.15)),
    ("right wrist", (0.35, 0.05, -0.05)),
    ("left knee", (-0.15, 0.05, -0.45)),
    ("left ankle", (-0.15, 0.0, -0.85)),
    ("right knee", (0.15, 0.05, -0.45)),
    ("right ankle", (0.15, 0.0, -0.85)),
)
ACTIONS = (
    "right high wave",
    "left high wave",
    "right horizontal wave",
    "left horizontal wave",
    "hammer right",
    "grasp right",
    "draw fork right",
    "draw fork left",
    "draw circle right",
    "draw circle left",
    "right foot kick forward",
    "left foot kick forward",
    "right foot kick side",
    "left foot kick side",
    "clap",
    "bend down",
    "wave up and down",
    "sur place",
    "left body turn",
    "right body turn",
    "left lateral",
    "right lateral",
)
# cyy_a1_t1.mat, cyy_a1_t1_sensor.mat; a01_s01_e01_sensor.mat puts the action first.
MAT = re.compile(r"(?:^|/)(?P<s>[A-Za-z0-9]+)_a(?P<a>\d+)_t(?P<t>\d+)(?:_sensor)?\.mat$")
MAT_ACTION_FIRST = re.compile(r"(?:^|/)a(?P<a>\d+)_(?P<s>s\d+)_e(?P<t>\d+)_sensor\.mat$")
TEXT = re.compile(r"(?:^|/)(?P<s>\w+)/action_(?P<a>\d+)/time_(?P<t>\d+)/pi(?P<n>0\d)$")


@dataclass(frozen=True)
class CzuMhadOptions(WindowOptions):
    """Every recording is one window of 128 steps, whatever its length.

    repetitions: how many of each subject and action are kept, in order; 0 keeps all. max_gap: the
    longest pause between two samples that is bridged; what lies in a longer one is missing.
    label_share and step do not matter, because a recording is one action and one window.
    """

    window: Annotated[int, Field(ge=2)] = STEPS
    step: Annotated[int, Field(ge=1)] = STEPS
    repetitions: Annotated[int, Field(ge=0)] = 8


@register_dataset
class CzuMhad(Dataset):
    """22 actions, 5 subjects, 10 sensors x (acc, gyro), one window per recording.

    Devices have clocks, rates (342 to 555 Hz, changing inside a file) and ends of their own, so
    each is brought to one grid on decoded time, over the interval that all devices share: on
    straight lines between near neighbours, after the low-pass that such a reduction needs. The
    grid has `window` steps for every recording, so faster actions are stretched; `rate` is nominal.
    """

    name = "czu-mhad"
    Options = CzuMhadOptions
    options: CzuMhadOptions
    obtain = "Its authors offer the folder sensors_mat on their GitHub page, by way of Baidu."

    @property
    def info(self) -> DatasetInfo:
        """The facts of the official description; there is no stable address to fetch from."""
        return DatasetInfo(
            title="CZU-MHAD (Changzhou University multimodal human action dataset), sensors",
            sensors=tuple(Sensor(name, place) for name, place in SENSORS),
            channels=tuple(f"{kind}_{axis}" for kind in ("acc", "gyr") for axis in "xyz"),
            units=("g",) * 3 + ("deg/s",) * 3,
            classes=ACTIONS,
            rate=round(self.options.window / NOMINAL_SECONDS, 2),
            licence="Anti-996 1.0 (draft)",
            citation="Chao, Hou and Mo, CZU-MHAD: A multimodal dataset for human action "
            "recognition utilizing a depth camera and 10 wearable inertial sensors, IEEE Sensors "
            "Journal 22, 2022",
        )

    def recordings(self, source: Path | None) -> Iterator[Recording]:
        """Yield one recording per (subject, action, repetition), sorted by name."""
        assert source is not None, "czu-mhad is not embedded: the engine always gives a source"
        with open_source(source, "*", LARGEST_FILE) as members:
            for (subject, action, take), files in self._chosen(_takes(members)):
                name = f"{subject}-a{action:02d}-t{take:02d}"
                where = f"{members.source}: {next(iter(files.values()))}"
                values = _aligned(_devices(members, files), self.options, where)
                yield Recording(
                    name=name,
                    subject=subject,
                    time=np.arange(len(values)) / self.info.rate,
                    values=values,
                    labels=np.full(len(values), action - 1, dtype=np.int64),
                )

    def _chosen(self, takes: Takes) -> list[tuple[Key, dict[int, str]]]:
        """The first repetitions of each subject and action that are there."""
        counts: dict[tuple[str, int], int] = {}
        chosen = []
        for key in sorted(takes):
            counts[key[:2]] = counts.get(key[:2], 0) + 1
            if not self.options.repetitions or counts[key[:2]] <= self.options.repetitions:
                chosen.append((key, takes[key]))
        return chosen


Key = tuple[str, int, int]
# What a recording consists of: one .mat file under -1, or a text file for each device.
Takes = dict[Key, dict[int, str]]


def _takes(members: Members) -> Takes:
    takes: Takes = {}
    for file in members.names:
        match = MAT_ACTION_FIRST.search(file) or MAT.search(file) or TEXT.search(file)
        if not match:
            continue
        parts = match.groupdict()
        action, take, device = int(parts["a"]), int(parts["t"]), int(parts.get("n") or -1)
        if not 1 <= action <= len(ACTIONS):
            raise HarbenchError(
                f"{members.source}: {file} names action {action}; there are {len(ACTIONS)}."
            )
        files = takes.setdefault((parts["s"], action, take), {})
        if device in files or (files and (device < 0) != (-1 in files)):
            other = next(iter(files.values()))
            raise HarbenchError(f"{members.source}: {file} and {other} are the same recording.")
        files[device] = file
    if not takes:
        raise HarbenchError(
            f"{members.source} holds no file like sensors_mat/cyy_a1_t1.mat or "
            "sensors/cyy/action_1/time_1/pi00: it is not the CZU-MHAD sensor data."
        )
    return takes


def _devices(members: Members, files: dict[int, str]) -> list[NDArray[np.float64] | None]:
    """The samples (n, 7) of each of the ten devices, None where one has none."""
    if -1 in files:
        return _mat(members, files[-1])
    found: list[NDArray[np.float64] | None] = [None] * len(SENSORS)
    for device, file in files.items():
        if device < len(SENSORS):
            found[device] = _checked(_text(members, file), members, file)
    return found


def _mat(members: Members, file: str) -> list[NDArray[np.float64] | None]:
    """The variable `sensor`: a cell array of ten matrices."""
    where = f"{members.source}: {file}"
    try:
        content = _inflated(members.read(file))
        if len(content) > LARGEST_FILE:
            raise HarbenchError(f"{where} would take more than {LARGEST_FILE:,} bytes unpacked.")
        cells = np.ravel(scipy.io.loadmat(io.BytesIO(content))["sensor"])
    except HarbenchError:
        raise
    except KeyError:
        raise HarbenchError(f"{where} holds no variable `sensor`.") from None
    except Exception as error:  # SciPy raises many kinds for a file that is no MATLAB file
        raise HarbenchError(f"{where} is not a MATLAB file that can be read ({error}).") from error
    if cells.dtype != object or len(cells) != len(SENSORS):
        raise HarbenchError(f"{where}: `sensor` has {len(cells)} entries, expected {len(SENSORS)}.")
    return [
        _checked(cell, members, f"{file}, sensor {i}") if np.size(cell) else None
        for i, cell in enumerate(cells)
    ]


def _inflated(data: bytes) -> bytes:
    """The same MATLAB 5 file without compression; it ends early beyond LARGEST_FILE bytes."""
    header = 128
    if data[126:header] not in (b"IM", b"MI"):
        return data
    order = "<" if data[126:header] == b"IM" else ">"
    parts, place, size = [data[:header]], header, header
    while place + 8 <= len(data) and size <= LARGEST_FILE:
        kind, length = struct.unpack_from(f"{order}II", data, place)
        end = place + 8 + length
        part = data[place:end]
        if kind == COMPRESSED:
            part = zlib.decompressobj().decompress(part[8:], LARGEST_FILE + 1)
        parts.append(part)
        place, size = end, size + len(part)
    return b"".join(parts)


def _text(members: Members, file: str) -> NDArray[np.float64]:
    lines = members.read(file).decode("utf-8", errors="replace").split("\n")
    rows = []
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            rows.append([float(field) for field in fields])
        except ValueError:
            rows.append([])
        if len(rows[-1]) != COLUMNS:
            raise HarbenchError(
                f"{members.source}: {file}, line {number}: expected {COLUMNS} numbers."
            )
    return np.array(rows).reshape(-1, COLUMNS)


def _checked(samples: object, members: Members, file: str) -> NDArray[np.float64] | None:
    """Samples (n, 7) with decoded, increasing time; None for no sample."""
    where = f"{members.source}: {file}"
    array = np.asarray(samples)
    if array.dtype.kind not in "fiu" or array.ndim != 2 or array.shape[1] != COLUMNS:
        raise HarbenchError(f"{where}: expected numbers (n, {COLUMNS}), got shape {array.shape}.")
    array = array.astype(np.float64)
    if not np.isfinite(array[:, CLOCK]).all() or (np.abs(array) > LARGEST_VALUE).any():
        raise HarbenchError(f"{where}: a time stamp is missing or a value is infinite.")
    time = decode_clock(array[:, CLOCK])
    # Stamps that repeat or go back are dropped; the clock is that of a small computer.
    latest = np.maximum.accumulate(time)
    array[:, CLOCK] = time
    array = array[np.diff(latest, prepend=-np.inf) > 0]
    return array if len(array) > 1 else None


def decode_clock(packed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seconds of the day from HHMMSSuuuuuu (a date before it is ignored); past midnight goes on."""
    micro, second = packed % 1e6, packed // 1e6 % 100
    minute, hour = packed // 1e8 % 100, packed // 1e10 % 100
    time = 3600 * hour + 60 * minute + second + micro / 1e6
    return time + 86400 * np.cumsum(np.diff(time, prepend=time[:1]) < -43200)


def _aligned(
    devices: list[NDArray[np.float64] | None], options: WindowOptions, where: str
) -> FloatArray:
    """(window, 10, 6): every device on one grid over the interval that all of them share."""
    present = [d for d in devices if d is not None]
    if not present:
        raise HarbenchError(f"{where} holds no sample.")
    begin = max(d[0, CLOCK] for d in present)
    end = min(d[-1, CLOCK] for d in present)
    if end <= begin:
        raise HarbenchError(f"{where}: its devices share no interval of time.")
    width = (end - begin) / options.window
    centres = begin + width * (np.arange(options.window) + 0.5)
    values = np.full((options.window, len(SENSORS), CLOCK), np.nan, dtype=np.float32)
    for index, device in enumerate(devices):
        if device is not None:
            for channel in range(CLOCK):
                known = device[~np.isnan(device[:, channel])]
                on = on_grid(known[:, CLOCK], known[:, [channel]], centres, options.max_gap)
                values[:, index, channel] = on[:, 0]
    return values
