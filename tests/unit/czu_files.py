"""CZU-MHAD's raw formats: cells in .mat files, or text files, with packed clocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.io

Device = np.ndarray
DEVICES = 10


def packed(seconds: np.ndarray) -> np.ndarray:
    """Seconds of a day as HHMMSSuuuuuu."""
    micro = np.round(np.asarray(seconds, dtype=np.float64) * 1e6).astype(np.int64)
    whole, rest = micro // 10**6 % 86400, micro % 10**6
    hour, minute, second = whole // 3600, whole // 60 % 60, whole % 60
    return (hour * 10**10 + minute * 10**8 + second * 10**6 + rest).astype(np.float64)


def device(begin: float, end: float, rate: float, signal: float = 0.0) -> Device:
    """Samples (n, 7): channel c holds 100 c + signal + seconds since 10:00."""
    time = np.arange(begin, end, 1 / rate)
    values = 100.0 * np.arange(6)[None] + signal + (time - 36000)[:, None]
    return np.column_stack([values, packed(time)])


def recording(begin: float = 36000.0, seconds: float = 7.0) -> list[Device]:
    """Ten devices with rates and ends of their own."""
    rates = [342, 555, 342, 400, 342, 342, 500, 342, 342, 555]
    return [
        device(begin + 0.01 * i, begin + seconds - 0.02 * i, rate, 1000 * i)
        for i, rate in enumerate(rates)
    ]


def write_mat(path: Path, devices: list[Device | None]) -> None:
    cells = np.empty((len(devices), 1), dtype=object)
    for i, samples in enumerate(devices):
        cells[i, 0] = np.zeros((0, 0)) if samples is None else samples
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {"sensor": cells})


def write_text(folder: Path, devices: list[Device | None]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i, samples in enumerate(devices):
        if samples is not None:
            lines = (" ".join(f"{v:.6f}" for v in row) for row in samples)
            (folder / f"pi{i:02d}").write_text("\n".join(lines) + "\n")
