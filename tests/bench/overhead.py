"""What the harness costs: CPU time of its training of the CNN beside a loop written by hand.

    python tests/bench/overhead.py --out FILE.json

Both go from a prepared dataset to the selected weights: standardise, train the same network with
the same batches in the same order, score the validation windows after the same epochs. The harness
keeps its state and its finished stage on the disk, as in a run; the loop by hand keeps nothing.
What a process does once (imports, the hash of the code) is done before.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harbench import registry
from harbench.data import splits, store
from harbench.data.paths import write_json
from harbench.evaluation.predict import one_thread
from harbench.method import Budget
from harbench.protocol import Condition, SplitKind
from harbench.running.provenance import now, provenance
from harbench.streams import stream, torch_seed
from harbench.training.cache import StageCache
from harbench.training.fit import fit, initial_network
from harbench.training.identity import Training
from harbench.training.length import stage_length
from harbench.training.loop import batches

SPLITS: dict[str, SplitKind] = {"dsads": "subject", "spar": "random"}
# A training so short that what is done once weighs much, and the fewest labelled epochs of `quick`.
ROUNDS, EPOCHS = 11, (10, 40)
# Windows of a validation batch, as in the harness: another size would give other last bits.
VALIDATED = 256
SPREAD = ("least", "low", "median", "high", "most")
Arrays = tuple[Tensor, Tensor, Tensor, Tensor]


def training(dataset: str, epochs: int) -> Training:
    """So many epochs of the CNN on the labelled 15 % of a dataset's training windows."""
    data, method = store.load(dataset), registry.method_class("cnn")
    split = splits.split(data, SPLITS[dataset], 0.15, 0)
    budget = Budget("bench", 0, epochs)
    return Training(method(method.Config()), data, split, Condition(), budget, 0, "fp32", "cpu")


def harness(plan: Training, folder: Path) -> nn.Module:
    """What a run does; `folder` holds no finished stage."""
    return fit(plan, StageCache(folder)).network


def by_hand(plan: Training, arrays: Arrays) -> nn.Module:
    """The same training without the harness, which gives only its random numbers."""
    x, y, x_val, y_val = arrays
    (stage,) = plan.method.stages(plan.budget)
    length = stage_length(stage, len(x), plan.budget)
    network = initial_network(plan, torch.device("cpu"))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    best, kept = (-1.0, 0.0), dict[str, Tensor]()
    for epoch in range(length.epochs):
        network.train()
        torch.manual_seed(torch_seed(plan.seed, "torch", stage.name, epoch))
        order = stream(plan.seed, "shuffling", stage.name, epoch).permutation(len(x))
        for rows in batches(torch.from_numpy(order), 32):
            loss = F.cross_entropy(network(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        if length.scores(epoch + 1):
            found = _validate(network, x_val, y_val)
            if found > best:
                best, kept = found, {k: v.clone() for k, v in network.state_dict().items()}
    network.load_state_dict(kept)
    return network


def standardised(plan: Training) -> Arrays:
    """Labelled windows and their labels, then validation windows and theirs; 0 where missing."""
    windows, labels, split = plan.dataset.windows, plan.dataset.labels, plan.split
    train = np.asarray(windows[split.train])
    mean = np.nanmean(train, axis=(0, 1), dtype=np.float64)
    std = np.sqrt(np.nanmean(np.square(train - mean), axis=(0, 1)))
    low, scale = mean.astype(np.float32), std.astype(np.float32)
    x, x_val = (
        torch.from_numpy(np.nan_to_num((windows[rows] - low) / scale))
        for rows in (split.labelled, split.validation)
    )
    y, y_val = (torch.from_numpy(labels[rows]) for rows in (split.labelled, split.validation))
    return x, y, x_val, y_val


@torch.no_grad()
def _validate(network: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Macro-F1, and minus the cross-entropy, which decides between equal ones."""
    network.eval()
    logits = torch.cat([network(part) for part in x.split(VALIDATED)])
    classes = logits.shape[1]
    pairs = (y * classes + logits.argmax(dim=1)).numpy()
    counts = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
    true, predicted = counts.sum(axis=1), counts.sum(axis=0)
    f1 = 2 * np.diag(counts)[true > 0] / (true + predicted)[true > 0]
    return float(f1.mean()), -float(F.cross_entropy(logits, y))


def equal(one: nn.Module, other: nn.Module) -> bool:
    """Whether all weights have the same bits."""
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[key]) for key, value in one.state_dict().items())


def seconds(plan: Training) -> tuple[float, float, float]:
    """CPU time of the harness, of standardising by hand, and of the loop by hand.

    Raises AssertionError if both do not end with the same weights: then nothing was compared.
    """
    with torch.random.fork_rng(), tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        network = harness(plan, Path(folder))
        harnessed = time.process_time()
        arrays = standardised(plan)
        prepared = time.process_time()
        other = by_hand(plan, arrays)
        ended = time.process_time()
    assert equal(network, other), "harness and loop by hand end with different weights"
    return harnessed - begun, prepared - harnessed, ended - prepared


def measure(dataset: str, epochs: int, rounds: int) -> dict[str, Any]:
    """Ratios of the harness to all that is done by hand, and to the loop alone, of each round.

    whole, loop: their median, quartiles and extremes, as `SPREAD` names them.
    """
    plan = training(dataset, epochs)
    with one_thread():
        seconds(plan)  # warms up
        ours, arrays, loop = np.array([seconds(plan) for _ in range(rounds)]).T
    ratios = {"whole": ours / (arrays + loop), "loop": ours / loop}
    spread = {k: dict(zip(SPREAD, np.quantile(v, [0, 0.25, 0.5, 0.75, 1]).tolist(), strict=True))
              for k, v in ratios.items()}  # fmt: skip
    least = {"harness": ours.min(), "standardising": arrays.min(), "loop": loop.min()}
    return {"dataset": dataset, "epochs": epochs, "rounds": rounds, **spread,
            "seconds": {key: float(value) for key, value in least.items()}}  # fmt: skip


def main() -> None:
    """Measure, print, and write where asked, after each dataset and length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", nargs="+", choices=SPLITS, default=list(SPLITS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--epochs", nargs="+", type=int, default=EPOCHS)
    parser.add_argument("--out", type=Path)
    given, started, found = parser.parse_args(), now(), []
    for dataset, epochs in itertools.product(given.datasets, given.epochs):
        found.append(measure(dataset, epochs, given.rounds))
        print(found[-1], flush=True)
        if given.out is not None:
            made = provenance("tests/bench/overhead.py", started).model_dump(mode="json")
            write_json(given.out, {"overhead": found, **made})


if __name__ == "__main__":
    main()
