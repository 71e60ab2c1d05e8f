"""What a run answered, window by window, kept in the cache and exported from there.

<cache>/predictions/<dataset>/<protocol>/<budget>/<method>/seed-<s>.npz; the record names it.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from harbench.running.records import Identity, Record
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
        with np.load(cache_dir() / record.predictions, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
            return arrays if arrays["identity"] == _digest(record.identity) else None
    except DAMAGE:
        return None


def exported(path: Path, record: Record) -> pd.DataFrame:
    """One row per test condition and window that it scores.

    Columns: what names the run, condition, window (its index in the dataset), subject, recording,
    start, true and predicted class (index and name), and the probability of each class.
    Raises HarbenchError where the cache has no whole predictions of this very run.
    """
    place = cache_dir() / record.predictions
    if not place.is_file():
        raise _absent(path, record, f"{place} is not there")
    try:
        with np.load(place, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        if arrays["identity"] != _digest(record.identity):
            raise _absent(path, record, f"{place} is from another code or configuration")
        return _frame(arrays, record)
    except HarbenchError:
        raise
    except DAMAGE as error:
        raise _absent(path, record, f"{place} is damaged ({one_line(error)})") from error


def _frame(arrays: dict[str, NDArray[np.generic]], record: Record) -> pd.DataFrame:
    identity, classes = record.identity, arrays["classes"]
    parts = []
    for index, row in enumerate(record.conditions):
        which = arrays["scored"][index].astype(bool)
        true, predicted = arrays["y_true"][which], arrays["predicted"][index][which]
        counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
        np.add.at(counts, (true, predicted), 1)
        if counts.tolist() != row.confusion:
            raise ValueError("it does not give the record's confusion matrix")
        powers = np.exp(arrays["logits"][index][which].astype(np.float64))
        chances = powers / powers.sum(axis=1, keepdims=True)
        columns = {
            "method": identity.method,
            "dataset": identity.dataset,
            "protocol": identity.protocol,
            "budget": identity.budget,
            "seed": identity.seed,
            "condition": str(arrays["conditions"][index]),
            **{key: arrays[key][which] for key in FACTS},
            "true": true,
            "true_name": classes[true],
            "predicted": predicted,
            "predicted_name": classes[predicted],
            **{f"probability_{k}": chances[:, k] for k in range(len(classes))},
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


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


def _absent(path: Path, record: Record, why: str) -> HarbenchError:
    command = repeating(path, record)
    return HarbenchError(
        f"{path}: the cache no longer has its predictions ({why}). Make them again: "
        f"{command} --force"
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
