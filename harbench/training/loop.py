"""The one training loop: it runs any stage, can be killed at any moment, and goes on from there.

All randomness of an epoch derives from (seed, stage, epoch), so a resumed training ends with the
same bits as an uninterrupted one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harbench.data import tensor_files
from harbench.data.augment import Augmentation
from harbench.data.source import WindowSource
from harbench.errors import TrainingError
from harbench.evaluation.metrics import scores
from harbench.evaluation.predict import Precision, precision_context, predict
from harbench.method import Batch, LabelledBatch, Method, Stage
from harbench.streams import stream, torch_seed
from harbench.training import checkpoint
from harbench.training.identity import Training
from harbench.training.length import Length, stage_length, steps_per_epoch
from harbench.training.steps import Step, step_of

# A killed training repeats at most so much; writing the state of a small network after each of its
# short epochs would take longer than training it.
SECONDS_BETWEEN_STATES = 5.0


@dataclass(frozen=True)
class Labelled:
    """A source and the class indices (n,) of its windows, on the source's device."""

    source: WindowSource
    y: Tensor


@dataclass(frozen=True)
class StageData:
    """What one stage may see: labels only if it is a labelled one; never a test window.

    validation: None for a stage that selects nothing by it. augment: a fault of each training
    window, drawn anew in every epoch.
    """

    source: WindowSource
    y: Tensor | None
    validation: Labelled | None
    augment: Augmentation | None = None


class Draws:
    """The generators of a stage, seeded anew in every epoch: the method's and the faults'."""

    def __init__(self, device: torch.device) -> None:
        self.masks, self.augmentation = torch.Generator(device), torch.Generator(device)


@dataclass
class State:
    """How far a stage has come. best: (macro-F1, -cross-entropy) on validation, or None.

    improved: the last epoch in which one of the two was better than ever before.
    """

    epoch: int = 0
    seconds: float = 0.0
    best: tuple[float, float] | None = None
    best_epoch: int = 0
    improved: int = 0
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)


Report = Callable[[State, Stage], None]


def train(
    training: Training,
    stage: Stage,
    network: nn.Module,
    data: StageData,
    partial: Path | None,
    report: Report,
) -> State:
    """Train `network` in place through one stage and leave it with the selected weights.

    partial: where the state is kept after the first epoch and then every few seconds; a state found
    there is continued. Whether the stage ends early follows from that state alone, so a resumed
    stage ends where it would have.
    Raises TrainingError, naming stage and epoch, when a loss is not finite.
    """
    method, seed, precision = training.method, training.seed, training.precision
    length = stage_length(stage, len(data.source), training.budget)
    with trained_parameters(stage, network) as trained:
        optimizer = stage.optimizer(iter(trained))
        step = step_of(stage, network, optimizer, trained, data.source.device)
        draws = Draws(data.source.device)
        state = _resume(partial, network, optimizer)
        begun, kept = time.perf_counter() - state.seconds, -math.inf
        while not length.over(state.epoch, state.improved):
            set_mode(stage, network)
            with precision_context(precision, data.source.device):
                losses = _epoch(stage, length, step, data, draws, seed, state.epoch)
            state.epoch += 1
            state.history.append(losses)
            if data.validation is not None and length.scores(state.epoch):
                _select(method, network, data.validation, seed, precision, state)
            state.seconds = time.perf_counter() - begun
            if partial is not None and state.seconds - kept >= SECONDS_BETWEEN_STATES:
                _keep(partial, network, optimizer, state)
                kept = state.seconds
            report(state, stage)
    if state.best_weights:
        network.load_state_dict(state.best_weights)
    return state


@contextmanager
def trained_parameters(stage: Stage, network: nn.Module) -> Iterator[list[nn.Parameter]]:
    """What the stage trains; meanwhile its frozen modules cost no gradient."""
    modules = stage.frozen(network) if stage.frozen else []
    held = [p for module in modules for p in module.parameters() if p.requires_grad]
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        yield [p for p in network.parameters() if p.requires_grad]
    finally:
        for parameter in held:
            parameter.requires_grad_(True)


def set_mode(stage: Stage, network: nn.Module) -> None:
    """Training mode, but evaluation mode for what the stage holds frozen."""
    network.train()
    for module in stage.frozen(network) if stage.frozen else []:
        module.eval()


