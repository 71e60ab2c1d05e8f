"""The leakage audit of a dataset."""

from __future__ import annotations

import numpy as np

from harbench.data import store
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
