"""The training of the smallest network beside a loop written by hand: `tox -e bench`.

`overhead.py` takes both in turn, which is fairer on a busy machine.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.overhead import by_hand, harness, seconds, standardised, training
from pytest_benchmark.fixture import BenchmarkFixture

from harbench.evaluation.predict import one_thread


@pytest.mark.parametrize("which", ["by_hand", "harness"])
def test_ten_epochs_of_the_cnn(which: str, benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    plan, folders = training("spar", 10), map(str, range(10))

    def call() -> None:
        if which == "harness":
            harness(plan, tmp_path / next(folders))
        else:
            by_hand(plan, standardised(plan))

    with one_thread():
        benchmark.pedantic(call, rounds=5, warmup_rounds=1)


def test_both_end_with_the_same_weights() -> None:
    with one_thread():
        assert all(spent > 0 for spent in seconds(training("spar", 4)))
