"""What a run answered, window by window: all of it in the cache, its labels beside the record.

<cache>/predictions/<dataset>/<protocol>/<budget>/<method>/seed-<s>.npz; the record names it.
The labels, results/.../seed-<s>.labels.npz, are some kilobytes and give every confusion matrix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harbench.data.paths import cache_dir, writing
from harbench.dataset import BoolArray, FloatArray, HARDataset, IntArray
from harbench.errors import HarbenchError, one_line
from harbench.protocol import Condition
from harbench.running.records import ConditionScores, Identity, Record
from harbench.training.identity import sha256

if TYPE_CHECKING:
    from harbench.running.plan import Run

LOWEST = float(np.finfo(np.float16).min)
# numpy, zipfile and zlib raise many kinds for a file that is not whole.
DAMAGE = Exception
FACTS = ("window", "subject", "recording", "start")


@dataclass(frozen=True)
class Kept:
    """One condition: logits (n, K), predicted class (n,), and which windows were scored (n,)."""

    condition: Condition
    logits: FloatArray
    predicted: IntArray
    scored: BoolArray


def predictions_path(run: Run) -> str:
    """Where the predictions of `run` lie, from the cache's folder."""
    parts = (run.dataset, run.protocol.name, run.budget.name, run.label, f"seed-{run.seed}.npz")
    return "/".join(("predictions", *parts))


def keep(run: Run, dataset: HARDataset, test: IntArray, kept: Sequence[Kept]) -> None:
    """Write the answers for the test windows `test` (n,) under every condition.

    Logits are stored as float16 (conditions, n, K), each window's highest being 0: that changes
    no probability, and none overflows.
    """
    logits = np.stack([each.logits - each.logits.max(axis=1, keepdims=True) for each in kept])
    arrays: dict[str, Any] = {
        "identity": np.array(_digest(run.identity)),
        "classes": np.array(dataset.info.classes, dtype=np.str_),
        "conditions": np.array([str(each.condition) for each in kept], dtype=np.str_),
        "y_true": dataset.labels[test],
        "window": test,
        "subject": dataset.subjects[test].astype(np.str_),
        "recording": dataset.recordings[test],
        "start": dataset.starts[test],
        "predicted": np.stack([each.predicted for each in kept]),
        "scored": np.stack([each.scored for each in kept]),
        "logits": np.maximum(logits, LOWEST).astype(np.float16),
    }
    place = cache_dir() / predictions_path(run)
    try:
        with writing(place) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)
    except HarbenchError:
        # A cache that cannot be written may hold them already.
        if not _holds(place, arrays):
            raise


def _holds(place: Path, arrays: dict[str, Any]) -> bool:
    """Whether the predictions at `place` are these."""
    try:
        with np.load(place, allow_pickle=False) as file:
            return all(np.array_equal(file[key], value) for key, value in arrays.items())
    except DAMAGE:
        return False


def damage(place: Path) -> str:
    """Why the predictions at `place` cannot be read, "" where they can."""
    try:
        with np.load(place, allow_pickle=False) as file:
            for key in file.files:
                file[key]
    except DAMAGE as error:
        return one_line(error)
    return ""


def arrays_of(record: Record) -> dict[str, NDArray[np.generic]] | None:
    """What the cache has of this very run, by the names of `keep`; None if it has none of it."""
    try:
        return _read(cache_dir() / record.predictions, record)
    except DAMAGE:
        return None


def labels_path(record_file: Path) -> Path:
    """Where the labels of a record lie."""
    return record_file.with_suffix(".labels.npz")


def keep_labels(record_file: Path, record: Record) -> bool:
    """Write the labels of a record where the cache has its predictions; whether it has them."""
    arrays = arrays_of(record)
    if arrays is None or _misfit(arrays, record):
        return False
    del arrays["logits"]
    small: dict[str, Any] = {key: _narrow(values) for key, values in arrays.items()}
    with writing(labels_path(record_file)) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **small)
    return True


def wrong_labels(record_file: Path, record: Record) -> str:
    """Why the labels beside a record cannot be its own, "" where they are or where there are none.

    Those of another code or configuration are no fault: the next run of the record replaces them.
    """
    place = labels_path(record_file)
    try:
        misfit = _misfit(_read(place, record), record)
    except HarbenchError:
        return ""
    except DAMAGE as error:
        misfit = one_line(error)
    return f"{place.name}: {misfit}. Delete it." if misfit else ""


