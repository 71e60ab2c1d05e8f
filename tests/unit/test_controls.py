"""Methods without gradients, and what the network-free ones compute."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from harbench.methods.hydra import SparseScaler
from harbench.methods.random_forest import statistics
from scipy import stats

from harbench.errors import HarbenchError
from harbench.method import InputShape
from harbench.nn.estimator import Estimator, all_classes, own_randomness
from harbench.registry import method_class


def test_statistics_agree_with_scipy() -> None:
    x = np.random.default_rng(0).normal(size=(7, 3, 64))
    found = statistics(x).reshape(7, 3, 21)
    wanted = [x.mean(2), x.std(2), x.min(2), np.quantile(x, 0.25, 2), np.median(x, 2)]
    wanted += [np.quantile(x, 0.75, 2), x.max(2), stats.skew(x, axis=2)]
    wanted += [stats.kurtosis(x, axis=2, fisher=False)]
    np.testing.assert_allclose(found[:, :, :9], np.stack(wanted, 2), rtol=1e-5, atol=1e-5)


def test_spectral_features_find_the_frequency() -> None:
    time = np.arange(128) / 128
    x = np.sin(2 * np.pi * np.array([8, 40])[:, None] * time)[None]
    peak, centroid, entropy, *bands = statistics(x).reshape(1, 2, 21)[0, :, 14:].T
    # Frequencies 1 to 64 are placed from 0 to 1.
    np.testing.assert_allclose(peak, [7 / 63, 39 / 63], atol=1e-6)
    np.testing.assert_allclose(centroid, peak, atol=1e-4)
    np.testing.assert_allclose(entropy, 0, atol=1e-4)
    np.testing.assert_allclose(np.stack(bands).argmax(axis=0), [0, 2])


def test_a_constant_series_has_finite_features() -> None:
    assert np.isfinite(statistics(np.zeros((2, 3, 16), dtype=np.float32))).all()


def test_zeros_stay_zero_in_the_sparse_scaler() -> None:
    counts = np.array([[0.0, 4.0], [0.0, 9.0], [1.0, 16.0]])
    scaled = SparseScaler().fit_transform(counts)
    assert (scaled[:2, 0] == 0).all() and np.isclose(scaled[:, 1].mean(), 0)
    roots = np.array([2.0, 3.0, 4.0])
    np.testing.assert_allclose(scaled[:, 1], (roots - 3) / (roots.std() + 1e-8))


def test_classes_that_were_never_seen_score_lowest() -> None:
    like = torch.zeros(1)
    full = all_classes(np.array([[3.0, 1.0], [0.0, 2.0]]), np.array([0, 2]), 4, like)
    assert full.argmax(dim=1).tolist() == [0, 2] and (full[:, [1, 3]] < 0).all()
    binary = all_classes(np.array([-2.0, 2.0]), np.array([0, 1]), 2, like)
    assert binary.argmax(dim=1).tolist() == [0, 1]


def test_an_estimator_travels_with_the_state() -> None:
    first, second = Estimator(), Estimator()
    first.fitted = {"a": np.arange(3)}
    second.load_state_dict(first.state_dict())
    assert second.fitted["a"].tolist() == [0, 1, 2]


def test_global_randomness_is_put_back() -> None:
    before = torch.get_rng_state(), repr(np.random.get_state())  # noqa: NPY002
    with own_randomness():
        torch.manual_seed(1)
        np.random.seed(1)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[0])
    assert repr(np.random.get_state()) == before[1]  # noqa: NPY002


@pytest.mark.parametrize("name", ["minirocket", "hydra"])
def test_windows_that_are_too_short_are_refused(name: str) -> None:
    cls = method_class(name)
    shape = InputShape(8, 1, 3, 2, 50.0, ((0.0, 0.0, 0.0),))
    with pytest.raises(HarbenchError, match="8 steps are shorter"):
        cls(cls.test_config()).build(shape)


THREADS = """
import torch
from harbench.evaluation.predict import one_thread
from harbench.testing.windows import made_up, scores, training
from harbench.training.fit import fit
plan = training("minirocket", made_up((40, 2, 3)))
with one_thread():
    scores(plan, fit(plan))
    print(torch.get_num_threads())
"""


@pytest.mark.skipif(os.cpu_count() == 1, reason="one core has one thread")
def test_a_control_computes_with_one_thread() -> None:
    """Numba, which aeon's rockets use, would start a thread for each core, and torch follow it."""
    pytest.importorskip("aeon")
    usual = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "OMP_"))}
    # A new process: here numba may have begun already.
    done = subprocess.run(
        [sys.executable, "-c", THREADS], env=usual, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"
