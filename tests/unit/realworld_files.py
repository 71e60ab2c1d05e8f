"""RealWorld's raw format: zips of CSV files in zips, with any irregularity planted."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

POSITIONS = ("chest", "forearm", "head", "shin", "thigh", "upperarm", "waist")
KINDS = ("acc", "gyr", "mag")
PREFIX = {"acc": "acc", "gyr": "Gyroscope", "mag": "MagneticField"}
BEGIN = 1_435_993_000_000
Change = Callable[[str, str], bytes | None]


def samples(position: str, kind: str, seconds: float = 8.0) -> tuple[np.ndarray, np.ndarray]:
    """Stamps in whole ms of the sensor's own clock, and axes 100 p + 10 k + a + seconds."""
    seed = POSITIONS.index(position) * 3 + KINDS.index(kind)
    time = np.rint((20 + 0.01 * seed) * np.arange(int(seconds * 50))).astype(int) + 7 * seed
    base = 100 * POSITIONS.index(position) + 10 * KINDS.index(kind) + np.arange(3)
    return BEGIN + time, base[None] + time[:, None] / 1000


def csv(time: np.ndarray, values: np.ndarray) -> bytes:
    lines = ["id,attr_time,attr_x,attr_y,attr_z"]
    lines += [f"{i + 1},{t},{a:.6f},{b:.6f},{c:.6f}"
              for i, (t, (a, b, c)) in enumerate(zip(time, values, strict=True))]  # fmt: skip
    return ("\n".join(lines) + "\n").encode()


def plain(position: str, kind: str) -> bytes | None:
    return csv(*samples(position, kind))


def pack(files: Iterable[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return buffer.getvalue()


def inner(kind: str, activity: str, change: Change = plain, number: str = "") -> bytes:
    """One zip with a CSV file for each position; number: what stands after the activity."""
    files = [
        (f"{PREFIX[kind]}_{activity}{number}_{position}.csv", data)
        for position in POSITIONS
        if (data := change(position, kind)) is not None
    ]
    return pack([*files, ("readMe", b"about the file")])


def in_parts(kind: str, activity: str) -> bytes:
    """Three zips in a zip; the first has no number in gyr and mag, and its files have none."""
    first = "_1" if kind == "acc" else ""
    names = (first, ""), ("_2", "_2"), ("_3", "_3")
    return pack(
        (f"{kind}_{activity}{outer}_csv.zip", inner(kind, activity, number=number))
        for outer, number in names
    )


def write(folder: Path, files: dict[tuple[int, str], Callable[[str, str], bytes]]) -> Path:
    """(subject, activity) -> maker of a zip from (kind, activity), in the official tree."""
    for (subject, activity), make in files.items():
        place = folder / f"proband{subject}" / "data"
        place.mkdir(parents=True, exist_ok=True)
        for kind in KINDS:
            (place / f"{kind}_{activity}_csv.zip").write_bytes(make(kind, activity))
        (place / f"lig_{activity}_csv.zip").write_bytes(b"light is not read")
        (place / f"acc_{activity}_sqlite.zip").write_bytes(b"the same data again")
    return folder