def _misfit(arrays: dict[str, NDArray[np.generic]], record: Record) -> str:
    """That answers do not give the confusion matrices of their record, "" where they do."""
    for index, row in _rows(arrays, record):
        which = arrays["scored"][index].astype(bool)
        counts = np.zeros((len(arrays["classes"]),) * 2, dtype=np.int64)
        np.add.at(counts, (arrays["y_true"][which], arrays["predicted"][index][which]), 1)
        if counts.tolist() != row.confusion:
            return "it does not give the record's confusion matrix"
    return ""


def _rows(
    arrays: Mapping[str, NDArray[np.generic]], record: Record
) -> Iterator[tuple[int, ConditionScores]]:
    """The conditions that a record has, each with its place among those that were predicted."""
    places = {str(words): index for index, words in enumerate(arrays["conditions"])}
    for row in record.conditions:
        yield places[str(Condition(scale=row.scale, rate=row.rate))], row


def _narrow(values: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers in as few bytes as hold them all."""
    if values.dtype.kind != "i":
        return values
    bounds = values.min(initial=0), values.max(initial=0)
    return values.astype(np.result_type(*map(np.min_scalar_type, bounds)))


def exported(path: Path, record: Record) -> pd.DataFrame:
    """One row per test condition and window that it scores.

    Columns: what names the run, condition, window (its index in the dataset), subject, recording,
    start, true and predicted class (index and name), and the probability of each class where the
    cache has the run; else the labels beside the record serve.
    Raises HarbenchError where neither is whole and of this very run.
    """
    reasons = []
    for place in (cache_dir() / record.predictions, labels_path(path)):
        try:
            return _frame(_read(place, record), record)
        except HarbenchError as error:
            reasons.append(str(error))
        except DAMAGE as error:
            reasons.append(f"{place} is damaged ({one_line(error)})")
    command = repeating(path, record)
    raise HarbenchError(
        f"{path}: its predictions are gone ({'; '.join(reasons)}). Make them again: "
        f"{command} --force"
    )


def _read(place: Path, record: Record) -> dict[str, NDArray[np.generic]]:
    """Every array of a file; HarbenchError where it is not there or of another run."""
    if not place.is_file():
        raise HarbenchError(f"{place} is not there")
    with np.load(place, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    if arrays["identity"] != _digest(record.identity):
        raise HarbenchError(f"{place} is from another code or configuration")
    return arrays


def _frame(arrays: dict[str, NDArray[np.generic]], record: Record) -> pd.DataFrame:
    identity, classes = record.identity, arrays["classes"]
    parts = []
    if misfit := _misfit(arrays, record):
        raise ValueError(misfit)
    for index, _ in _rows(arrays, record):
        which = arrays["scored"][index].astype(bool)
        true, predicted = arrays["y_true"][which], arrays["predicted"][index][which]
        columns = {
            "method": identity.method,
            "dataset": identity.dataset,
            "protocol": identity.protocol,
            "budget": identity.budget,
            "seed": identity.seed,
            "condition": str(arrays["conditions"][index]),
            **{key: _wide(arrays[key][which]) for key in FACTS},
            "true": _wide(true),
            "true_name": classes[true],
            "predicted": _wide(predicted),
            "predicted_name": classes[predicted],
        }
        if "logits" in arrays:
            powers = np.exp(arrays["logits"][index][which].astype(np.float64))
            chances = powers / powers.sum(axis=1, keepdims=True)
            columns |= {f"probability_{k}": chances[:, k] for k in range(len(classes))}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _wide(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(np.int64) if values.dtype.kind in "iu" else values


def repeating(path: Path, record: Record, seeds: str = "") -> str:
    """The command that makes a record; seeds: those of it and others of its row, `0-4`."""
    identity = record.identity
    if record.variant:
        return record.provenance.command
    return (
        f"harbench run --method {_spec(path.parent.name)} --dataset {quote(identity.dataset)} "
        f"--protocol {quote(identity.protocol)} --budget {quote(identity.budget)} "
        f"--seeds {seeds or identity.seed}"
    )


def _spec(label: str) -> str:
    """The options of a label that belong to the command are written as such."""
    name, *options = label.split("+")
    precision = [f"--{o}" for o in options if o.startswith("precision=")]
    tuned = ["--tuned" for o in options if o.startswith("tuned=")]
    own = [o for o in options if not o.startswith(("precision=", "tuned="))]
    return " ".join([quote("+".join([name, *own])), *map(quote, precision), *tuned])


def _digest(identity: Identity) -> str:
    return sha256(identity.model_dump(mode="json"))
