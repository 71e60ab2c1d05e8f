"""From a record back to the run that made it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harbench import registry
from harbench.data import store
from harbench.data.paths import cache_dir
from harbench.errors import HarbenchError
from harbench.method import budget
from harbench.options import build, parse_spec
from harbench.protocol import Protocol, shipped_gaps
from harbench.running.configure import Configured
from harbench.running.plan import Run, identity_of, resolve_device
from harbench.running.provenance import PACKAGES, installed
from harbench.running.reading import read_record
from harbench.running.records import Identity, Record
from harbench.running.scout import plain

# Fields of an identity that say a digest or a number, and what it means that they differ.
CHANGED = {
    "code": "the method's code has changed",
    "fingerprint": "the data has changed",
    "evaluator": "splits, corruption, metrics or selection have changed",
}
# What a run makes, and a repetition must neither find nor replace.
MADE = ("stages", "predictions", "imputers")


@contextmanager
def own_cache() -> Iterator[None]:
    """An empty cache for what runs make; all else, such as prepared datasets, is the usual one."""
    usual, given = cache_dir().absolute(), os.environ.get("HARBENCH_CACHE")
    with tempfile.TemporaryDirectory(prefix="harbench-again-") as folder:
        for each in usual.iterdir() if usual.is_dir() else ():
            if each.name not in MADE:
                (Path(folder) / each.name).symlink_to(each)
        os.environ["HARBENCH_CACHE"] = folder
        try:
            yield
        finally:
            if given is None:
                del os.environ["HARBENCH_CACHE"]
            else:
                os.environ["HARBENCH_CACHE"] = given


def run_of(
    path: Path, method: str = "", device: str = "auto", dataset: str = ""
) -> tuple[Run, Record]:
    """The run that a record is of, as today's code and data make it, and the record.

    method, dataset: Python files of those that are not registered. Raises HarbenchError where the
    record, its method or its dataset cannot be read. What has changed since says `changes`.
    """
    record = read_record(path)
    said = record.identity
    registry.require_no_path(said.method, path)
    registry.require_no_path(parse_spec(said.dataset)[0], path)
    source = method or said.method
    cls = registry.method_class(source)
    configured = Configured(
        method=cls(build(cls.Config, said.config, f"{path}: method {said.method!r}")),
        source=source,
        label=path.parent.name,
        options=said.options,
        tuned=said.tuned,
    )
    data = dataset + said.dataset[len(parse_spec(said.dataset)[0]) :] if dataset else said.dataset
    prepared, protocol, spent = store.load(data), _protocol(said), budget(said.budget)
    if prepared.spec != said.dataset:
        raise HarbenchError(f"{path} is of {said.dataset}, {dataset} of {prepared.spec}.")
    run = Run(
        method=source,
        config=asdict(configured.method.config),
        label=configured.label,
        variant=record.variant,
        dataset=said.dataset,
        source=data,
        protocol=protocol,
        budget=spent,
        precision=said.precision,  # type: ignore[arg-type]
        options=configured.options,
        device=resolve_device(device, said.precision),  # type: ignore[arg-type]
        seed=said.seed,
        identity=identity_of(
            plain(source, configured), prepared, protocol, spent, said.precision, said.seed
        ),
    )
    return run, record


def outdated(record: Record, run: Run) -> list[str]:
    """In words, what has changed since a record was made so that no run of today can be its own."""
    before, today = record.identity, run.identity
    return [words for key, words in CHANGED.items() if getattr(before, key) != getattr(today, key)]


def changes(record: Record, run: Run) -> list[str]:
    """In words, what is not today as it was when a record was made; nothing if all is."""
    before = record.identity.model_dump(mode="json")
    today = run.identity.model_dump(mode="json")
    found = outdated(record, run) + [
        f"{key} is {today.get(key)!r}, was {before.get(key)!r}"
        for key in before.keys() | today.keys()
        if before.get(key) != today.get(key) and key not in CHANGED
    ]
    packages, was = installed(PACKAGES), record.provenance.packages
    found += [
        f"{name} is {packages.get(name, 'not installed')}, was {was[name]}"
        for name in PACKAGES
        if name in was and packages.get(name) != was[name]
    ]
    return sorted(found)


def _protocol(said: Identity) -> Protocol:
    """The rules of a record as a protocol; gaps to replay are found where they are the suite's."""
    rules: dict[str, Any] = dict(said.rules)
    folds = rules.pop("folds", None)
    if folds:
        rules["seeds"] = tuple(range(folds))
    if rules.get("replay"):
        rules["replay"] = {**rules["replay"], "path": shipped_gaps().get(rules["replay"]["name"])}
    return Protocol(name=said.protocol, description="", **rules)
