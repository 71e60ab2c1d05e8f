"""The training loop: resume to the bit, selection, frozen parts, schedules, divergence."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from unit.toy import Killed, Toy, ToyConfig, killer, same, training, weights

from harbench.data.source import WindowSource
from harbench.dataset import HARDataset, IntArray
from harbench.errors import TrainingError
from harbench.evaluation.predict import Precision, precision_context
from harbench.method import Budget, EngineOptions, FitStage, LabelledBatch, Stage
from harbench.training import fit as fitting
from harbench.training import loop
from harbench.training.cache import StageCache
from harbench.training.fit import Progress, fit
from harbench.training.identity import stage_keys
from harbench.training.length import steps_per_epoch
from harbench.training.loop import batches


@pytest.mark.parametrize("schedule", [False, True])
@pytest.mark.parametrize("seconds", [0.0, 1e9])
@pytest.mark.parametrize(
    ("stage", "epoch"), [("pretrain", 1), ("pretrain", 4), ("supervised", 3), ("supervised", 5)]
)
def test_a_killed_training_ends_with_the_same_bits(
    stage: str,
    epoch: int,
    seconds: float,
    schedule: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_STATES", seconds)
    config = ToyConfig(schedule=schedule)
    whole = weights(fit(training(config)))
    cache = StageCache(tmp_path)
    with pytest.raises(Killed):
        fit(training(config), cache, killer(stage, epoch))
    news: list[tuple[str, int]] = []
    resumed = fit(training(config), cache, lambda p: news.append((p.stage, p.epoch)))
    assert same(weights(resumed), whole)
    repeated = (stage, epoch) in news
    assert repeated == (epoch > 1 and seconds > 0), "epochs whose state was kept are not run again"
    assert not list(tmp_path.glob("*.partial.*"))


def test_same_seed_same_bits_and_other_seed_other_bits() -> None:
    first, second = weights(fit(training())), weights(fit(training()))
    other = weights(fit(dataclasses.replace(training(), seed=1)))
    assert same(first, second) and not same(first, other)


def test_bf16_trains_with_the_weights_of_every_step() -> None:
    """Casts of weights were kept for an epoch: all its steps took the gradient of its start."""
    plain = fit(training()).stages
    mixed = fit(dataclasses.replace(training(), precision="bf16")).stages
    for one, other in zip(plain, mixed, strict=True):
        losses = [[line["loss"] for line in cost.history] for cost in (one, other)]
        assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.parametrize(("precision", "rounded"), [("fp32", False), ("tf32", True)])
def test_only_tf32_rounds_convolutions(precision: Precision, rounded: bool) -> None:
    """PyTorch's own setting is True: fp32 on a GPU meant TF32 for every convolution."""
    precision_context(precision, torch.device("cuda"))
    assert torch.backends.cudnn.allow_tf32 is rounded
    assert (torch.get_float32_matmul_precision() == "high") is rounded
    precision_context("fp32", torch.device("cpu"))


