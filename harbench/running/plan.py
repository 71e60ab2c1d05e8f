"""From names to a grid of runs, each with the identity that its record will carry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from harbench import registry
from harbench.data import splits, store
from harbench.dataset import HARDataset
from harbench.errors import HarbenchError
from harbench.evaluation.predict import Precision
from harbench.method import Budget, Method, budget
from harbench.options import build, differences, format_spec, parse_spec
from harbench.protocol import Protocol
from harbench.running.records import Identity
from harbench.training.fit import input_shape
from harbench.training.identity import Training, method_code


@dataclass(frozen=True)
class Run:
    """One (method and configuration, dataset, protocol, budget, seed).

    method: the registered name. label: the name with what differs from the default
    configuration, as in results/. variant: the sweep's word for it, or "".
    """

    method: str
    config: dict[str, Any]
    label: str
    variant: str
    dataset: str
    protocol: Protocol
    budget: Budget
    precision: Precision
    device: str
    seed: int
    identity: Identity

    def __str__(self) -> str:
        name = self.variant or self.label
        return f"{name} · {self.dataset} · {self.protocol.name} · seed {self.seed}"


def make_plan(
    methods: Sequence[str],
    datasets: Sequence[str],
    protocols: Sequence[str],
    seeds: Sequence[int] | None = None,
    budget_name: str = "paper",
    device: str = "auto",
    precision: Precision = "fp32",
    settings: Mapping[str, Any] | None = None,
) -> list[Run]:
    """Every run of the grid, in an order that lets parallel jobs train different seeds.

    settings: configuration values for all methods. Datasets that are not prepared yet are
    prepared. Raises HarbenchError for anything unknown or impossible, before any run starts.
    """
    spent = budget(budget_name)
    place = resolve_device(device, precision)
    rules = [registry.protocol(name) for name in dict.fromkeys(protocols)]
    ready = [store.load(name) for name in dict.fromkeys(datasets)]
    runs = []
    for dataset in ready:
        for protocol in rules:
            chosen = _seeds(protocol, dataset, seeds)
            for seed in chosen:
                check_split(dataset, protocol, seed)
            for name in dict.fromkeys(methods):
                for variant, values in protocol.variants.items():
                    method, label = configure(name, dataset, {**values, **(settings or {})})
                    check_method(method, dataset)
                    if precision != "fp32":
                        label = f"{label}+precision={precision}"
                    runs += [
                        Run(
                            method=method.name,
                            config=asdict(method.config),
                            label=label,
                            variant=variant,
                            dataset=dataset.spec,
                            protocol=protocol,
                            budget=spent,
                            precision=precision,
                            device=place,
                            seed=seed,
                            identity=_identity(method, dataset, protocol, spent, precision, seed),
                        )
                        for seed in chosen
                    ]
    return runs


def configure(spec: str, dataset: HARDataset, values: Mapping[str, Any]) -> tuple[Method, str]:
    """The configured method, and its label: what differs from the dataset's default in its name."""
    name, own = parse_spec(spec)
    cls = registry.method_class(name)
    preset = cls.presets.get(parse_spec(dataset.spec)[0], {})
    where = f"method {name!r}"
    config = build(cls.Config, {**preset, **values, **own}, where)
    default = build(cls.Config, preset, where)
    return cls(config), format_spec(name, differences(config, default))


def resolve_device(device: str, precision: Precision = "fp32") -> str:
    """`auto` becomes cuda where there is one; cuda without one is an error."""
    import torch

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


def training_of(run: Run, dataset: HARDataset) -> Training:
    """What the engine needs to train a run."""
    cls = registry.method_class(run.method)
    protocol = run.protocol
    return Training(
        method=cls(build(cls.Config, run.config, f"method {run.method!r}")),
        dataset=dataset,
        split=splits.split(dataset, protocol.split, protocol.label_fraction, run.seed),
        train_missing=protocol.train_missing,
        budget=run.budget,
        seed=run.seed,
        precision=run.precision,
        device=run.device,
    )


def check_method(method: Method, dataset: HARDataset) -> None:
    """Find out before training whether the configuration suits the dataset's windows."""
    import torch

    with torch.random.fork_rng():
        method.build(input_shape(dataset))


def check_split(dataset: HARDataset, protocol: Protocol, seed: int) -> None:
    """Find out before training whether the split and the corruption are possible."""
    from harbench.data.missing import corrupt

    split = splits.split(dataset, protocol.split, protocol.label_fraction, seed)
    for condition in protocol.conditions:
        corrupt(condition, len(split.test), dataset.shape, dataset.fingerprint, seed)


def parse_seeds(text: str) -> list[int]:
    """``0-4``, ``0,2,5-7`` or ``3`` as a list of seeds."""
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.strip().isdigit() or (last and not last.strip().isdigit()):
            raise HarbenchError(f"Cannot read seeds {text!r}: write 0-4, 0,2,5-7 or 3.")
        seeds += range(int(first), int(last or first) + 1)
    if not seeds:
        raise HarbenchError(f"Seeds {text!r} name no seed: write the smaller number first.")
    return list(dict.fromkeys(seeds))


def _seeds(protocol: Protocol, dataset: HARDataset, seeds: Iterable[int] | None) -> list[int]:
    if seeds is not None:
        return list(seeds)
    if protocol.seeds == "subjects":
        return list(range(len(np.unique(dataset.subjects))))
    return list(protocol.seeds)


def _identity(
    method: Method,
    dataset: HARDataset,
    protocol: Protocol,
    spent: Budget,
    precision: str,
    seed: int,
) -> Identity:
    said = {"name", "description", "seeds", "headline", "metrics", "significance", "variants"}
    return Identity(
        method=method.name,
        config=asdict(method.config),
        code=method_code(type(method)),
        dataset=dataset.spec,
        fingerprint=dataset.fingerprint,
        protocol=protocol.name,
        rules=protocol.model_dump(mode="json", exclude=said),
        budget=spent.name,
        precision=precision,
        seed=seed,
    )
