"""The leakage audit of a dataset."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harbench.data import repeats, store
from harbench.data.audit import audit


def test_overlap_and_memory_are_seen() -> None:
    data = store.load("bodysim+activities=3+seconds=24.0+sensors=2+step=32+subjects=3")
    rows = {row.kind: row for row in audit(data)}
    assert rows["random"].shared > 0.5
    assert rows["recording"].shared == rows["subject"].shared == rows["loso"].shared == 0
    assert all(0 <= row.nearest <= 1 for row in rows.values())
    assert all(row.train > 0 and row.test > 0 for row in rows.values())


def test_a_split_that_is_impossible_is_said() -> None:
    rng = np.random.default_rng(0)
    known = store.load("bodysim+activities=3+seconds=24.0+sensors=2+subjects=3")
    data = store.from_arrays(rng.normal(size=(60, *known.shape)), np.arange(60) % 3, known.info)
    rows = {row.kind: row for row in audit(data, seeds=1)}
    assert "needs at least 3 subjects" in rows["subject"].problem
    assert np.isnan(rows["subject"].nearest) and not rows["random"].problem


@given(st.integers(0, 40), st.integers(16, 30), st.integers(0, 2**32 - 1))
def test_runs_are_equal_where_the_samples_are(start: int, length: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(-2, 3, size=(80, 3)).astype(np.float32)
    whole, part = repeats.runs(values), repeats.runs(values[start : start + length])
    assert (part == whole[start : start + length - 15]).all()
    still = np.full((20, 3), np.nan if seed % 2 else 1.0, np.float32)
    assert not repeats.runs(still).any() and not repeats.runs(values[:15]).size
