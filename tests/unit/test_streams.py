"""Named random streams are independent of each other and of how many there are."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harbench.streams import stream, stream_seed, torch_seed

NAMES = ("split", "labels", "initialisation", "shuffling", "masks", "missing")


@given(seed=st.integers(0, 2**40), names=st.lists(st.text(max_size=8), max_size=3))
def test_a_stream_is_a_function_of_seed_and_names(seed: int, names: list[str]) -> None:
    assert stream_seed(seed, *names) == stream_seed(seed, *names)
    assert stream_seed(seed, *names) != stream_seed(seed + 1, *names)
    assert 0 <= torch_seed(seed, *names) < 2**63


@given(names=st.lists(st.text(max_size=4), min_size=2, max_size=2, unique=True))
def test_names_are_kept_apart(names: list[str]) -> None:
    assert stream_seed(0, *names) != stream_seed(0, "".join(names))
    assert stream_seed(0, names[0]) != stream_seed(0, names[1])


def test_streams_of_one_seed_are_uncorrelated() -> None:
    draws = [stream(0, name).normal(size=4000) for name in NAMES]
    for first, second in itertools.combinations(draws, 2):
        assert abs(np.corrcoef(first, second)[0, 1]) < 0.06
