"""Prepared datasets on disk: windows as a memory-mapped array beside a small index."""

from __future__ import annotations

import inspect
import json
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import Any

import numpy as np

from harbench import registry
from harbench.data import fetch
from harbench.data.archive import WATCH
from harbench.data.fingerprint import Fingerprint
from harbench.data.origin import change, checksum, origin, remember, verify
from harbench.data.paths import cache_dir, leftovers, locked, remove, writing_folder
from harbench.data.preparation import FORMAT, write
from harbench.dataset import (
    Dataset,
    DatasetInfo,
    HARDataset,
    Recording,
    info_from_json,
)
from harbench.errors import HarbenchError, line_of, one_line
from harbench.options import build, differences, format_spec, parse_spec
from harbench.outside import visible

# File systems allow 255 bytes; temporary names need some.
LONGEST_SPEC = 200
Report = Callable[[str, float], None]


def resolve(spec: str) -> tuple[str, Dataset]:
    """The canonical spec and the dataset object, for example of ``bodysim+subjects=20``.

    The dataset of a file, ``./my_data.py+step=50``, goes by its name: ``my-data+step=50``.
    """
    name, values = parse_spec(spec)
    cls = registry.dataset_class(name)
    options = build(cls.Options, values, where=f"dataset {name!r}", endless=True)
    canonical = format_spec(cls.name, differences(options, cls.Options()))
    if len(canonical.encode()) > LONGEST_SPEC:
        raise HarbenchError(
            f"Dataset {canonical[:40]}... has a name of {len(canonical.encode())} bytes; it names "
            f"folders, so at most {LONGEST_SPEC} are possible. Shorten it."
        )
    return canonical, cls(options)


def load(spec: str) -> HARDataset:
    """The prepared dataset; it is prepared first where that is still to do.

    Prepared anew where its raw files, its code or the defaults of its options have changed since:
    a line on the standard error says so.
    """
    canonical, dataset = resolve(spec)
    if _outdated(canonical, dataset) is not None:
        with locked(_lock_file(canonical)):
            why = _outdated(canonical, dataset)
            if why is not None:
                if why:
                    print(visible(f"{canonical} is prepared anew: {why}."), file=sys.stderr)
                return _prepare(canonical, dataset, None)
    return _open(folder_of(canonical), canonical)


def notes(canonical: str) -> list[str]:
    """What the preparation has to say: recordings without a window, sensors that are missing."""
    folder = folder_of(canonical)
    if not folder.exists():
        return []
    with _reading(folder, canonical):
        return list(json.loads((folder / "dataset.json").read_text())["notes"])


def _outdated(canonical: str, dataset: Dataset) -> str | None:
    """None where the prepared copy is what it should be, else why not; "" where there is none.

    Raw data that is not at hand cannot have changed.
    """
    if not is_prepared(canonical):
        return ""
    folder = folder_of(canonical)
    with _reading(folder, canonical):
        if "origin" not in json.loads((folder / "dataset.json").read_text()):
            return "an earlier version of harbench made it"
        made_of = json.loads((folder / "origin.json").read_text())
    source = None if dataset.embedded else fetch.at_hand(dataset)
    now = origin(dataset, source)
    if source is None:
        now |= {key: made_of[key] for key in ("source", "files")}
    with _reading(folder, canonical):
        return change(made_of, now) or None


def is_prepared(canonical: str) -> bool:
    """Whether a prepared copy in the current format lies in the cache."""
    folder = folder_of(canonical)
    if not (folder / "dataset.json").is_file():
        return False
    with _reading(folder, canonical):
        return bool(json.loads((folder / "dataset.json").read_text())["format"] == FORMAT)


def is_current(spec: str) -> bool:
    """Whether `load` would only open the prepared copy: nothing is prepared or fetched."""
    return _outdated(*resolve(spec)) is None


def require_here(spec: str) -> None:
    """Raise HarbenchError where `load` would begin a download."""
    canonical, dataset = resolve(spec)
    if not dataset.embedded and not is_prepared(canonical) and fetch.would_download(dataset):
        raise HarbenchError(
            f"Dataset {spec!r} is not on this machine, and a plan downloads nothing. Fetch it "
            f"first: harbench data fetch {spec}"
        )


def prepare(spec: str, source: Path | None = None, report: Report = lambda *_: None) -> HARDataset:
    """Read the raw data, cut it into windows and store them; replaces an older copy.

    source: zip or folder; by default what `harbench.data.fetch.locate` finds. report(name,
    share) is called for every recording that has been read, with the share of raw files read by
    then. Nothing is left behind if reading fails.
    """
    canonical, dataset = resolve(spec)
    with locked(_lock_file(canonical)):
        return _prepare(canonical, dataset, source, report)