def batches(order: Tensor, size: int) -> list[Tensor]:
    """Cut `order` into batches of `size`; see `steps_per_epoch`."""
    full = (steps_per_epoch(len(order), size) - 1) * size
    return [*torch.split(order[:full], size), order[full:]] if full else [order]


def _epoch(
    stage: Stage,
    length: Length,
    step: Step,
    data: StageData,
    draws: Draws,
    seed: int,
    epoch: int,
) -> dict[str, float]:
    """One pass over the stage's windows; the mean of every reported loss."""
    torch.manual_seed(torch_seed(seed, "torch", stage.name, epoch))
    draws.masks.manual_seed(torch_seed(seed, "masks", stage.name, epoch))
    draws.augmentation.manual_seed(torch_seed(seed, "augmentation", stage.name, epoch))
    order = stream(seed, "shuffling", stage.name, epoch).permutation(len(data.source))
    parts = batches(data.source.rows(order), stage.batch_size)
    found: dict[str, list[Tensor]] = {}
    for number, rows in enumerate(parts):
        progress = (epoch * length.steps + number) / length.total_steps
        for key, value in step(_batch(data, rows, draws), progress).items():
            found.setdefault(key, []).append(value)
    shares = torch.tensor([len(rows) / len(order) for rows in parts], device=data.source.device)
    means = {key: float(torch.stack(values).float() @ shares) for key, values in found.items()}
    if not math.isfinite(means["loss"]):
        raise TrainingError(
            f"The loss became {means['loss']} in stage {stage.name!r}, epoch {epoch + 1}. "
            "A smaller learning rate often helps: --set lr=..."
        )
    return means


def _batch(data: StageData, rows: Tensor, draws: Draws) -> Batch:
    x, observed = data.source.batch(rows)
    if data.augment is not None:
        windows = data.source.indices[rows.cpu().numpy()]
        x, observed = data.augment(x, observed, windows, draws.augmentation)
    if data.y is None:
        return Batch(x, observed, draws.masks)
    return LabelledBatch(x, observed, draws.masks, data.y[rows.to(data.y.device)])


def _select(
    method: Method,
    network: nn.Module,
    validation: Labelled,
    seed: int,
    precision: Precision,
    state: State,
) -> None:
    """Score the epoch on validation windows and keep its weights if it is the best so far."""
    logits = predict(method, network, validation.source, seed, precision)
    true = validation.y.cpu()
    predicted = logits.argmax(dim=1).numpy().astype(np.int64)
    f1 = scores(true.numpy(), predicted, logits.shape[1])["f1_macro"]
    loss = float(F.cross_entropy(logits, true))
    if loss < min(line.get("validation_loss", math.inf) for line in state.history):
        state.improved = state.epoch
    state.history[-1] |= {"validation_f1": f1, "validation_loss": loss}
    if state.best is None or (f1, -loss) > state.best:
        state.best, state.best_epoch, state.improved = (f1, -loss), state.epoch, state.epoch
        for key, value in network.state_dict().items():
            state.best_weights.setdefault(key, torch.empty_like(value)).copy_(value)


def _keep(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, state: State) -> None:
    tensors, plain = checkpoint.optimizer_tensors(optimizer)
    tensor_files.save(
        path,
        {
            **checkpoint.with_prefix("network", network.state_dict()),
            **checkpoint.with_prefix("optimizer", tensors),
            **checkpoint.with_prefix("best", state.best_weights),
        },
        {
            "optimizer": plain,
            "epoch": state.epoch,
            "seconds": state.seconds,
            "best": state.best,
            "best_epoch": state.best_epoch,
            "improved": state.improved,
            "history": state.history,
        },
        durable=False,
    )


def _resume(path: Path | None, network: nn.Module, optimizer: torch.optim.Optimizer) -> State:
    """Continue from the state kept at `path`; a fresh start where there is none."""
    found = tensor_files.load(path) if path is not None else None
    if found is None:
        return State()
    tensors, header = found
    network.load_state_dict(checkpoint.under_prefix("network", tensors))
    checkpoint.restore_optimizer(
        optimizer, checkpoint.under_prefix("optimizer", tensors), header["optimizer"]
    )
    device = next(network.parameters()).device
    best = checkpoint.under_prefix("best", tensors)
    return State(
        epoch=header["epoch"],
        seconds=header["seconds"],
        best=tuple(header["best"]) if header["best"] else None,
        best_epoch=header["best_epoch"],
        improved=header["improved"],
        best_weights={key: value.to(device) for key, value in best.items()},
        history=header["history"],
    )
