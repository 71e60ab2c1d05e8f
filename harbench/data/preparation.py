"""Recordings to the files of a prepared dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from harbench import registry
from harbench.data.coverage import Coverage, with_option
from harbench.data.fingerprint import Fingerprint
from harbench.data.origin import checksum
from harbench.data.repeats import Repeats
from harbench.dataset import Dataset, DatasetInfo, Recording, info_to_json
from harbench.errors import HarbenchError

FORMAT = 2


def write(recordings: Iterable[Recording], dataset: Dataset, folder: Path) -> dict[str, Any]:
    """Stream windows into `folder`; only one recording is in memory at a time."""
    info, options = dataset.info, dataset.options
    shape = (options.window, len(info.sensors), len(info.channels))
    labels: list[int] = []
    subjects: list[str] = []
    owners: list[int] = []
    starts: list[int] = []
    names: list[str] = []
    content = Fingerprint(info, shape)
    covered, repeats = Coverage(info, options, dataset.left_out), Repeats()
    spec = registry.spoken(dataset)
    with (folder / "windows.f32").open("wb") as file:
        for recording in _readable(recordings):
            if names and recording.name <= names[-1]:
                raise HarbenchError(
                    f"Dataset {dataset.name!r}: recording {recording.name!r} is there twice "
                    "or out of order."
                )
            _check_fits(recording, info)
            if repeats.add(recording) and options.repeats == "drop":
                continue
            for window in covered.windows(recording):
                values = np.ascontiguousarray(window.values, dtype="<f4")
                values = np.where(np.isnan(values), np.float32(np.nan), values)
                file.write(values.tobytes())
                content.windows(values.tobytes())
                labels.append(window.label)
                subjects.append(recording.subject)
                owners.append(len(names))
                starts.append(window.start)
            names.append(recording.name)
    if not labels:
        raise HarbenchError(
            f"Dataset {dataset.name!r} gave no window of {options.window} steps from "
            f"{len(names)} recordings. {' '.join(covered.vanished())} Choose a shorter "
            f"window: {with_option(spec, 'window', max(2, options.window // 2))}."
        )
    repeated = repeats.notes(spec, options.repeats == "drop")
    # It holds runs of all recordings, while memory peaks below.
    del repeats
    arrays = {
        "labels": np.array(labels, dtype=np.int64),
        "subjects": np.array(subjects, dtype=np.str_),
        "recordings": np.array(owners, dtype=np.int64),
        "starts": np.array(starts, dtype=np.int64),
    }
    np.savez(folder / "index.npz", **arrays)  # type: ignore[arg-type]
    return {
        "format": FORMAT,
        "fingerprint": content.finished(labels, subjects, owners, starts),
        "shape": [len(labels), *shape],
        "options": asdict(options),
        "info": info_to_json(info),
        "recordings": names,
        "checksum": checksum(folder / "windows.f32"),
        "notes": [
            *dataset.remarks,
            *repeated,
            *covered.notes(labels, subjects, spec),
        ],
    }


def _check_fits(recording: Recording, info: DatasetInfo) -> None:
    shape = (len(info.sensors), len(info.channels))
    if recording.values.shape[1:] != shape:
        raise HarbenchError(
            f"Recording {recording.name!r}: expected {shape[0]} sensors x {shape[1]} "
            f"channels, got {recording.values.shape[1:]}."
        )
    top = int(recording.labels.max(initial=-1))
    if top >= len(info.classes):
        raise HarbenchError(
            f"Recording {recording.name!r}: label {top}, but the dataset has "
            f"{len(info.classes)} classes (0 to {len(info.classes) - 1}, -1 for none)."
        )


def _readable(recordings: Iterable[Recording]) -> Iterator[Recording]:
    """The same recordings; a raw file that the system refuses to read is named."""
    try:
        yield from recordings
    except OSError as error:
        raise HarbenchError(
            f"Cannot read {error.filename or 'the raw data'}: {error.strerror or error}."
        ) from error
