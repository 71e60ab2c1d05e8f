"""How small a difference could have been found: against simulation and the test itself."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from unit.frames import CLEAN, records

from harbench.analysis.pairs import named, pairs
from harbench.analysis.power import POWER, power, power_sheet, powers
from harbench.analysis.statistics import nb_t
from harbench.analysis.table import Rules
from harbench.errors import HarbenchError


def test_a_true_difference_of_that_size_is_found_as_often_as_it_says() -> None:
    """Independent seeds, 10,000 repetitions of five, alpha 0.05 over a family of eight."""
    samples = np.random.default_rng(0).normal(0, 2, (10_000, 5))
    seen = samples[0] * 2 / samples[0].std(ddof=1)
    claimed = power(nb_t([seen], [0.0]), 0.05, 8)
    assert claimed is not None
    shifted = samples + claimed.found
    t = shifted.mean(1) / (shifted.std(1, ddof=1) / np.sqrt(5))
    critical = stats.t.isf(0.05 / 8 / 2, 4)
    assert claimed.adjusted == pytest.approx(critical * 2 / np.sqrt(5))
    assert (t > critical).mean() == pytest.approx(POWER, abs=0.015)


@given(
    values=st.lists(st.floats(-50, 50).map(lambda v: round(v, 3)), min_size=2, max_size=12),
    ratio=st.sampled_from([0.0, 0.25]),
    family=st.integers(1, 30),
)
def test_alone_is_where_the_test_turns_and_the_others_are_larger(
    values: list[float], ratio: float, family: int
) -> None:
    result = nb_t([np.array(values)], [ratio], [0.01])
    found = power(result, 0.05, family)
    assert found is not None
    assert found.alone <= found.adjusted < found.found
    assert (found.alone == pytest.approx(found.adjusted)) == (family == 1)
    assert (abs(result.effect) > found.alone * (1 + 1e-9)) <= (result.p < 0.05)
    assert (abs(result.effect) < found.alone * (1 - 1e-9)) <= (result.p > 0.05)
    wider = power(nb_t([2 * np.array(values)], [ratio], [0.04]), 0.05, family)
    assert wider is not None
    assert wider.found == pytest.approx(2 * found.found, rel=1e-6)


def test_one_seed_and_no_variance_say_nothing() -> None:
    assert power(nb_t([np.array([1.0])], [0.2]), 0.05, 8) is None
    assert power(nb_t([np.array([1.0, 1.0])], [0.2]), 0.05, 8) is None


def test_a_row_for_all_that_share_seeds_with_the_control() -> None:
    scores = {"robusthar": [80.0, 82, 84], "cnn": [79.0, 80, 83], "informer": [70.0, 80, 75]}
    found = powers(records(scores), CLEAN, Rules(control="robusthar"))
    assert list(found["method"]) == ["cnn", "informer"] and (found["n"] == 3).all()
    assert found["difference"].tolist() == pytest.approx([4 / 3, 7])
    assert found["sd"].tolist() == pytest.approx(
        [np.std(d, ddof=1) for d in ([1, 2, 1], [10, 2, 9])]
    )
    declared = powers(records(scores), CLEAN, Rules(control="robusthar", rows=("cnn",)))
    inside = declared["method"] == "cnn"
    assert (declared["adjusted"] == declared["alone"])[inside].all()
    assert declared.loc[~inside, ["adjusted", "found"]].isna().all(axis=None)
    nobody = Rules(control="robusthar", rows=("timesnet",))
    empty = power_sheet(powers(records(scores), CLEAN, nobody), CLEAN, nobody)
    assert [piece.text for piece in empty.lanes[-1].pieces] == ["", ""]
    assert not any("Median" in note for note in empty.notes)
    sheet = power_sheet(found, CLEAN, Rules(control="robusthar"))
    assert sheet.rows == ["dsads, CNN", "dsads, Informer"]
    assert f"{found['found'].median():.2f} points" in sheet.notes[1]
    with pytest.raises(HarbenchError, match="shares two seeds"):
        powers(records({"robusthar": [80.0], "cnn": [79.0]}), CLEAN, Rules(control="robusthar"))
    with pytest.raises(HarbenchError, match="msgnet"):
        powers(records(scores), CLEAN, Rules(control="msgnet"))


def test_several_datasets_are_pooled_as_the_table_pools_them() -> None:
    """Below the datasets' own rows, for every method that has two seeds on two datasets."""
    rng = np.random.default_rng(1)
    names = ("robusthar", "cnn", "informer")
    frames = [
        records({name: list(rng.normal(80, 3, 5)) for name in names}, datasets=[dataset])
        for dataset in ("dsads", "hugadb", "spar")
    ]
    frame = pd.concat(frames, ignore_index=True)
    frame = frame[(frame["method"] != "informer") | (frame["dataset"] == "spar")]
    rules = Rules(control="robusthar", rows=("cnn",))
    found = powers(frame, CLEAN, rules)
    assert found["dataset"].tolist() == ["dsads", "hugadb", "spar", "spar", "3 datasets"]
    last = found.iloc[-1]
    pair = pairs(named(frame), "robusthar", "cnn", rules.metric)
    result = nb_t(pair.differences, pair.ratios, pair.floors)
    assert result.test == "nb-t-pooled" and last["n"] == 15 and math.isnan(last["sd"])
    assert last["difference"] == result.effect
    assert last["alone"] == pytest.approx((result.high - result.low) / 2)
    notes = power_sheet(found, CLEAN, rules).notes
    assert f"found, pooled: {last['found']:.2f} points" in notes[2]
    assert notes[1].startswith("Of several datasets")
    frame["dataset"] = frame["dataset"].replace({"spar": "dsads+step=64"})
    apart = powers(frame, CLEAN, rules)
    assert apart["dataset"].tolist() == ["dsads", "dsads+step=64", "dsads+step=64", "hugadb"]
