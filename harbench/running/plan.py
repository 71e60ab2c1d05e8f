"""From names to a grid of runs, each with the identity that its record will carry."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from harbench import registry
from harbench.data.splits import Split, subject_folds
from harbench.dataset import HARDataset
from harbench.errors import HarbenchError, unknown
from harbench.evaluation import EVALUATOR
from harbench.evaluation.predict import Precision
from harbench.method import Budget, EngineOptions, budget
from harbench.options import build
from harbench.protocol import Protocol
from harbench.running.grid import Grid
from harbench.running.prepared import Prepared, protocol_split
from harbench.running.records import Identity
from harbench.running.scout import Asked, Planned, plan_method
from harbench.running.store import default_results
from harbench.running.tuned import find_tuned
from harbench.training.identity import Training, method_code

# File systems allow 255 bytes; temporary names and predictions need some.
LONGEST_LABEL = 200
# A name that leads nowhere else, and that no listing hides.
FOLDER = re.compile(r"[^/.\0][^/\0]*")


@dataclass(frozen=True)
class Run:
    """One (method and configuration, dataset, protocol, budget, seed).

    method: the registered name, or the path of a method's file. label: the name with what differs
    from the default configuration, as in results/. variant: the sweep's word for it, or "".
    source: what the dataset is loaded by; its name, or the path of its file, with options.
    broken: why the method's code cannot be run, "" where it can; trace: where that was found.
    """

    method: str
    config: dict[str, Any]
    label: str
    variant: str
    dataset: str
    source: str
    protocol: Protocol
    budget: Budget
    precision: Precision
    options: EngineOptions
    device: str
    seed: int
    identity: Identity
    broken: str = ""
    trace: str = ""

    def __str__(self) -> str:
        name = self.variant or self.label
        return f"{name} · {self.dataset} · {self.protocol.name} · seed {self.seed}"


def make_plan(
    grid: Grid,
    results: Path | None = None,
    apart: bool = True,
    limit: float | None = None,
    prepared: Prepared | None = None,
    far: bool = False,
) -> list[Run]:
    """Every run of the grid, in an order that lets parallel jobs train different seeds.

    results: the folder whose tuning records give a tuned grid its configurations. apart: foreign
    methods are imported and built in a process of their own, which is given up after `limit`
    seconds. prepared: keeps the datasets and splits, for what looks at the plan afterwards. far:
    other machines carry the runs out, so that a GPU need not be here.
    Datasets that are not prepared yet are prepared. Raises HarbenchError for anything unknown or
    impossible, before any run starts; a method whose code cannot be run makes runs that are
    `broken`.
    """
    prepared = prepared or Prepared()
    spent = budget(grid.budget)
    there = far and grid.device == "cuda"
    place = "cuda" if there else resolve_device(grid.device, grid.precision)
    rules = [registry.protocol(name) for name in grid.protocols]
    root = (results or default_results()) if grid.tuned else None

    def ask(name: str, asked: Sequence[Asked]) -> list[Planned]:
        return plan_method(name, asked, spent, prepared.dataset, apart, limit)

    cells = [
        cell
        for source in grid.datasets
        for cell in _cells(source, grid, rules, prepared, root, ask)
    ]
    found: dict[int, Planned] = {}
    for name in grid.methods:
        asked = list({id(cell.asked): cell.asked for cell in cells if cell.name == name}.values())
        found |= zip(map(id, asked), ask(name, asked), strict=True)
    runs = [_run(cell, found[id(cell.asked)], spent, grid.precision, place) for cell in cells]
    return _once(runs)


def _once(runs: Sequence[Run]) -> list[Run]:
    """The runs without those that are named twice: `cnn` and a `cnn+width=64` that is the default.

    Raises HarbenchError for two variants of one configuration, of which one record has one name.
    """
    found: dict[tuple[object, ...], Run] = {}
    for run in runs:
        place = (run.dataset, run.protocol.name, run.label, run.seed)
        first = found.setdefault(place, run)
        if first.variant != run.variant:
            raise HarbenchError(
                f"Protocol {run.protocol.name!r}: its variants {first.variant!r} and "
                f"{run.variant!r} are one configuration, {run.label}. Leave one out, or what fixes "
                "the value in which they differ."
            )
    return list(found.values())


@dataclass(frozen=True)
class _Cell:
    """One cell of the grid, before its method is configured."""

    name: str
    asked: Asked
    variant: str
    dataset: HARDataset
    protocol: Protocol
    seed: int


def _cells(
    source: str,
    grid: Grid,
    rules: Sequence[Protocol],
    prepared: Prepared,
    root: Path | None,
    ask: Callable[[str, Sequence[Asked]], list[Planned]],
) -> Iterator[_Cell]:
    """The grid on one dataset; without a search all seeds share one question for the method.

    root: the folder of tuning records, None where the defaults are taken. ask: configures a method.
    """
    dataset, spent = prepared.dataset(source), budget(grid.budget)
    fixed = Asked(source, dict(grid.settings))
    defaults = [ask(name, [fixed])[0] for name in grid.methods if root]
    varied = [each.name for each in rules if root and any(each.variants.values())]
    if varied:
        raise HarbenchError(f"Protocol {varied[0]!r} has variants, which no search was made for.")
    for protocol in (each.fitting(*dataset.shape[1:]) for each in rules):
        chosen = chosen_seeds(protocol, dataset, grid.seeds)
        for seed in chosen:
            prepared.check(dataset, protocol, seed)
        searched = [
            find_tuned(root, defaults, dataset, protocol, spent, grid.precision, seed)
            if root
            else {}
            for seed in chosen
        ]
        for name, (variant, values) in itertools.product(grid.methods, protocol.variants.items()):
            asked = None
            for seed, search in zip(chosen, searched, strict=True):
                if asked is None or search:
                    asked = Asked(source, {**values, **grid.settings}, search.get(name))
                yield _Cell(name, asked, variant, dataset, protocol, seed)


def _run(cell: _Cell, found: Planned, spent: Budget, precision: Precision, device: str) -> Run:
    label = found.label if precision == "fp32" else f"{found.label}+precision={precision}"
    for name in (label, cell.dataset.spec, cell.protocol.name):
        if not FOLDER.fullmatch(name):
            raise HarbenchError(f"{name!r} cannot name a folder of results: rename its file.")
    if len(label.encode()) > LONGEST_LABEL:
        raise HarbenchError(
            f"The configuration {label[:60]}... makes a name of {len(label.encode())} bytes; it "
            f"names a folder, so at most {LONGEST_LABEL} are possible. Shorten its values."
        )
    return Run(
        method=found.source,
        config=found.config,
        label=label,
        variant=cell.variant,
        dataset=cell.dataset.spec,
        source=cell.asked.dataset,
        protocol=cell.protocol,
        budget=spent,
        precision=precision,
        options=found.options,
        device=device,
        seed=cell.seed,
        identity=identity_of(found, cell.dataset, cell.protocol, spent, precision, cell.seed),
        broken=found.broken,
        trace=found.trace,
    )


def resolve_device(device: str, precision: Precision = "fp32") -> str:
    """`auto` becomes cuda where there is one; cuda without one is an error."""
    import torch

    if precision not in get_args(Precision):
        raise unknown("precision", precision, get_args(Precision))
    if device not in ("auto", "cpu", "cuda"):
        raise HarbenchError(f"Unknown device {device!r}: use auto, cpu or cuda.")
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise HarbenchError(
            "No CUDA GPU is available to this PyTorch "
            f"({torch.__version__}). Use --device cpu, or install a CUDA build of torch."
        )
    chosen = "cuda" if available and device != "cpu" else "cpu"
    if precision == "tf32" and chosen == "cpu":
        raise HarbenchError("--precision tf32 needs a CUDA GPU; use fp32 or bf16 on the CPU.")
    return chosen


def training_of(run: Run, dataset: HARDataset, split: Split | None = None) -> Training:
    """What the engine needs to train a run; its split is made where it is not given.

    Raises HarbenchError where the method's file or the data has changed since the run was planned.
    """
    cls = registry.method_class(run.method)
    protocol = run.protocol
    changed = {
        f"the code of method {run.method!r}": method_code(cls) != run.identity.code,
        f"the data of {run.dataset}": dataset.fingerprint != run.identity.fingerprint,
    }
    for what, has in changed.items():
        if has:
            raise HarbenchError(
                f"{what} has changed since this run was planned. Start the command again."
            )
    return Training(
        method=cls(build(cls.Config, run.config, f"method {run.method!r}")),
        dataset=dataset,
        split=split or protocol_split(dataset, protocol, run.seed),
        train_missing=protocol.train_missing,
        budget=run.budget,
        seed=run.seed,
        precision=run.precision,
        device=run.device,
        options=run.options,
    )


def left_out(runs: Iterable[Run], grid: Grid, prepared: Prepared) -> list[str]:
    """In words, what the datasets of a plan cannot have of its protocols; nothing as a rule."""
    given = {rules.name: rules for rules in map(registry.protocol, grid.protocols)}
    found = {}
    # One run stands for all that share dataset and protocol.
    for run in {(run.source, run.protocol.name): run for run in runs}.values():
        whole, protocol = given[run.protocol.name], run.protocol
        lacking = [each for each in whole.conditions if each not in protocol.conditions]
        scales = dict.fromkeys(each.scale for each in lacking)
        if scales:
            found[run.dataset, protocol.name] = (
                f"{run.dataset} has one sensor or channel only: {protocol.name} goes without "
                f"losses of a whole sensor or channel ({', '.join(scales)})."
            )
        if protocol.split == "subject":
            folds = len(subject_folds(prepared.dataset(run.source), protocol.folds))
            if folds < protocol.folds:
                found[run.dataset, "folds"] = (
                    f"{run.dataset} has {folds} subjects: {folds} folds, not {protocol.folds}."
                )
    return list(found.values())


def chosen_seeds(
    protocol: Protocol, dataset: HARDataset, seeds: Iterable[int] | None = None
) -> list[int]:
    """The given seeds, or the protocol's: a fold of people each where it splits by subject."""
    if seeds is not None:
        return list(seeds)
    if protocol.seeds == "subjects":
        return list(range(len(np.unique(dataset.subjects))))
    if protocol.split == "subject":
        return list(range(len(subject_folds(dataset, protocol.folds))))
    return list(protocol.seeds)


def identity_of(
    found: Planned,
    dataset: HARDataset,
    protocol: Protocol,
    spent: Budget,
    precision: str,
    seed: int,
) -> Identity:
    """What a run of a configured method is a run of."""
    return Identity(
        method=found.name,
        config=found.config,
        code=found.code,
        dataset=dataset.spec,
        fingerprint=dataset.fingerprint,
        protocol=protocol.name,
        rules=protocol.rules(),
        evaluator=EVALUATOR,
        budget=spent.name,
        precision=precision,
        tuned=found.tuned,
        seed=seed,
        **asdict(found.options),
    )
