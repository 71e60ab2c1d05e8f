"""Tables of a person's own, CSV or Parquet, as texts and numbers."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harbench.data.archive import Members
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
        if file.endswith(".parquet"):
            needs("pyarrow", "parquet")
            return pd.read_parquet(data)
        # Columns of numbers are parsed at once; all others stay texts, for `numbers` to judge.
        return pd.read_csv(
            data,
            encoding="utf-8-sig",
            dtype={"label": str},
            keep_default_na=False,
            na_values=[""],
            low_memory=False,
        )
    except HarbenchError:
        raise
    except Exception as error:  # pandas and pyarrow raise many kinds for a broken file
        raise HarbenchError(f"{where} cannot be read ({str(error).splitlines()[0]}).") from error


def numbers(column: pd.Series, where: str) -> NDArray[np.float64]:
    """A column as numbers, NaN where empty; the first text that is none is named with its line."""
    known = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    texts = column if known else column.astype(object).replace(MISSING)
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


def signals_in(
    table: pd.DataFrame, signals: Mapping[str, tuple[int, int]], shape: tuple[int, int], where: str
) -> FloatArray:
    """Values (S, N, C) of a table's S rows, NaN where it has no column for them.

    signals: the name of a column -> its place in `shape` (N, C). Raises HarbenchError for a
    column that is neither among them nor `time` or `label`.
    """
    values = np.full((len(table), *shape), np.nan, dtype=np.float32)
    for column in table.columns:
        if column in ASIDE:
            continue
        if column not in signals:
            raise HarbenchError(f"{where}: {unknown('column', str(column), signals)}")
        values[:, *signals[column]] = numbers(table[column], where)
    return values


def read_recording(path: Path, info: DatasetInfo) -> Recording:
    """A person's recording in one table: `time` in seconds, and <sensor>.<channel> columns.

    A column that is absent is missing data; a column `label` is not read. Raises HarbenchError
    for any other column, for time that does not increase, and where no signal is there at all.
    """
    if not path.is_file():
        raise HarbenchError(f"{path} is not a file.")
    table = read_table(Members(path.parent, [path.name], LARGEST_TABLE, None), path.name)
    if "time" not in table or table.empty:
        raise HarbenchError(f"{path} has no {'row' if 'time' in table else 'column `time`'}.")
    signals = {
        f"{sensor.name}.{channel}": (row, column)
        for row, sensor in enumerate(info.sensors)
        for column, channel in enumerate(info.channels)
    }
    values = signals_in(table, signals, (len(info.sensors), len(info.channels)), str(path))
    if set(table.columns) <= ASIDE:
        raise HarbenchError(f"{path} has no signal: its columns are {', '.join(signals)}.")
    time = numbers(table["time"], str(path))
    return Recording(path.stem, "unnamed", time, values, np.zeros(len(time), dtype=np.int64))
