"""A run repeated from its record alone, and what came out differently."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harbench.data import store
from harbench.errors import HarbenchError
from harbench.protocol import Condition
from harbench.running.again import changes, own_cache
from harbench.running.execute import execute
from harbench.running.plan import Run, training_of
from harbench.running.predictions import arrays_of
from harbench.running.records import Failure, Record
from harbench.training.cache import StageCache
from harbench.training.fit import Progress
from harbench.training.identity import stage_keys


@dataclass(frozen=True)
class Finding:
    """Whether a part of a run came out the same; None where the old one is not there."""

    part: str
    same: bool | None
    words: str


def obstacles(record: Record, run: Run) -> list[str]:
    """In words, why a repetition cannot be expected to agree; nothing if it can."""
    found = changes(record, run)
    made, place = record.cost.device, _device(run)
    return [*found, f"the device is {place}, was {made}"] if made != place else found


def repeat(
    record: Record, run: Run, command: str, report: Callable[[Progress], None]
) -> list[Finding]:
    """Carry a run out again, in a cache of its own, and compare it with its record.

    What the usual cache still keeps of the first time (answers, weights) is compared, too; nothing
    of it is changed. Raises HarbenchError where the run fails.
    """
    dataset = store.load(run.source)
    keys = stage_keys(training_of(run, dataset))
    before = arrays_of(record), _weights(keys)
    with own_cache():
        outcome = execute(run, command, report)
        if isinstance(outcome, Failure):
            raise HarbenchError(f"{run}: the repetition failed: {outcome.error}")
        after = arrays_of(outcome), _weights(keys)
    return [
        _metrics(record, outcome),
        _answers("predictions", "predicted", before[0], after[0]),
        _answers("logits", "logits", before[0], after[0]),
        _networks(before[1], after[1]),
    ]


def _device(run: Run) -> str:
    """The device's name as records have it."""
    import torch

    return torch.cuda.get_device_name() if run.device == "cuda" else "cpu"


def _weights(keys: list[str]) -> list[str]:
    """The sha256 of the network after each stage that the cache has."""
    cache = StageCache.default()
    notes = [cache.folder / f"{key}.json" for key in keys if cache.has(key)]
    return [str(json.loads(note.read_text())["sha256"]) for note in notes]


def _metrics(before: Record, after: Record) -> Finding:
    differing = []
    made = {(new.scale, new.rate): new for new in after.conditions}
    for old in before.conditions:
        new = made[old.scale, old.rate]
        was, now = old.model_dump(), new.model_dump()
        condition = Condition(scale=old.scale, rate=old.rate)
        numbers = [key for key in was if was[key] != now[key] and isinstance(was[key], float)]
        differing += [f"{condition}: {key} {now[key]:.6g}, was {was[key]:.6g}" for key in numbers]
        if not numbers and was != now:
            differing.append(f"{condition}: other windows are confused")
    said = f"{len(before.conditions)} conditions"
    return Finding("metrics", not differing, "; ".join(differing) or said)


def _answers(
    part: str,
    key: str,
    before: Mapping[str, NDArray[Any]] | None,
    after: Mapping[str, NDArray[Any]] | None,
) -> Finding:
    assert after is not None
    now = after[key]
    if before is None:
        return Finding(part, None, "the cache no longer has the first ones")
    was = before[key]
    if was.shape != now.shape:
        return Finding(part, False, f"shape {now.shape}, was {was.shape}")
    other = was != now
    count = int(np.sum(other.any(axis=-1) if other.ndim > 2 else other))
    total = now.shape[0] * now.shape[1]
    words = f"{total} windows" if not count else f"{count} of {total} windows differ"
    return Finding(part, not count, words)


def _networks(before: list[str], after: list[str]) -> Finding:
    if len(before) < len(after):
        return Finding("weights", None, "the cache no longer has the first ones")
    differing = [i for i, pair in enumerate(zip(before, after, strict=True), 1) if len({*pair}) > 1]
    words = f"{len(after)} stages" if not differing else f"they differ after stage {differing[0]}"
    return Finding("weights", not differing, words)
