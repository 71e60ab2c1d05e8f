"""The embedded dataset is what its description says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from harbench.datasets.spar import EXERCISES, Spar, SparOptions

from harbench.data import store
from harbench.errors import HarbenchError


def test_the_recordings_of_the_study() -> None:
    takes = list(Spar(SparOptions()).recordings(None))
    names = [take.name for take in takes]
    assert len(takes) == 140 and names == sorted(names) and len(set(names)) == 140
    assert sum(len(take.values) for take in takes) == 244_102
    assert len({take.subject for take in takes}) == 10
    assert {int(take.labels[0]) for take in takes} == set(range(len(EXERCISES)))


@pytest.mark.usefixtures("spar_cache")
def test_its_windows(spar_cache: Path) -> None:
    data = store.load("spar")
    assert len(data) == 3605 and data.shape == (128, 2, 3)
    assert not np.isnan(data.windows).any()
    # Gravity: the accelerometer's mean magnitude is near 1 g.
    assert np.linalg.norm(data.windows[:, :, 0], axis=2).mean() == pytest.approx(1.0, abs=0.2)


def test_it_is_read_from_nowhere_else(tmp_path: Path) -> None:
    with pytest.raises(HarbenchError, match="spar comes with harbench"):
        store.prepare("spar", tmp_path)
