"""A prepared dataset in words and numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harbench.dataset import HARDataset
from harbench.outside import visible

CHUNK = 4096


def describe(dataset: HARDataset, notes: Sequence[str] = ()) -> Group:
    """Facts, sensors with what is missing, gaps, and windows per class and subject.

    notes: what the preparation had to say, shown after the facts. Fits 80 columns however many
    subjects there are.
    """
    share, lengths = natural_gaps(dataset)
    gaps = _gaps(dataset, share, lengths)
    said = [Text(visible(note), style="yellow") for note in notes]
    parts: list[RenderableType] = [
        _facts(dataset),
        *said,
        "",
        _sensors(dataset, share.mean(axis=1)),
        "",
    ]
    if gaps is not None:
        parts += [gaps, ""]
    return Group(*parts, _counts(dataset), "", _subjects(dataset))


def _facts(dataset: HARDataset) -> Table:
    info = dataset.info
    steps, sensors, channels = dataset.shape
    table = Table(box=None, show_header=False, pad_edge=False)
    rows = {
        "dataset": f"{dataset.spec}: {info.title}",
        "windows": f"{len(dataset)} of {steps} steps ({steps / info.rate:.4g} s at "
        f"{info.rate:g} Hz)",
        "size": f"{sensors} sensors x {channels} channels, {len(info.classes)} classes, "
        f"{len(np.unique(dataset.subjects))} subjects, "
        f"{len(np.unique(dataset.recordings))} recordings",
        "channels": ", ".join(
            f"{name} ({unit})" for name, unit in zip(info.channels, info.units, strict=True)
        ),
        "fingerprint": dataset.fingerprint,
        "licence": info.licence,
        "citation": info.citation,
        "source": info.url,
    }
    for key, value in rows.items():
        if value:
            table.add_row(Text(key, style="bold"), Text(visible(value)))
    return table


def _sensors(dataset: HARDataset, missing: np.ndarray) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("sensor", "right (m)", "forward (m)", "up (m)", "missing"):
        table.add_column(title, justify="left" if title == "sensor" else "right")
    for sensor, share in zip(dataset.info.sensors, missing, strict=True):
        place = [f"{value:+.2f}" for value in sensor.position]
        table.add_row(Text(visible(sensor.name)), *place, f"{100 * share:.2f} %")
    return table


def _gaps(
    dataset: HARDataset, share: np.ndarray, lengths: dict[tuple[int, int], list[int]]
) -> Table | None:
    """Every channel that lacks values, and its gaps; None where nothing is missing.

    A sensor whose channels all say the same takes one line.
    """
    if not share.any():
        return None
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("channel with gaps", "missing", "gaps", "median s", "longest s"):
        table.add_column(title, justify="left" if "channel" in title else "right")
    info = dataset.info
    for index, sensor in enumerate(info.sensors):
        lines = {
            info.channels[channel]: (
                f"{100 * share[index, channel]:.2f} %",
                f"{len(runs):,}",
                f"{np.median(runs) / info.rate:.2f}",
                f"{max(runs) / info.rate:.2f}",
            )
            for (owner, channel), runs in lengths.items()
            if owner == index
        }
        if len(lines) == len(info.channels) > 1 and len(set(lines.values())) == 1:
            lines = {"(every channel)": next(iter(lines.values()))}
        for channel, cells in lines.items():
            table.add_row(Text(visible(f"{sensor.name} {channel}")), *cells)
    return table


def natural_gaps(dataset: HARDataset) -> tuple[np.ndarray, dict[tuple[int, int], list[int]]]:
    """(N, C) missing share, and for each channel with gaps their lengths in steps, per window."""
    steps, sensors, channels = dataset.shape
    missing = np.zeros((sensors, channels))
    lengths: dict[tuple[int, int], list[int]] = {}
    for begin in range(0, len(dataset), CHUNK):
        lost = np.isnan(dataset.windows[begin : begin + CHUNK])
        missing += lost.sum(axis=(0, 1))
        for sensor, channel in np.argwhere(lost.any(axis=(0, 1))).tolist():
            padded = np.pad(lost[:, :, sensor, channel].astype(np.int8), ((0, 0), (1, 1)))
            edges = np.diff(padded, axis=1)
            # Row by row, the n-th beginning belongs to the n-th end.
            runs = np.argwhere(edges == -1)[:, 1] - np.argwhere(edges == 1)[:, 1]
            lengths.setdefault((sensor, channel), []).extend(runs.tolist())
    return missing / (len(dataset) * steps), dict(sorted(lengths.items()))


def _counts(dataset: HARDataset) -> Table:
    """Windows of each class (rows), then of each subject: columns never outgrow a screen."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("windows")
    for title in ("all", "subjects", "fewest", "most"):
        table.add_column(title, justify="right")
    subjects, owner = np.unique(dataset.subjects, return_inverse=True)
    for index, name in enumerate(dataset.info.classes):
        counts = np.bincount(owner[dataset.labels == index], minlength=len(subjects))
        having = counts[counts > 0]
        extremes = (str(having.min()), str(having.max())) if len(having) else ("-", "-")
        table.add_row(Text(visible(name)), str(counts.sum()), str(len(having)), *extremes)
    table.add_row(Text("all", style="bold"), str(len(dataset)), str(len(subjects)))
    return table


def _subjects(dataset: HARDataset) -> Table:
    """Windows of each subject, and how many of the classes it has."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("subject")
    for title in ("windows", "classes", "recordings"):
        table.add_column(title, justify="right")
    subjects, owner, windows = np.unique(dataset.subjects, return_inverse=True, return_counts=True)
    classes, recordings = (
        np.bincount(np.unique(np.stack([owner, of]), axis=1)[0], minlength=len(subjects))
        for of in (dataset.labels, dataset.recordings)
    )
    for subject, *sizes in zip(subjects, windows, classes, recordings, strict=True):
        table.add_row(Text(visible(str(subject))), *map(str, sizes))
    return table
