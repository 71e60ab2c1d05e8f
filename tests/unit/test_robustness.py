"""Area under the score-rate curve, rate of a loss, worst condition: numbers and table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.frames import CLEAN, records, written

from harbench.analysis.figures.against import areas
from harbench.analysis.pairs import Condition
from harbench.analysis.render import FORMATS
from harbench.analysis.robustness import area, curve_scales, rate_lost, summary_table
from harbench.analysis.table import Rules
from harbench.errors import HarbenchError

RATES = np.array([0, 0.05, 0.1, 0.15, 0.25, 0.5])
STEEP = st.floats(0, 1, allow_subnormal=False)


@given(STEEP, STEEP)
def test_the_area_of_a_line_is_its_middle(level: float, slope: float) -> None:
    assert area(RATES, level - slope * RATES) == pytest.approx(level - slope * 0.25)
    both = area(RATES, np.stack([level - slope * RATES, np.full(6, level)]))
    assert both.shape == (2,) and both[1] == pytest.approx(level)


@given(STEEP, STEEP)
def test_a_line_loses_points_where_its_slope_says(level: float, slope: float) -> None:
    found = rate_lost(RATES, level - slope * RATES, 0.05)
    if slope * 0.5 < 0.05 - 1e-9:
        assert np.isnan(found)
    elif slope * 0.5 > 0.05 + 1e-9:
        assert found == pytest.approx(0.05 / slope)


@given(st.lists(STEEP, min_size=6, max_size=6), STEEP)
def test_the_loss_is_relative_to_clean_and_the_first_one_counts(
    scores: list[float], shift: float
) -> None:
    line = np.array(scores)
    rate = float(rate_lost(RATES, line, 0.05))
    if np.isnan(rate):
        assert line.min() > line[0] - 0.05 - 1e-9
        return
    assert 0 < rate <= 0.5
    assert np.interp(rate, RATES, line) == pytest.approx(line[0] - 0.05, abs=1e-9)
    before = RATES[(rate - 1e-9 > RATES)]
    assert (np.interp(before, RATES, line) > line[0] - 0.05 - 1e-9).all()
    # A margin, because the shift rounds.
    if np.abs(line - line[0] + 0.05).min() > 1e-9:
        assert rate_lost(RATES, line + shift, 0.05) == pytest.approx(rate, abs=1e-6)


def curve(protocol: str = "subject", fall: float = 0.2) -> pd.DataFrame:
    """Method "hard" loses `fall` points per 1 %, "soft" half of it; `sensor` costs twice that."""
    scores = {"hard": [90.0, 92.0, 94.0], "soft": [80.0, 81.0, 84.0]}
    conditions = [Condition(protocol, "clean", 0.0)]
    conditions += [Condition(protocol, s, r) for s in ("mixed", "sensor") for r in (0.1, 0.5)]
    frame = records(scores, conditions=conditions)
    loss = fall * frame["rate"] * (1 + (frame["scale"] == "sensor"))
    loss *= 1 - 0.5 * (frame["method"] == "soft")
    for metric in ("f1_macro", "accuracy", "f1_weighted", "balanced_accuracy"):
        frame[metric] -= loss
    return frame


def test_summary_numbers_are_paired_scores() -> None:
    table = summary_table(curve(), ["mixed"], Rules(control="soft"))
    assert [c.condition.scale for c in table.columns] == [
        "area, mixed",
        "5 points lost at, mixed",
        "worst",
    ]
    areas, rates, worst = table.rows["hard"]
    assert areas and rates and worst
    assert areas.mean == pytest.approx(92 - 5) and areas.n == 3
    assert rates.mean == pytest.approx(25)
    assert worst.mean == pytest.approx(92 - 20) and worst.note.startswith("sensor 50 %; ")
    soft = table.rows["soft"]
    assert soft[1] and soft[1].mean == pytest.approx(50) and soft[1].note == ""
    # Seed by seed: 90 - 5 against 80 - 2.5 and so on.
    assert areas.result and areas.result.effect == pytest.approx(np.mean([-7.5, -8.5, -7.5]))
    assert areas.result.n == 3 and areas.result.low < areas.result.effect < areas.result.high
    assert f"{areas.result.effect:+.2f} [" in areas.note
    assert not table.average and not table.ranks and not table.overall
    notes = " ".join(table.notes)
    for words in ("measured rates (10, 50 %)", "counts with the largest rate", "soft minus row"):
        assert words in notes
    for form in ("csv", *FORMATS):
        assert "sensor 50" in written(table, form)


def test_replayed_gaps_may_be_the_worst() -> None:
    """They have no rate, and take from windows all the same."""
    frame = curve()
    replay = frame[frame["scale"] == "clean"].assign(scale="replay")
    replay[["f1_macro", "accuracy"]] -= 0.4
    worst = summary_table(pd.concat([frame, replay]), ["mixed"], Rules()).rows["hard"][2]
    assert worst and worst.mean == pytest.approx(92 - 40) and worst.note == "replay"


def test_what_never_loses_the_points_is_said() -> None:
    table = summary_table(curve(fall=0.1), ["mixed"], Rules())
    cells = table.rows["soft"]
    assert cells[1] and cells[1].mean == 50 and cells[1].note == "> 50 in 3 of 3 seeds"
    text = written(table, "latex")
    assert r" & $>$ 50 in 3 of 3 seeds" in text


def test_a_seed_without_all_conditions_does_not_count() -> None:
    frame = curve()
    gone = (frame["method"] == "hard") & (frame["seed"] == 1) & (frame["rate"] == 0.5)
    table = summary_table(frame[~gone], ["mixed"], Rules(control="soft"))
    assert [cell.n for cell in table.rows["hard"] if cell] == [2, 2, 2]
    assert [cell.n for cell in table.rows["soft"] if cell] == [3, 3, 3]


def test_protocols_that_train_alike_make_one_curve_and_others_their_own() -> None:
    rates = [Condition(f"missing-{r}", "mixed", r / 100) for r in (5, 10)]
    random = records({"hard": [90.0, 91], "soft": [80.0, 81]}, conditions=[CLEAN, *rates])
    random["f1_macro"] -= random["rate"]
    table = summary_table(pd.concat([random, curve()]), ["mixed"], Rules(control="soft"))
    assert [c.condition.protocol for c in table.columns[::3]] == [
        "clean, missing-10, missing-5",
        "subject",
    ]
    assert len(table.columns) == 6 and all(None not in row for row in table.rows.values())
    assert any("never pooled" in note for note in table.notes)


def test_areas_are_drawn_with_their_intervals() -> None:
    frame = curve()
    figure = areas(frame, "soft")
    assert [axes.get_title() for axes in figure.axes] == [
        "dsads, area, mixed",
        "dsads, area, sensor",
    ]
    cell = summary_table(frame, ["mixed"], Rules(control="soft")).rows["hard"][0]
    assert cell and cell.result
    zero, interval, _ = figure.axes[0].lines
    assert list(zero.get_xdata()) == [0, 0]
    np.testing.assert_allclose(interval.get_xdata(), [-cell.result.high, -cell.result.low])
    assert figure.axes[0].get_yticklabels()[0].get_text() == "hard"


def test_one_rate_is_no_curve() -> None:
    frame = curve()
    assert curve_scales(frame) == ["mixed", "sensor"]
    few = frame[frame["rate"] < 0.2]
    assert curve_scales(few) == []
    with pytest.raises(HarbenchError, match="two rates"):
        summary_table(few, ["mixed"], Rules())
    with pytest.raises(HarbenchError, match="of segment"):
        summary_table(frame, ["segment"], Rules())
