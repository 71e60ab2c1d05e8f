"""Prepared datasets on disk: windows as a memory-mapped array beside a small index."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from harbench import registry
from harbench.data import fetch
from harbench.data.paths import cache_dir, writing_folder
from harbench.data.windows import cut
from harbench.dataset import (
    Dataset,
    DatasetInfo,
    HARDataset,
    Recording,
    info_from_json,
    info_to_json,
)
from harbench.errors import HarbenchError
from harbench.options import build, differences, format_spec, parse_spec

FORMAT = 1


def resolve(spec: str) -> tuple[str, Dataset]:
    """The canonical spec and the dataset object, for example of ``bodysim+subjects=20``."""
    name, values = parse_spec(spec)
    cls = registry.dataset_class(name)
    options = build(cls.Options, values, where=f"dataset {name!r}")
    return format_spec(name, differences(options, cls.Options())), cls(options)


def load(spec: str) -> HARDataset:
    """The prepared dataset; it is prepared first where that is still to do."""
    canonical, _ = resolve(spec)
    return _open(_folder(canonical), canonical) if is_prepared(canonical) else prepare(canonical)


def is_prepared(canonical: str) -> bool:
    """Whether a prepared copy in the current format lies in the cache."""
    index = _folder(canonical) / "dataset.json"
    return index.is_file() and json.loads(index.read_text())["format"] == FORMAT


def prepare(spec: str, source: Path | None = None) -> HARDataset:
    """Read the raw data, cut it into windows and store them; replaces an older copy.

    source: zip or folder; by default what `harbench.data.fetch.locate` finds. Nothing is left
    behind if reading fails.
    """
    canonical, dataset = resolve(spec)
    if not dataset.embedded:
        source = fetch.locate(dataset, source)
    folder = _folder(canonical)
    with writing_folder(folder) as temporary:
        index = write(dataset.recordings(source), dataset, temporary)
        index["source"] = source.name if source else "embedded"
        (temporary / "dataset.json").write_text(json.dumps(index, indent=1))
        _open(temporary, canonical).check()
    return _open(folder, canonical)


def write(recordings: Iterable[Recording], dataset: Dataset, folder: Path) -> dict[str, Any]:
    """Stream windows into `folder`; only one recording is in memory at a time."""
    info, options = dataset.info, dataset.options
    shape = (options.window, len(info.sensors), len(info.channels))
    labels: list[int] = []
    subjects: list[str] = []
    owners: list[int] = []
    starts: list[int] = []
    names: list[str] = []
    digest = hashlib.sha256(json.dumps([info_to_json(info), shape]).encode())
    with (folder / "windows.f32").open("wb") as file:
        for recording in recordings:
            if names and recording.name <= names[-1]:
                raise HarbenchError(
                    f"Dataset {dataset.name!r}: recording {recording.name!r} is there twice "
                    "or out of order."
                )
            if recording.values.shape[1:] != shape[1:]:
                raise HarbenchError(
                    f"Recording {recording.name!r}: expected {shape[1]} sensors x {shape[2]} "
                    f"channels, got {recording.values.shape[1:]}."
                )
            for window in cut(recording, info.rate, options):
                values = np.ascontiguousarray(window.values, dtype="<f4")
                values = np.where(np.isnan(values), np.float32(np.nan), values)
                file.write(values.tobytes())
                digest.update(values.tobytes())
                labels.append(window.label)
                subjects.append(recording.subject)
                owners.append(len(names))
                starts.append(window.start)
            names.append(recording.name)
    if not labels:
        raise HarbenchError(
            f"Dataset {dataset.name!r} gave no window of {options.window} steps from "
            f"{len(names)} recordings. Choose a shorter window: "
            f"{dataset.name}+window={options.window // 2}."
        )
    arrays = {
        "labels": np.array(labels, dtype=np.int64),
        "subjects": np.array(subjects, dtype=np.str_),
        "recordings": np.array(owners, dtype=np.int64),
        "starts": np.array(starts, dtype=np.int64),
    }
    digest.update(json.dumps([labels, subjects, owners, starts]).encode())
    np.savez(folder / "index.npz", **arrays)  # type: ignore[arg-type]
    return {
        "format": FORMAT,
        "fingerprint": digest.hexdigest(),
        "shape": [len(labels), *shape],
        "options": asdict(options),
        "info": info_to_json(info),
        "recordings": names,
    }


def from_arrays(
    windows: np.ndarray[Any, Any],
    labels: np.ndarray[Any, Any],
    info: DatasetInfo,
    spec: str = "arrays",
) -> HARDataset:
    """A dataset in memory: windows (W, T, N, C), labels (W,) class index.

    Every window counts as a recording of its own, of one unnamed subject.
    """
    windows = np.ascontiguousarray(windows, dtype=np.float32)
    labels = np.asarray(labels, dtype=np.int64)
    digest = hashlib.sha256(json.dumps([info_to_json(info), windows.shape]).encode())
    digest.update(windows.tobytes())
    digest.update(labels.tobytes())
    count = len(labels)
    return HARDataset(
        spec=spec,
        info=info,
        windows=windows,
        labels=labels,
        subjects=np.full(count, "unnamed"),
        recordings=np.arange(count),
        starts=np.zeros(count, dtype=np.int64),
        fingerprint=digest.hexdigest(),
    )


def _folder(canonical: str) -> Path:
    return cache_dir() / "datasets" / canonical


def _open(folder: Path, canonical: str) -> HARDataset:
    index = json.loads((folder / "dataset.json").read_text())
    shape = tuple(index["shape"])
    binary = folder / "windows.f32"
    if binary.stat().st_size != 4 * int(np.prod(shape)):
        raise HarbenchError(
            f"{binary} is damaged (its size is not that of {shape}). "
            f"Make it anew: harbench data prepare {canonical}"
        )
    with np.load(folder / "index.npz") as arrays:
        columns = {key: arrays[key] for key in ("labels", "subjects", "recordings", "starts")}
    return HARDataset(
        spec=canonical,
        info=info_from_json(index["info"]),
        windows=np.memmap(binary, dtype="<f4", mode="r", shape=shape),
        fingerprint=index["fingerprint"],
        options=index["options"],
        **columns,
    )
