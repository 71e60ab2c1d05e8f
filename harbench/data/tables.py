"""Tables of a person's own, CSV or Parquet, as texts and numbers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harbench.data.archive import Members
from harbench.data.devices import Series, aligned, device_of
from harbench.dataset import LARGEST_VALUE, DatasetInfo, FloatArray, Recording
from harbench.errors import HarbenchError, needs, unknown

LARGEST_TABLE = 1_000_000_000
# Columns that hold no signal.
ASIDE = {"time", "label"}
MISSING = {"": np.nan, "NaN": np.nan, "nan": np.nan}


def read_table(members: Members, file: str) -> pd.DataFrame:
    """A CSV or Parquet file, empty cells as NaN; HarbenchError names what cannot be read."""
    where = f"{members.source}: {file}"
    data = io.BytesIO(members.read(file))
    try:
        if file.lower().endswith(".parquet"):
            needs("pyarrow", "parquet")
            return pd.read_parquet(data)
        # Columns of numbers are parsed at once; all others stay texts, for `numbers` to judge.
        table = pd.read_csv(
            data,
            encoding="utf-8-sig",
            dtype={"label": str},
            keep_default_na=False,
            na_values=[""],
            low_memory=False,
        )
        if not isinstance(table.index, pd.RangeIndex):
            raise HarbenchError(
                f"{where}: its rows have more fields than its header. Do they end in a comma?"
            )
        return table
    except HarbenchError:
        raise
    except Exception as error:  # pandas and pyarrow raise many kinds for a broken file
        raise HarbenchError(f"{where} cannot be read ({str(error).splitlines()[0]}).") from error


def numbers(column: pd.Series, where: str) -> NDArray[np.float64]:
    """A column as numbers, NaN where empty; the first text that is none is named with its line."""
    known = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    texts = column if known else column.astype(object)
    if not known and not texts.map(pd.api.types.is_scalar).all():
        texts = texts.astype(str)
    texts = texts if known else texts.replace(MISSING)
    if pd.api.types.is_bool_dtype(column):
        texts = texts.astype(str)
    found = np.asarray(pd.to_numeric(texts, errors="coerce"), dtype=np.float64)
    bad = (np.isnan(found) & texts.notna().to_numpy()) | (np.abs(found) > LARGEST_VALUE)
    if bad.any():
        line = int(np.argmax(bad))
        raise HarbenchError(
            f"{where}, line {line + 2}: {column.name} is {str(column.iloc[line])!r}, not a number."
        )
    return found


def signals_in(table: pd.DataFrame, info: DatasetInfo, device: str, where: str) -> FloatArray:
    """Values (S, N, C) of a table's S rows, NaN where it has no column for them.

    device: `<sensor>` or `<sensor>.<part>`, whose file names channels alone; "" for a table of all
    sensors, <sensor>.<channel>. Raises HarbenchError for any column beside these, `time`, `label`.
    """
    sensor = device.partition(".")[0]
    signals = {
        (channel if device else f"{found.name}.{channel}"): (row, column)
        for row, found in enumerate(info.sensors)
        for column, channel in enumerate(info.channels)
        if not device or found.name == sensor
    }
    values = np.full((len(table), len(info.sensors), len(info.channels)), np.nan, dtype=np.float32)
    for column in table.columns:
        if column in ASIDE:
            continue
        if column not in signals:
            raise HarbenchError(f"{where}: {unknown('column', str(column), signals)}")
        values[:, *signals[column]] = numbers(table[column], where)
    return values


def read_recording(paths: Sequence[Path], info: DatasetInfo, max_gap: float) -> Recording:
    """A person's recording: one table of all sensors, or the files of its devices.

    Files <recording>.<sensor>.csv or <recording>.<sensor>.<part>.csv name channels alone and are
    brought to one grid, as in training (`harbench.data.devices`); one table has the columns
    <sensor>.<channel>. `time` is in seconds. An absent column is missing data; a column `label` is
    not read. Raises HarbenchError for any other column, for time that does not increase, and
    where no signal, or no value of any, is there at all.
    """
    names = [sensor.name for sensor in info.sensors]
    found = [(path, *device_of(path.stem, names)) for path in paths]
    recordings, devices = {name for _, name, _ in found}, [device for *_, device in found]
    if len(paths) > 1 and (len(recordings) > 1 or "" in devices or len({*devices}) < len(devices)):
        raise HarbenchError(
            f"{', '.join(map(str, paths))} are not the devices of one recording: "
            "<recording>.<sensor>.csv for each."
        )
    series: dict[str, Series] = {}
    for path, _, device in found:
        if not path.is_file():
            raise HarbenchError(f"{path} is not a file.")
        table = read_table(
            Members(path.absolute().parent, [path.name], LARGEST_TABLE, None), path.name
        )
        time = times(table, str(path))
        # One table of all sensors may have a name that looks like a device's.
        if len(paths) == 1 and any(str(each).split(".")[0] in names for each in table.columns):
            device = ""
        values = signals_in(table, info, device, str(path))
        if set(table.columns) <= ASIDE:
            known = [f"{name}.{channel}" for name in names for channel in info.channels]
            raise HarbenchError(f"{path} has no signal: its columns are {', '.join(known)}.")
        if np.isnan(values).all():
            raise HarbenchError(f"{path} has no value: every cell of its signals is empty.")
        series[device] = time, values, None
    where = ", ".join(map(str, paths))
    ((time, values, _),) = [series[""]] if "" in series else [aligned(series, info, max_gap, where)]
    name = min(recordings)
    return Recording(name, "unnamed", time, values, np.zeros(len(time), dtype=np.int64))


def times(table: pd.DataFrame, where: str) -> NDArray[np.float64]:
    """The column `time`, in seconds.

    HarbenchError where it or every row is absent; it names the first line where time does not
    increase.
    """
    if "time" not in table or table.empty:
        raise HarbenchError(f"{where} has no {'row' if 'time' in table else 'column `time`'}.")
    time = numbers(table["time"], where)
    bad = ~np.isfinite(time) | np.concatenate([[False], np.diff(time) <= 0])
    if bad.any():
        line = int(np.argmax(bad)) + 2
        raise HarbenchError(f"{where}, line {line}: time is missing or does not increase.")
    return time
