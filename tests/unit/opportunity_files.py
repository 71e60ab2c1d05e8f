"""Opportunity's raw format: 24 files of 250 columns, with any irregularity planted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

RUNS = tuple(f"S{s}-{run}" for s in range(1, 5) for run in
             ("ADL1", "ADL2", "ADL3", "ADL4", "ADL5", "Drill"))  # fmt: skip
GESTURES = (406516, 406517, 404516, 404517, 406520, 404520, 406505, 404505, 406519, 404519,
            406511, 404511, 406508, 404508, 408512, 407521, 405506)  # fmt: skip
Table = np.ndarray
Change = Callable[[str, Table], Table]


def table(run: str, rows: int = 210) -> Table:
    """Column c (from 1) of row r holds 1000 c + r; labels change every 30 rows."""
    row, column = np.arange(rows)[:, None], np.arange(1, 251)[None]
    values = 1000.0 * column + row
    values[:, 0] = np.round(np.arange(rows) * 1000 / 30)
    block = np.arange(rows) // 30 + RUNS.index(run)
    values[:, 243] = np.array([0, 1, 2, 4, 5])[block % 5]
    values[:, 249] = np.array([0, *GESTURES])[block % 18]
    return values


def text(values: Table) -> bytes:
    lines = (" ".join("NaN" if v != v else f"{v:g}" if v % 1 else f"{v:.0f}" for v in row)
             for row in values)  # fmt: skip
    return ("\n".join(lines) + "\n").encode()


def write(folder: Path, change: Change = lambda _, values: values) -> Path:
    """All 24 files as the official archive has them, below `folder`."""
    place = folder / "OpportunityUCIDataset" / "dataset"
    place.mkdir(parents=True)
    for run in RUNS:
        (place / f"{run}.dat").write_bytes(text(change(run, table(run))))
    (place / "column_names.txt").write_text("Data columns:")
    return folder


def zipped(folder: Path, target: Path, order: int = 1) -> Path:
    """The same as a zip, its members in the order of names or in reverse."""
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.*"))[::order]:
            archive.write(path, path.relative_to(folder).as_posix())
    return target