def _prepare(
    canonical: str,
    dataset: Dataset,
    source: Path | None,
    report: Report = lambda *_: None,
) -> HARDataset:
    given = source
    if dataset.embedded and source is not None:
        raise HarbenchError(
            f"Dataset {canonical} comes with harbench: it is not read --from a file."
        )
    if not dataset.embedded:
        source = fetch.locate(dataset, source)
        dataset.open(source)
    # Looked at before the files are read: what changes meanwhile is noticed later.
    made_of = origin(dataset, source)
    folder = folder_of(canonical)
    for path in leftovers(folder):
        remove(path)
    with _user_s_mistakes(canonical, type(dataset)), writing_folder(folder) as temporary:
        told = _told(dataset.recordings(source), report)
        index = copy_context().run(write, told, dataset, temporary)
        index["source"] = source.name if source else "embedded"
        (temporary / "origin.json").write_text(json.dumps(made_of))
        index["origin"] = checksum(temporary / "origin.json")
        (temporary / "dataset.json").write_text(json.dumps(index, indent=1))
        _open(temporary, canonical).check()
    if given is not None and source is not None:
        remember(dataset, source)
    return _open(folder, canonical)


@contextmanager
def _user_s_mistakes(canonical: str, reader: type[Dataset]) -> Iterator[None]:
    """What a reader raises that is the user's own, or was given options, the user can mend."""
    try:
        yield
    except HarbenchError:
        raise
    except Exception as error:
        if reader.__module__.startswith(registry.OF_FILE):
            where = line_of(inspect.getfile(reader), error)
            raise HarbenchError(f"{where}: {one_line(error)}.") from error
        optional = isinstance(error, (ValueError, OverflowError, MemoryError))
        if "+" not in canonical or not optional:
            raise
        raise HarbenchError(
            f"{canonical} cannot be made with these options: {one_line(error)}."
        ) from error


def _told(recordings: Iterable[Recording], report: Report) -> Iterator[Recording]:
    shares = [0.0]
    WATCH.set(shares.append)
    for recording in recordings:
        report(recording.name, shares[-1])
        yield recording


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
    count = len(labels)
    subjects, starts = np.full(count, "unnamed"), np.zeros(count, dtype=np.int64)
    content = Fingerprint(info, windows.shape[1:])
    content.windows(windows.tobytes())
    return HARDataset(
        spec=spec,
        info=info,
        windows=windows,
        labels=labels,
        subjects=subjects,
        recordings=np.arange(count),
        starts=starts,
        fingerprint=content.finished(
            labels.tolist(), subjects.tolist(), list(range(count)), starts.tolist()
        ),
    )


def check(canonical: str) -> None:
    """Raise HarbenchError where the prepared files of a canonical spec are damaged."""
    _open(folder_of(canonical), canonical)


def folder_of(canonical: str) -> Path:
    """Where the prepared files of a canonical spec lie."""
    return cache_dir() / "datasets" / canonical


def _lock_file(canonical: str) -> Path:
    return cache_dir() / "locks" / f"{canonical}.lock"


@contextmanager
def _reading(folder: Path, canonical: str) -> Iterator[None]:
    """What can go wrong with prepared files, said in words."""
    try:
        yield
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise HarbenchError(
            f"{folder} is damaged ({one_line(error)}). "
            f"Make it anew: harbench data prepare {canonical}"
        ) from error


def _open(folder: Path, canonical: str) -> HARDataset:
    binary = folder / "windows.f32"
    with _reading(folder, canonical):
        index = json.loads((folder / "dataset.json").read_text())
        shape = tuple(index["shape"])
        if binary.stat().st_size != 4 * int(np.prod(shape)):
            raise ValueError(f"the size of {binary.name} is not that of {shape}")
        verify(binary, index["checksum"])
        with np.load(folder / "index.npz") as arrays:
            columns = {key: arrays[key] for key in ("labels", "subjects", "recordings", "starts")}
        if any(len(column) != shape[0] for column in columns.values()):
            raise ValueError(f"index.npz does not describe {shape[0]} windows")
    return HARDataset(
        spec=canonical,
        info=info_from_json(index["info"]),
        windows=np.memmap(binary, dtype="<f4", mode="r", shape=shape),
        fingerprint=index["fingerprint"],
        options=index["options"],
        **columns,
    )