def test_a_cached_stage_is_loaded_and_a_damaged_one_is_trained_again(tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    first = fit(training(), cache)
    second = fit(training(), cache)
    assert [s.cached for s in first.stages] == [False, False]
    assert [s.cached for s in second.stages] == [True, True]
    assert same(weights(first), weights(second))
    victim = next(tmp_path.glob("*.safetensors"))
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    third = fit(training(), cache)
    assert [s.cached for s in third.stages].count(False) == 1
    assert same(weights(third), weights(first))


def test_only_what_a_trained_stage_uses_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    class Counted(WindowSource):
        def __init__(self, dataset: HARDataset, indices: IntArray, *rest: Any) -> None:
            read.append(len(indices))
            super().__init__(dataset, indices, *rest)

    monkeypatch.setattr(fitting, "WindowSource", Counted)
    plan, cache = training(), StageCache(tmp_path)
    split = plan.split
    fit(plan, cache)
    assert read == [len(split.train), len(split.validation), len(split.labelled)]
    fit(plan, cache)
    assert len(read) == 3, "both stages came from the cache"
    cache.drop(stage_keys(plan)[1])
    fit(plan, cache)
    assert read[3:] == [len(split.validation), len(split.labelled)]


def test_every_epoch_leaves_a_line_of_history_cached_or_not(tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    first, again = (fit(training(), cache).stages for _ in range(2))
    assert [len(cost.history) for cost in first] == [cost.epochs for cost in first] == [4, 5]
    assert first[0].history[0].keys() == {"loss", "twice"}
    assert first[1].history[-1].keys() == {"loss", "validation_f1", "validation_loss"}
    assert [cost.history for cost in again] == [cost.history for cost in first]


def test_labels_reach_labelled_stages_only() -> None:
    plan = training()
    fit(plan)
    assert isinstance(plan.method, Toy)
    assert set(plan.method.seen) == {("pretrain", False), ("supervised", True)}


def test_labels_of_unlabelled_windows_and_test_windows_change_nothing() -> None:
    plan = training()
    clean = weights(fit(plan))
    labels, windows = plan.dataset.labels.copy(), plan.dataset.windows.copy()
    hidden = np.setdiff1d(plan.split.train, plan.split.labelled)
    labels[hidden] = (labels[hidden] + 1) % 3
    labels[plan.split.test] = 0
    windows[plan.split.test] = 1e9
    junk = dataclasses.replace(plan.dataset, labels=labels, windows=windows)
    assert same(weights(fit(dataclasses.replace(plan, dataset=junk))), clean)


def test_the_best_validation_epoch_is_restored() -> None:
    scores: dict[int, float] = {}

    def report(progress: Progress) -> None:
        if progress.score is not None:
            scores[progress.epoch] = progress.score

    costs = fit(training(epochs=(1, 25)), report=report).stages[1]
    assert scores[costs.best_epoch] == max(scores.values())
    stopped = fit(training(epochs=(1, costs.best_epoch)))
    assert same(weights(stopped), weights(fit(training(epochs=(1, 25)))))


def test_frozen_modules_cost_no_gradient() -> None:
    asked: dict[str, set[bool]] = {}

    class Watched(Toy):
        def _classify(self, network: Any, batch: LabelledBatch) -> Tensor:
            for name, parameter in network.named_parameters():
                asked.setdefault(name.split(".")[0], set()).add(parameter.requires_grad)
            return super()._classify(network, batch)

    method = Watched(ToyConfig(freeze=True))
    fitted = fit(dataclasses.replace(training(), method=method))
    assert asked["encode"] == {False} and asked["head"] == asked["norm"] == {True}
    assert all(parameter.requires_grad for parameter in fitted.network.parameters())


def test_frozen_modules_do_not_change() -> None:
    plan = training(ToyConfig(freeze=True), epochs=(2, 0))
    before = weights(fit(plan))
    after = weights(fit(training(ToyConfig(freeze=True), epochs=(2, 3))))
    frozen = [key for key in before if key.startswith("encode")]
    assert all(torch.equal(before[key], after[key]) for key in frozen)
    assert not same(before, after)


def test_the_schedule_scales_the_learning_rate_over_all_steps() -> None:
    plan = training(ToyConfig(schedule=True), epochs=(2, 1))
    fit(plan)
    assert isinstance(plan.method, Toy)
    steps = len(plan.method.rates)
    assert plan.method.rates == pytest.approx([0.05 * (1 - i / steps) for i in range(steps)])


def test_clipping_bounds_the_step() -> None:
    def moved(clip: float | None) -> float:
        start = weights(fit(training(ToyConfig(clip=clip, lr=1.0), epochs=(1, 0))))
        end = weights(fit(training(ToyConfig(clip=clip, lr=1.0), epochs=(1, 1))))
        return max(float((start[k] - end[k]).abs().max()) for k in start if "weight" in k)

    assert moved(1e-4) < 0.02 < moved(None)


def test_divergence_names_stage_and_epoch() -> None:
    with pytest.raises(TrainingError, match=r"became (nan|inf) in stage 'pretrain', epoch \d"):
        fit(training(ToyConfig(lr=1e30)))


def test_the_caller_s_random_state_is_left_alone() -> None:
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002
    expected = torch.rand(3), np.random.rand(3)  # noqa: NPY002
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002
    fit(training())
    assert torch.equal(torch.rand(3), expected[0])
    assert (np.random.rand(3) == expected[1]).all()  # noqa: NPY002


@given(count=st.integers(2, 200), size=st.integers(2, 40))
def test_batches_cover_everything_and_none_is_a_single_window(count: int, size: int) -> None:
    parts = batches(torch.arange(count), size)
    assert torch.equal(torch.cat(parts), torch.arange(count))
    assert len(parts) == steps_per_epoch(count, size)
    assert min(map(len, parts)) >= 2 and max(map(len, parts)) <= size + 1


def test_a_head_that_is_fitted_at_once_sees_the_losses_of_training() -> None:
    """It was fitted on complete windows under the name of a row that is trained with losses."""
    seen: dict[str, Tensor] = {}

    class Headed(Toy):
        def stages(self, budget: Budget) -> list[Stage | FitStage]:  # type: ignore[override]
            pretrain, _ = super().stages(budget)
            return [
                pretrain,
                FitStage("head", lambda _, batch: seen.update(observed=batch.observed)),
            ]

    plain = training()
    method = Headed(plain.method.config)
    for augment, complete in (("none", True), ("corruption", False)):
        options = EngineOptions(augment=augment)
        fit(dataclasses.replace(plain, method=method, options=options))
        assert bool(seen["observed"].all()) is complete
