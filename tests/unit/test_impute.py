"""Imputation: exact where it can be, blind to what is missing, to other windows and to the test."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from unit.toy import INFO, Toy, ToyConfig, same, training, weights

from harbench.data.donors import NEIGHBOURS, Donors
from harbench.data.impute import filler
from harbench.data.missing import Missing, corrupt
from harbench.data.source import Standardiser, WindowSource
from harbench.data.store import from_arrays
from harbench.dataset import HARDataset
from harbench.errors import HarbenchError
from harbench.method import EngineOptions, Impute
from harbench.protocol import Condition
from harbench.testing.windows import made_up, scores
from harbench.testing.windows import training as made_up_training
from harbench.training.cache import StageCache
from harbench.training.fit import fit, initial_network, prepare
from harbench.training.identity import stage_keys

CPU = torch.device("cpu")
TRAIN = np.arange(30)
ALONE = ("mean", "hold", "linear")
FITTED = (*ALONE, "knn")


def dataset(seed: int = 0, holes: float = 0.1) -> HARDataset:
    rng = np.random.default_rng(seed)
    windows = rng.normal(3, 2, size=(40, 12, 2, 2)).astype(np.float32)
    windows[rng.random(windows.shape) < holes] = np.nan
    # Whole channels and whole windows may be missing, too.
    windows[rng.random((40, 1, 2, 2)).repeat(12, 1) < holes] = np.nan
    windows[7] = np.nan
    return from_arrays(windows, np.arange(40) % 3, INFO)


def lost(data: HARDataset, seed: int = 0) -> Missing:
    return corrupt(Condition(scale="mixed", rate=0.3), 40, data.shape, "f", seed)


def fitted(
    impute: Impute, data: HARDataset, missing: Missing | None = None, seed: int = 0
) -> Standardiser:
    corruption = None if missing is None else missing.select(TRAIN)
    plain = Standardiser.fit(data, TRAIN, corruption)
    return replace(plain, fill=filler(impute, data, TRAIN, plain, corruption, seed))


def inputs(
    standardiser: Standardiser, data: HARDataset, rows: np.ndarray, seed: int = 0
) -> tuple[Tensor, Tensor]:
    source = WindowSource(data, rows, standardiser, CPU, lost(data, seed).select(rows))
    return source.batch(torch.arange(len(rows)))


imputations = pytest.mark.parametrize("impute", FITTED)


@imputations
@given(seed=st.integers(0, 50), holes=st.sampled_from([0.0, 0.1, 0.5]))
@settings(max_examples=15)
def test_observed_values_and_the_mask_stay_and_nothing_is_left_undefined(
    impute: Impute, seed: int, holes: float
) -> None:
    data = dataset(seed, holes)
    standardiser = fitted(impute, data)
    everything = np.arange(40)
    x, observed = inputs(replace(standardiser, fill=None), data, everything, seed)
    filled, seen = inputs(standardiser, data, everything, seed)
    assert torch.equal(seen, observed)
    assert torch.equal(filled[observed], x[observed])
    assert filled.isfinite().all()


@imputations
@given(seed=st.integers(0, 50), junk=st.sampled_from([1e9, -3.0, np.nan]))
@settings(max_examples=15)
def test_values_under_the_mask_never_matter(impute: Impute, seed: int, junk: float) -> None:
    data, everything = dataset(seed), np.arange(40)
    missing = lost(data, seed)
    x, observed = inputs(fitted(impute, data, missing), data, everything, seed)
    other = np.where(missing.observed(slice(None)), data.windows, np.float32(junk))
    spoilt = from_arrays(other, data.labels, INFO)
    again, seen = inputs(fitted(impute, spoilt, missing), spoilt, everything, seed)
    assert torch.equal(again, x)
    assert torch.equal(seen, observed)


@imputations
@given(order=st.permutations(list(range(40))), size=st.integers(1, 40))
@settings(max_examples=15)
def test_neither_batch_nor_order_matters(impute: Impute, order: list[int], size: int) -> None:
    data = dataset()
    standardiser = fitted(impute, data)
    together, _ = inputs(standardiser, data, np.arange(40))
    parts = [np.array(order[i : i + size]) for i in range(0, 40, size)]
    found = torch.cat([inputs(standardiser, data, rows)[0] for rows in parts])
    assert torch.equal(found, together[order])


@imputations
def test_test_windows_do_not_influence_the_fit(impute: Impute) -> None:
    plan = with_holes(under(training(), impute=impute))
    data = plan.dataset
    windows = np.array(data.windows)
    windows[plan.split.test] = np.random.default_rng(1).normal(50, 9, (9, 6, 2, 2))
    other = replace(plan, dataset=replace(data, windows=windows))
    first, second = prepare(plan), prepare(other)
    source = [
        WindowSource(p.dataset, p.split.validation, s, CPU)
        for p, s in ((plan, first), (other, second))
    ]
    (x, _), (y, _) = (each.batch(torch.arange(len(each))) for each in source)
    assert torch.equal(x, y) and (x != 0).any()


@given(seed=st.integers(0, 200))
@settings(max_examples=30)
def test_linear_is_numpy_s_interpolation_hold_the_last_value_mean_the_mean(seed: int) -> None:
    data = dataset(seed, 0.3)
    plain = Standardiser.fit(data, TRAIN)
    x, observed = WindowSource(data, TRAIN, plain, CPU).batch(torch.arange(30))
    filled = {name: fitted(name, data).finish(x, observed)[0].numpy() for name in ALONE}  # type: ignore[arg-type]
    time = np.arange(12)
    for window, sensor, channel in np.ndindex(30, 2, 2):
        at = (window, slice(None), sensor, channel)
        seen = observed[at].numpy()
        if not seen.any():
            assert all((filled[name][at] == 0).all() for name in ALONE)
            continue
        values = x[at].numpy()
        wanted = np.interp(time, time[seen], values[seen])
        assert filled["linear"][at] == pytest.approx(wanted, abs=1e-5)
        last = np.maximum.accumulate(np.where(seen, time, -1))
        assert (filled["hold"][at] == values[np.where(last < 0, seen.argmax(), last)]).all()
        assert filled["mean"][at][~seen] == pytest.approx(values[seen].mean(), abs=1e-5)


def test_knn_takes_the_mean_of_the_nearest_complete_channels() -> None:
    rng = np.random.default_rng(0)
    kind = np.arange(40) % 2
    windows = rng.normal(0, 0.01, (40, 12, 2, 2)) + 10 * kind[:, None, None, None]
    windows[:15, :, 1, 1] = np.nan
    data = from_arrays(windows, np.arange(40) % 3, INFO)
    standardiser = fitted("knn", data)
    x, observed = WindowSource(data, np.arange(40), standardiser, CPU).batch(torch.arange(40))
    assert (x[:15, :, 1, 1] - x[15 + (np.arange(15) + 1) % 2, :, 1, 1]).abs().max() < 0.05
    # Of one stretch per step and far apart donors the five nearest are known.
    level = np.arange(40) % 30
    steps = np.broadcast_to(level[:, None, None, None], (40, 12, 2, 2)).astype(np.float32)
    data = from_arrays(steps, np.arange(40) % 3, INFO)
    standardiser = fitted("knn", data)
    x, observed = WindowSource(data, np.array([17]), standardiser, CPU).batch(torch.arange(1))
    observed[:, :, 1] = False
    near = np.arange(15, 20)
    assert len(near) == NEIGHBOURS
    wanted = (near - standardiser.mean[1, :, None]).mean(axis=1) / standardiser.std[1]
    found = standardiser.finish(x, observed)[0][0, :, 1].numpy()
    assert found == pytest.approx(np.broadcast_to(wanted, (12, 2)), abs=1e-4)


def test_a_window_that_lost_more_is_never_filled_with_itself() -> None:
    data = dataset(holes=0)
    standardiser = fitted("knn", data)
    x, observed = WindowSource(data, TRAIN[:7], standardiser, CPU).batch(torch.arange(7))
    observed[:, :, 1] = False
    free, _ = standardiser.finish(x, observed)
    held, _ = standardiser.finish(x, observed, TRAIN[:7])
    # Without itself among the five the mean is another one.
    assert not torch.isclose(free, held)[:, :, 1].flatten(1).all(dim=1).any()
    fill = standardiser.fill
    assert isinstance(fill, Donors)
    others = replace(fill, indices=fill.indices + 1000)
    without = replace(standardiser, fill=others).finish(x, observed, TRAIN[:7])[0]
    assert torch.equal(without, free)


def test_the_indicator_appends_the_mask_which_is_never_missing() -> None:
    data = dataset()
    plain = Standardiser.fit(data, TRAIN)
    rows = np.arange(40)
    x, observed = inputs(plain, data, rows)
    wide, seen = inputs(replace(plain, indicator=True), data, rows)
    assert torch.equal(wide[..., :2], x) and torch.equal(seen[..., :2], observed)
    assert torch.equal(wide[..., 2:], observed.float()) and seen[..., 2:].all()


class FakeSaits:
    """Stands for PyPOTS: it fills with the number of windows it has learned from."""

    made: ClassVar[list[dict[str, Any]]] = []

    fitted: ClassVar[list[int]] = []

    def __init__(self, **options: Any) -> None:
        self.made.append(options)
        self.model = torch.nn.Linear(1, 1)

    def fit(self, windows: dict[str, np.ndarray]) -> None:
        assert windows["X"].shape[1:] == (12, 4) and np.isnan(windows["X"]).any()
        self.fitted.append(len(windows["X"]))
        torch.nn.init.constant_(self.model.weight, len(windows["X"]))
        self.model.eval()

    def impute(self, windows: dict[str, np.ndarray]) -> np.ndarray:
        assert len(windows["X"]) == 1 and np.isnan(windows["X"]).any()
        assert not self.model.training
        return np.nan_to_num(windows["X"], nan=self.model.weight.item())


@pytest.fixture
def fake_saits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """PyPOTS is played; the folder of what it has learned."""
    package, module = ModuleType("pypots"), ModuleType("pypots.imputation")
    module.SAITS = FakeSaits  # type: ignore[attr-defined]
    package.__spec__ = module.__spec__ = type(sys.__spec__)("pypots", None)  # type: ignore[misc]
    monkeypatch.setitem(sys.modules, "pypots", package)
    monkeypatch.setitem(sys.modules, "pypots.imputation", module)
    package.__version__ = "1"  # type: ignore[attr-defined]
    monkeypatch.setattr(FakeSaits, "made", [])
    monkeypatch.setattr(FakeSaits, "fitted", [])
    monkeypatch.setenv("HARBENCH_CACHE", str(tmp_path))
    return tmp_path / "imputers"


def test_saits_learns_only_where_there_are_gaps(fake_saits: Path) -> None:
    data = dataset()
    standardiser = fitted("saits", data)
    complete = torch.ones(3, 12, 2, 2)
    assert torch.equal(standardiser.finish(complete, complete > 0)[0], complete)
    assert FakeSaits.made == [] and not fake_saits.exists()
    x, observed = WindowSource(data, np.arange(40), standardiser, CPU).batch(torch.arange(40))
    some = observed.flatten(1).any(dim=1)[:, None, None, None]
    assert (x[~observed & some] == 30).all() and (x[7] == 0).all()
    (options,) = FakeSaits.made
    assert options["n_features"] == 4 and options["d_model"] == options["n_heads"] * options["d_k"]


def test_the_methods_of_a_seed_share_what_saits_has_learned(fake_saits: Path) -> None:
    """Each run has a process of its own: only the cache can be shared."""
    data, rows = dataset(), np.arange(40)
    x, _ = inputs(fitted("saits", data), data, rows)
    (kept,) = fake_saits.glob("*.safetensors")
    assert torch.equal(inputs(fitted("saits", data), data, rows)[0], x)
    assert len(FakeSaits.fitted) == 1
    inputs(fitted("saits", data, seed=1), data, rows)
    assert len(FakeSaits.fitted) == 2, "another seed learns for itself"
    kept.write_bytes(kept.read_bytes()[:-3])
    assert torch.equal(inputs(fitted("saits", data), data, rows)[0], x)
    assert len(FakeSaits.fitted) == 3, "a damaged file is made anew"


@pytest.mark.slow
def test_the_real_saits_fills_gaps_better_than_the_mean_and_always_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pypots", reason="needs harbench[impute]")
    monkeypatch.setenv("HARBENCH_CACHE", str(tmp_path))
    phase = np.random.default_rng(0).uniform(0, 2 * np.pi, (40, 1, 1, 1))
    time, shift = np.linspace(0, 6, 12)[:, None, None], np.arange(4).reshape(2, 2)
    data = from_arrays((np.sin(phase + time + shift) + 3).astype(np.float32), np.zeros(40), INFO)
    rows = np.arange(30, 40)
    plain, standardiser = Standardiser.fit(data, TRAIN), fitted("saits", data)
    truth, _ = WindowSource(data, rows, plain, CPU).batch(torch.arange(10))
    zeros, observed = inputs(plain, data, rows)
    x, seen = inputs(standardiser, data, rows)
    assert torch.equal(seen, observed) and torch.equal(x[observed], zeros[observed])
    error, without = ((each - truth)[~observed].square().mean() for each in (x, zeros))
    assert error < without / 2
    alone = [inputs(fitted("saits", data), data, rows[[i]])[0] for i in (0, 9)]
    assert torch.equal(torch.cat(alone), x[[0, 9]])
    assert len(list((tmp_path / "imputers").glob("*.safetensors"))) == 1


def test_saits_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypots", None)
    with pytest.raises(HarbenchError, match=r"needs pypots.*pip install 'harbench\[impute\]'"):
        fitted("saits", dataset())


@pytest.mark.parametrize(
    "variant", [{}, {"channel_mask": "pair"}, {"adjacency": "smooth"}, {"fill": "decoder"}]
)
def test_robusthar_s_parts_take_the_doubled_channels(variant: dict[str, Any]) -> None:
    options = EngineOptions(impute="linear", indicator=True)
    plan = made_up_training("robusthar", made_up((20, 3, 2), missing=0.2), options=options)
    config = replace(plan.method.config, **variant)
    plan = replace(plan, method=type(plan.method)(config))
    assert scores(plan, fit(plan)).isfinite().all()


def test_what_a_decoder_rebuilds_takes_the_place_of_what_was_imputed() -> None:
    plan = made_up_training("robusthar", made_up((20, 3, 2), missing=0.2))
    method = type(plan.method)(replace(plan.method.config, fill="decoder"))
    network: Any = initial_network(replace(plan, method=method), CPU).eval()
    source = WindowSource(plan.dataset, np.arange(9), prepare(under(plan, impute="linear")), CPU)
    x, observed = source.batch(torch.arange(9))
    rebuilt = network.fill(x, observed)
    assert torch.equal(rebuilt[observed], x[observed])
    assert (rebuilt[~observed] != x[~observed]).float().mean() > 0.9


def under(plan: Any, **options: Any) -> Any:
    """The same training with other options of the engine."""
    return replace(plan, options=EngineOptions(**options))


def with_holes(plan: Any) -> Any:
    """The same training on windows that lack a tenth of their values."""
    windows = np.array(plan.dataset.windows)
    windows[np.random.default_rng(0).random(windows.shape) < 0.1] = np.nan
    return replace(plan, dataset=replace(plan.dataset, windows=windows))


def test_on_complete_windows_all_imputations_share_one_training(tmp_path: Any) -> None:
    cache, plan = StageCache(tmp_path), training()
    first = fit(plan, cache)
    trained = len(plan.method.seen)  # type: ignore[attr-defined]
    for impute in FITTED:
        other = under(plan, impute=impute)
        again = fit(other, cache)
        assert all(stage.cached for stage in again.stages)
        assert same(weights(again), weights(first))
    assert len(plan.method.seen) == trained > 0  # type: ignore[attr-defined]


def test_where_training_sees_gaps_each_imputation_trains_by_itself() -> None:
    plan = training()
    complete = {i: stage_keys(under(plan, impute=i)) for i in get_args(Impute)}
    assert len({tuple(keys) for keys in complete.values()}) == 1
    holes = with_holes(plan)
    lossy = replace(plan, train_missing=Condition(scale="segment", rate=0.2))
    for each in (holes, lossy):
        keys = [stage_keys(under(each, impute=i)) for i in get_args(Impute)]
        assert len({key for pair in keys for key in pair}) == 2 * len(get_args(Impute))
    faulty = [stage_keys(under(plan, augment="sensor", impute=i)) for i in get_args(Impute)]
    assert len({pre for pre, _ in faulty}) == 1 and len({last for _, last in faulty}) == 6
    assert len({tuple(stage_keys(under(plan, indicator=i))) for i in (False, True)}) == 2


@imputations
def test_augmented_windows_are_filled_after_the_fault(impute: Impute) -> None:
    seen: list[tuple[Tensor, Tensor]] = []

    class Noting(Toy):
        def _classify(self, network: Any, batch: Any) -> Tensor:
            seen.append((batch.x, batch.observed))
            return super()._classify(network, batch)

    plan = replace(
        training(),
        method=Noting(ToyConfig()),
        options=EngineOptions(augment="segment", impute=impute),
    )
    fit(plan)
    x, observed = (torch.cat(each) for each in zip(*seen, strict=True))
    assert not observed.all() and observed.flatten(1).any(dim=1).all()
    assert (x[~observed] != 0).float().mean() > 0.99
