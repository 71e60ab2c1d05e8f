"""Training faults against test faults: the right numbers in the right places, as text, figure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.frames import records

from harbench.analysis.figures.style import encoded
from harbench.analysis.figures.transfer import transfer_maps
from harbench.analysis.pairs import Condition
from harbench.analysis.transfer import HOLE, WIDTH, as_text, transfer
from harbench.errors import HarbenchError

SCALES = ("clean", "complete", "mixed", "segment", "channel", "sensor", "saturated", "blackout")
LABELS = {"none": "cnn", "sensor": "cnn+augment=sensor", "corruption": "cnn+augment=corruption"}


def conditions(scales: int = 4) -> list[Condition]:
    taking = ("clean", "complete")
    return [Condition("missing-10", s, 0.0 if s in taking else 0.1) for s in SCALES[:scales]]


def matrix(scores: dict[str, list[float]], scales: int = 4) -> object:
    tests = conditions(scales)
    frame = records(scores, conditions=tests)
    return transfer(frame, "cnn", LABELS, [(c.scale, c.rate) for c in tests])


def test_each_cell_is_the_mean_of_its_seeds_and_the_best_of_a_test_is_marked() -> None:
    found = matrix({"cnn": [50, 54], "cnn+augment=sensor": [70, 70], "other": [99, 99]})
    assert found.faults == ("none", "sensor", "corruption") and found.seeds == (2, 2, 0)
    assert found.mean[0] == pytest.approx([52] * 4) and found.sd[0] == pytest.approx([8**0.5] * 4)
    assert found.mean[1] == pytest.approx([70] * 4) and np.isnan(found.mean[2]).all()
    assert found.best()[1].all() and found.best().sum() == 4
    text = as_text(found)
    lines = text.splitlines()
    assert lines[0] == "cnn: macro F1 %, tested with (10 % lost)"
    assert lines[1].split("  ")[0] == "trained with"
    assert next(each for each in lines if each.startswith("sensor")).count("*70.0") == 4
    assert next(each for each in lines if each.startswith("corruption")).split().count(HOLE) == 4
    assert "Mean over 2 seeds (not equal: 2, 2, 0)" in text and "up to 2.8 points" in text


@given(scales=st.integers(1, 8), seeds=st.integers(1, 3))
def test_text_fits_into_80_columns_and_shows_every_test_once(scales: int, seeds: int) -> None:
    found = matrix({label: [100.0] * seeds for label in LABELS.values()}, scales)
    text = as_text(found)
    lines = text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    heads = [line for line in lines if line.startswith("trained with")]
    shown = [title.strip() for line in heads for title in line[12:].split("  ") if title.strip()]
    assert shown == found.titles
    assert sum(line.startswith("none") for line in lines) == len(heads)


def test_a_condition_at_another_rate_is_not_taken() -> None:
    frame = records({"cnn": [50.0]}, conditions=[Condition("robust", "mixed", 0.05)])
    found = transfer(frame, "cnn", {"none": "cnn"}, [("mixed", 0.1), ("mixed", 0.05)])
    assert np.isnan(found.mean[0, 0]) and found.mean[0, 1] == 50
    assert found.titles == ["mixed 10 %", "mixed 5 %"] and found.tested == "tested with"


def test_without_any_record_there_is_no_matrix() -> None:
    frame = records({"other": [50.0]})
    for empty in (frame, frame[:0]):
        with pytest.raises(HarbenchError, match="no record of cnn"):
            transfer(empty, "cnn", LABELS, [("clean", 0.0)])


@pytest.mark.parametrize("count", [1, 2])
def test_the_figure_says_every_number_and_the_same_twice(count: int) -> None:
    scores = {label: [50.0 + 10 * i] for i, label in enumerate(LABELS.values())}
    matrices = [matrix(scores)] * count
    figure = transfer_maps(matrices, "Data made up.")
    panels = figure.axes[:count]
    for axes in panels:
        assert [text.get_text() for text in axes.texts[::4]] == ["50.0", "60.0", "70.0"]
        bold = [text.get_text() for text in axes.texts if text.get_fontweight() == "bold"]
        assert bold == ["70.0"] * 4
        assert axes.get_title() == "CNN"
    assert encoded(figure, ".svg") == encoded(transfer_maps(matrices, "Data made up."), ".svg")


def test_holes_stay_empty_in_the_figure() -> None:
    figure = transfer_maps(
        [matrix({"cnn": [50.0], "cnn+augment=corruption": [60.0]})], "Data made up."
    )
    assert [text.get_text() for text in figure.axes[0].texts] == ["50.0"] * 4 + ["60.0"] * 4
