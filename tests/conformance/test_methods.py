"""What every registered method must do, whatever it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harbench import registry
from harbench.data import store
from harbench.data.source import WindowSource
from harbench.data.splits import split
from harbench.dataset import DatasetInfo, HARDataset, Sensor
from harbench.evaluation import predict as prediction
from harbench.method import Budget, LabelledBatch
from harbench.protocol import Condition
from harbench.training.fit import Fitted, fit, initial_network
from harbench.training.identity import Training

SHAPES = {"wrist": (40, 2, 3), "body": (50, 5, 9), "odd": (37, 3, 1)}


def dataset(shape: tuple[int, int, int], missing: float = 0.0) -> HARDataset:
    steps, sensors, channels = shape
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    wave = np.sin(np.arange(steps) * (1 + labels[:, None]) / 3)
    windows = rng.normal(size=(90, *shape)) + wave[:, :, None, None]
    windows[rng.random(windows.shape) < missing] = np.nan
    if missing:
        windows[:, :, 0, 0] = np.nan
    places = tuple(Sensor(f"s{i}", (0.1 * i, 0.0, -0.2 * i)) for i in range(sensors))
    names = tuple(f"c{i}" for i in range(channels))
    info = DatasetInfo("t", places, names, names, ("a", "b", "c"), 20.0, "", "")
    return store.from_arrays(windows, labels, info)


def training(name: str, data: HARDataset, device: str = "cpu") -> Training:
    cls = registry.method_class(name)
    return Training(
        method=cls(cls.test_config()),
        dataset=data,
        split=split(data, "random", 0.5, 0),
        train_missing=Condition(),
        budget=Budget("test", 2, 2),
        seed=0,
        precision="fp32",
        device=device,
    )


def logits(plan: Training, fitted: Fitted) -> torch.Tensor:
    source = WindowSource(
        plan.dataset, plan.split.test, fitted.standardiser, torch.device(plan.device)
    )
    return prediction.predict(plan.method, fitted.network, source, plan.seed)


methods = pytest.mark.parametrize("name", registry.method_names())


@methods
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_trains_and_predicts(name: str, shape: tuple[int, int, int]) -> None:
    plan = training(name, dataset(shape))
    scores = logits(plan, fit(plan))
    assert scores.shape == (len(plan.split.test), 3) and scores.isfinite().all()


@methods
def test_the_seed_decides(name: str) -> None:
    plan = training(name, dataset(SHAPES["wrist"]))
    assert torch.equal(logits(plan, fit(plan)), logits(plan, fit(plan)))


@methods
def test_missing_data_and_an_all_missing_channel_are_accepted(name: str) -> None:
    plan = training(name, dataset(SHAPES["body"], missing=0.2))
    assert logits(plan, fit(plan)).isfinite().all()


@methods
def test_a_window_s_scores_do_not_depend_on_its_batch(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = training(name, dataset(SHAPES["wrist"]))
    fitted = fit(plan)
    together = logits(plan, fitted)
    monkeypatch.setattr(prediction, "BATCH", 1)
    torch.testing.assert_close(logits(plan, fitted), together, atol=1e-5, rtol=1e-4)


@methods
def test_inputs_and_global_random_state_are_left_alone(name: str) -> None:
    plan = training(name, dataset(SHAPES["wrist"]))
    network = initial_network(plan, torch.device("cpu")).eval()
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(8, *SHAPES["wrist"], generator=draws)
    batch = LabelledBatch(x, torch.ones_like(x, dtype=torch.bool), draws, torch.arange(8) % 3)
    kept, state = x.clone(), torch.get_rng_state()
    for stage in plan.method.stages(plan.budget):
        stage.loss(network, batch)
    plan.method.logits(network, batch)
    assert torch.equal(batch.x, kept)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.cuda
@methods
def test_cuda_agrees_with_the_cpu(name: str) -> None:
    data = dataset(SHAPES["body"])
    cpu, cuda = training(name, data), training(name, data, "cuda")
    fitted = fit(cpu)
    moved = Fitted(fitted.network.to("cuda"), fitted.standardiser, fitted.stages)
    torch.testing.assert_close(logits(cuda, moved), logits(cpu, fit(cpu)), atol=1e-4, rtol=1e-3)
    assert logits(cuda, fit(cuda)).isfinite().all()
