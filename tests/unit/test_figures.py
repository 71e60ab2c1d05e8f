"""Every figure of made-up records, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from unit.frames import CLEAN, MIXED, records

from harbench.analysis.figures import against, bars, curves
from harbench.analysis.figures.clock import clock
from harbench.analysis.figures.dataset import Example, show
from harbench.analysis.figures.labels import apart
from harbench.analysis.figures.learning import Line, learning
from harbench.analysis.figures.ranking import ranking
from harbench.analysis.figures.reconstruction import reconstruction
from harbench.analysis.figures.style import encoded
from harbench.analysis.pairs import Condition
from harbench.analysis.published import beside, published
from harbench.cli import figure
from harbench.data import store
from harbench.errors import HarbenchError

RATES = tuple(Condition(f"missing-{r}", "mixed", r / 100) for r in (5, 10, 15))
SCORES = {
    "robusthar": [95.0, 96.0, 94.0, 95.5, 96.5],
    "cnn": [96.0, 96.5, 95.5, 96.0, 97.0],
    "hydra": [93.0, 93.5, 92.5, 95.0, 94.0],
}


def grid() -> pd.DataFrame:
    frame = records(SCORES, datasets=("x", "y"), conditions=(CLEAN, *RATES))
    frame["f1_macro"] -= frame["rate"] / 4 + 0.001 * (frame["method"] == "cnn") * frame["seed"]
    made = {"parameters": 1000, "train_seconds": 12.0, "windows_per_second": 9e3, "device": "cpu"}
    made |= {"peak_memory": 2**30, "commit": "abc", "dirty": False, "harbench": "0", "packages": ""}
    frame = frame.assign(**made, platform="here")
    frame["path"] = [f"{m}/{d}/{p}/{s}" for m, d, p, s in
                     frame[["method", "dataset", "protocol", "seed"]].to_numpy()]  # fmt: skip
    return frame


def sweep(*variants: str) -> pd.DataFrame:
    frame = records({name: [90.0, 91.0, 92.0] for name in variants}, conditions=(CLEAN, MIXED))
    return frame.assign(variant=frame["method"], method="robusthar")


def labelled() -> pd.DataFrame:
    frame = grid()
    full = records(SCORES, ("x",), (Condition("full-labels", "clean", 0.0),))
    return pd.concat([frame, full])


DRAWN: dict[str, Callable[[], Figure]] = {
    "ranking": lambda: ranking(grid(), control="robusthar"),
    "missing": lambda: curves.missing(grid()),
    "slope": lambda: against.slope(grid(), "robusthar"),
    "area": lambda: against.areas(grid(), "robusthar"),
    "sweep": lambda: curves.sweep(sweep("lambda 0.1", "lambda 0.5")),
    "labels": lambda: curves.labels(labelled()),
    "ablation": lambda: bars.ablation(sweep("full", "w/o MSTM")),
    "cost": lambda: bars.cost(grid()),
    "ranks": lambda: bars.critical_difference(grid()),
}


def test_a_sweep_is_of_one_method_and_configuration() -> None:
    frame = sweep("lambda 0.1", "lambda 0.5")
    other = frame.assign(config='{"lr": 1e-05}', path="elsewhere/" + frame["path"])
    with pytest.raises(HarbenchError, match="different configurations"):
        curves.sweep(pd.concat([frame, other]))


@pytest.mark.parametrize("draw", [against.slope, against.areas])
def test_a_control_without_records_is_named(draw: Callable[..., Figure]) -> None:
    with pytest.raises(HarbenchError, match="Unknown method in the records 'nobody'"):
        draw(grid(), "nobody")


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_names_its_axes_and_repeats(name: str) -> None:
    figure = DRAWN[name]()
    if name not in ("ranks", "ablation", "ranking"):
        assert all(axes.get_xlabel() for axes in figure.axes)
    for suffix in (".pdf", ".png", ".svg"):
        assert encoded(DRAWN[name](), suffix) == encoded(DRAWN[name](), suffix)


def test_a_ranking_sorts_names_and_says_what_it_shows() -> None:
    many = {**SCORES, "timesnet": [92.0] * 5, "msgnet": [30.0, 31.0, 32.0, 30.0, 31.0]}
    drawn = ranking(records(many, conditions=(CLEAN, MIXED)), control="robusthar")
    clean, mixed = drawn.axes
    labels = clean.get_yticklabels()
    names = [label.get_text() for label in labels]
    assert names == ["CNN", "RobustHAR", "Hydra", "TimesNet", "MSGNet"]
    bold = [label.get_text() for label in labels if label.get_fontweight() == "bold"]
    assert bold == ["RobustHAR"]
    assert (clean.get_title(), mixed.get_title()) == ("clean", "mixed 10 %")
    assert clean.get_xlim()[0] > 80
    words = " ".join(drawn.get_supxlabel().split())
    for part in ("Data dsads; ", "budget quick; n = 5 seeds", "Macro F1 in %", "MSGNet (30.8 %",
                 "Grey line: RobustHAR", "Higher is better"):  # fmt: skip
        assert part in words


def caption_of(drawn: Figure) -> str:
    return " ".join(drawn.get_supxlabel().split())


def test_curves_are_of_datasets_that_all_rows_have() -> None:
    drawn = curves.labels(labelled())
    assert "Data x; " in caption_of(drawn) and "Left out, where rows lack: y." in caption_of(drawn)
    single = labelled()
    single = single[~((single["method"] == "cnn") & (single["protocol"] == "full-labels"))]
    found = curves.labels(single)
    assert "One share only, so left out: CNN." in caption_of(found)
    assert "CNN" not in [line.get_label() for line in found.axes[0].get_lines()]
    frame = grid()
    late = (frame["method"] == "cnn") & (frame["rate"] > 0) & (frame["seed"] > 2)
    seeds = caption_of(curves.missing(frame[~late]))
    assert "n = 3 to 5 seeds. Seeds that lack conditions are left out." in seeds
    lacks = (frame["method"] == "cnn") & (frame["dataset"] == "y") & (frame["rate"] == 0.15)
    drawn = curves.missing(frame[~lacks])
    assert drawn.axes[0].get_title() == "mixed: x"
    cost = caption_of(bars.cost(frame[~lacks]))
    assert "Data x, y; " in cost and "conditions (4)" in cost
    cost = caption_of(bars.cost(frame[~(lacks | (frame["rate"] == 0.15))]))
    assert "conditions (3)" in cost


def test_an_interval_of_slopes_lies_around_its_dot() -> None:
    frame = grid()
    wobble = 0.2 * frame["rate"] * (frame["seed"] % 3) * (frame["method"] != "robusthar")
    frame["f1_macro"] -= wobble
    lacks = (frame["method"] == "cnn") & (frame["seed"] == 4)
    (axes,) = against.slope(frame[~lacks], "robusthar").axes
    lines = [line.get_xdata() for line in axes.lines[1:]]
    ends = [line for line in lines if len(line) == 2]
    dots = [line[0] for line in lines if len(line) == 1]
    assert len(ends) == 2 and len(dots) == 3
    middles = sorted(float(np.mean(end)) for end in ends)
    assert all(min(abs(middle - dot) for dot in dots) < 1e-9 for middle in middles)


def test_a_ranking_of_datasets_has_a_panel_each_and_shows_holes() -> None:
    frame = records(SCORES, datasets=("x", "y"))
    frame = frame[~((frame["method"] == "cnn") & (frame["dataset"] == "y"))]
    left, right = ranking(frame, condition=("clean", 0.0)).axes
    assert (left.get_title(), right.get_title()) == ("x\nclean", "y\nclean")
    assert [text.get_text().strip() for text in right.texts] == ["no record"]
    with pytest.raises(HarbenchError, match="no record of the condition mixed 10 %"):
        ranking(frame, condition=("mixed", 0.1))


def test_lines_hold_the_means() -> None:
    (axes,) = curves.missing(grid()).axes
    lines = {str(line.get_label()): line for line in axes.lines}
    assert list(lines["Hydra"].get_xdata()) == [0, 5, 10, 15]
    wanted = np.mean(SCORES["hydra"]) - np.array([0, 5, 10, 15]) / 4
    np.testing.assert_allclose(np.asarray(lines["Hydra"].get_ydata(), dtype=float), wanted)


def test_methods_differ_in_more_than_colour() -> None:
    (axes,) = curves.missing(grid()).axes
    shown = {(line.get_marker(), str(line.get_linestyle())) for line in axes.lines}
    assert len(shown) == len(SCORES)


def test_a_confusion_matrix_sums_seeds() -> None:
    frame = records({"cnn": [90.0, 92.0]})
    frame["confusion"] = [[[3, 1], [0, 4]], [[4, 0], [2, 2]]]
    axes = bars.confusion(frame, "cnn", ["sit", "walk"]).axes[0]
    shown = [text.get_text() for text in axes.texts]
    assert shown == ["88", "12", "25", "75"]
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [tick.get_text() for tick in ticks] == ["sit", "walk"]
    with pytest.raises(HarbenchError, match="one method and one dataset"):
        bars.confusion(frame, "hydra")


def test_a_confusion_figure_has_the_names_of_the_dataset_s_classes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    info = store.resolve("spar")[1].info
    size = len(info.classes)
    matrix = np.eye(size, dtype=int).tolist()
    frame = records({"cnn": [90.0, 92.0]}, datasets=("spar+step=128",), conditions=(CLEAN, MIXED))
    frame["confusion"] = [matrix] * len(frame)
    frame["protocol"] = "missing-10"
    frame["rules"] = frame["rules"].iloc[-1]
    monkeypatch.setattr(figure, "chosen", lambda *_, **__: frame)
    with pytest.raises(HarbenchError, match="--condition clean"):
        figure.draw(figure.Kind.confusion, "f1_macro", "cnn", *[None] * 5)
    given = [*[None] * 5, "mixed 10 %"]
    axes = figure.draw(figure.Kind.confusion, "f1_macro", "cnn", *given).axes[0]
    assert axes.get_title() == "CNN, spar+step=128, mixed 10 %"
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [tick.get_text() for tick in ticks] == list(info.classes)


def test_an_ablation_is_paired_and_in_the_order_of_the_protocol() -> None:
    frame = sweep("w/o AMFF", "full", "w/o MSTM")
    frame.loc[frame["variant"] == "w/o MSTM", "f1_macro"] -= 0.02
    drawn = bars.ablation(frame, order=["full", "w/o MSTM", "w/o AMFF"])
    clean, mixed = drawn.axes
    assert [label.get_text() for label in clean.get_yticklabels()] == ["w/o MSTM", "w/o AMFF"]
    dots = [float(line.get_xdata()[0]) for line in clean.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(dots, [-2, 0], atol=1e-9)
    assert mixed.get_title() == "mixed 10 %" and "than full" in drawn.get_supxlabel()


def test_few_rates_make_no_line_and_what_is_far_below_is_said() -> None:
    many = {**SCORES, "timesnet": [92.0] * 5, "msgnet": [30.0, 31.0, 32.0, 30.0, 31.0]}
    drawn = curves.missing(records(many, conditions=(CLEAN, MIXED)), control="robusthar")
    (axes,) = drawn.axes
    assert {line.get_linestyle() for line in axes.lines} == {"None"}
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "10"]
    assert axes.get_ylim()[0] > 80 and "MSGNet (30.8 % on average)" in drawn.get_supxlabel()
    # What joins a name with its line is an annotation without a word.
    words = {text.get_text() for text in axes.texts} - {""}
    assert words == {"CNN", "Hydra", "RobustHAR", "TimesNet"}


@pytest.mark.filterwarnings("error::UserWarning")
def test_many_lines_have_room_for_their_names() -> None:
    many = {f"cnn+width={i}": [80.0 + i / 10] * 5 for i in range(40)}
    drawn = curves.missing(records(many, conditions=(CLEAN, MIXED)))
    drawn.draw_without_rendering()
    (axes,) = drawn.axes
    low, high = axes.get_ylim()
    places = [text.get_position()[1] for text in axes.texts if text.get_text()]
    assert len(places) == 40 and low <= min(places) and max(places) <= high


def test_cost_joins_what_nothing_beats() -> None:
    frame = grid()
    seconds = {"robusthar": 600.0, "cnn": 6.0, "hydra": 60.0}
    drawn = bars.cost(frame.assign(train_seconds=frame["method"].map(seconds)))
    (axes,) = drawn.axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["5 s", "20 s", "1 min", "5 min"]
    assert len(axes.lines[0].get_xdata()) == 1
    assert {text.get_text() for text in axes.texts} == {"CNN", "Hydra", "RobustHAR"}


def test_cost_has_two_times_on_its_axis_and_says_what_is_too_quick_for_it() -> None:
    frame = grid()
    seconds = {"robusthar": 9.0, "cnn": 7.0, "hydra": 8.0}
    drawn = bars.cost(frame.assign(train_seconds=frame["method"].map(seconds)))
    assert [tick.get_text() for tick in drawn.axes[0].get_xticklabels()] == ["5 s", "20 s"]
    assert "Faster" not in drawn.get_supxlabel()
    days = {"robusthar": 5.0, "cnn": 5.1, "hydra": 5.2}
    drawn = bars.cost(frame.assign(train_seconds=86400 * frame["method"].map(days)))
    assert [tick.get_text() for tick in drawn.axes[0].get_xticklabels()] == ["4 d"]
    seconds = {"robusthar": 0.02, "cnn": 0.02, "hydra": 0.03}
    drawn = bars.cost(frame.assign(train_seconds=frame["method"].map(seconds)))
    assert len(drawn.axes[0].get_xticklabels()) >= 2
    words = " ".join(drawn.get_supxlabel().split())
    assert "Faster than 0.1 s: CNN, Hydra, RobustHAR." in words


@given(st.lists(st.floats(0, 10), max_size=9))
def test_labels_stand_apart_and_in_order(values: list[float]) -> None:
    places = apart(values, 1.0, 0.0, 10.0)
    order = np.argsort(values, kind="stable")
    gaps = np.diff(np.array(places)[order])
    assert (gaps >= 1 - 1e-9).all() and all(-1e-9 <= place <= 10 + 1e-9 for place in places)


def test_a_clock_is_drawn_around_its_latest_stamp() -> None:
    times = np.arange(3000) / 50
    stamps = np.where((times > 30) & (times < 31), 31 + times / 1e4, times) + 1e9
    drawn = clock(r"$\walk$", stamps, times + 1e9, np.sin(times)[:, None])
    samples, raw, repaired = drawn.axes
    assert samples.get_title().startswith(r"$\walk$: stamps up to 98")
    assert encoded(drawn, ".png")
    assert raw.get_xlim() == samples.get_xlim() and 26 < raw.get_xlim()[0] < 26.1
    assert np.diff(repaired.lines[0].get_xdata()).max() < 0.021
    assert np.diff(raw.lines[0].get_xdata()).max() > 0.9


def test_reconstruction_shades_what_was_masked() -> None:
    original = np.random.default_rng(0).normal(size=(50, 2, 3))
    mask = np.zeros(original.shape, dtype=bool)
    mask[10:20] = True
    figure = reconstruction(
        *(original, {"segment": (mask, original + 0.5 * mask)}, 25.0, "walking"),
        *(("hip", "wrist"), ("x", "y", "z"), "Method RobustHAR; budget quick."),
    )
    (axes,) = figure.axes
    assert axes.get_title().startswith(("segment: hip, ", "segment: wrist, "))
    assert "budget quick" in figure.get_supxlabel()
    assert "mean error 0.50" in axes.get_title()
    shown = np.asarray(axes.lines[1].get_ydata(), dtype=float)
    assert np.isfinite(shown).tolist() == mask[:, 0, 0].tolist()


def test_a_dataset_as_a_picture() -> None:
    values = np.random.default_rng(0).normal(size=(50, 3))
    values[10:20] = np.nan
    places = {"hip": (0.1, 0.0, 0.0), "wrist": (0.3, 0.0, -0.05)}
    values[:, 1] *= 1000
    values[:, 2] = np.nan
    examples = [Example(f"c{i}", values) for i in range(6)]
    figure = show("lab", places, examples, 25.0, "hip", ("x", "y", "z"))
    body, *windows = figure.axes
    assert windows[0].get_ylim() == windows[5].get_ylim() and windows[0].get_ylim()[1] < 10
    assert {text.get_text() for text in body.texts} == set(places)
    assert [axes.get_title() for axes in windows] == [f"c{i}" for i in range(6)]


def test_kinds_of_channels_are_bands_and_sensors_in_one_place_one_label() -> None:
    channels = ("acc_x", "acc_y", "gyr_x", "gyr_y", "mag_x")
    values = np.random.default_rng(0).normal(size=(50, 5))
    places = {"acc": (0.3, 0.0, 0.1), "gyr": (0.31, 0.0, 0.1), "hip": (0.1, 0.0, 0.0)}
    examples = [Example(r"$\macro$", values), Example("walk", values)]
    figure = show(r"$\nothing$", places, examples, 25.0, "hip", channels)
    assert encoded(figure, ".png")
    body, first, _ = figure.axes
    assert {text.get_text() for text in body.texts} == {"acc, gyr", "hip"}
    assert [label.get_text() for label in first.get_yticklabels()] == ["acc", "gyr", "mag"]
    middles = [float(np.mean(line.get_ydata())) for line in first.lines]
    assert np.allclose(middles, [0, 0, -6, -6, -12], atol=0.5)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["x", "y"]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: curves.missing(records(SCORES)), "No record has missing data"),
        (lambda: curves.sweep(grid()), "run the protocol balance"),
        (lambda: bars.ablation(grid()), "run the protocol ablation"),
        (lambda: bars.ablation(sweep("full")), "variant 'full' alone"),
        (lambda: curves.labels(grid()), "same labelled share"),
        (lambda: bars.critical_difference(records(SCORES)), "at least 10 complete blocks"),
        (lambda: encoded(Figure(), ".gif"), "ends in .pdf, .png, .svg"),
    ],
)
def test_what_cannot_be_drawn_is_said(draw: Callable[[], object], message: str) -> None:
    with pytest.raises(HarbenchError, match=message):
        draw()


def test_published_numbers_are_the_paper_s() -> None:
    assert [len(published(item)) for item in ("table1", "table2", "table3")] == [12, 54, 81]
    row = published("table3").query(
        "method == 'robusthar' and dataset == 'realworld' and protocol == 'missing-10'"
    )
    assert row["value"].tolist() == [94.04]


def test_ours_beside_the_paper_s() -> None:
    scores = {"robusthar": [93.0, 94.0, 94.5], "cnn": [96.0, 96.5, 97.0]}
    table = beside("table2", records(scores, datasets=("opportunity",)))
    keys = ["dataset", "method", "quantity"]
    row = table.set_index(keys).loc[("opportunity", "robusthar", "accuracy")]
    assert row["published"] == 93.72 and row["inside"] == "yes" and row["n"] == 3
    assert row["difference"] == pytest.approx(93.8333 - 93.72, abs=1e-3)
    own = table.set_index(keys).loc[("opportunity", "cnn", "accuracy")]
    assert np.isnan(own["published"]) and own["inside"] == ""
    absent = table.set_index(keys).loc[("realworld", "timesnet", "f1")]
    assert absent["published"] == 91.77 and np.isnan(absent["ours"])
    assert len(beside("table2", pd.DataFrame())) == 54


def test_the_folder_s_other_protocols_raise_no_curve() -> None:
    frame = pd.concat([grid(), records(SCORES, conditions=(Condition("full-labels", "clean", 0),))])
    for draw in (curves.missing, bars.cost, bars.critical_difference):
        with pytest.raises(HarbenchError, match="never pooled"):
            draw(frame)


def test_ranks_of_blocks_that_share_a_dataset_have_no_p() -> None:
    (axes,) = bars.critical_difference(grid()).axes
    assert axes.get_title() == (
        "10 blocks (dataset, seed), blocks share datasets: descriptive, no test"
    )
    # Three seeds under five conditions are three blocks, not fifteen.
    few = records({name: scores[:3] for name, scores in SCORES.items()}, conditions=(CLEAN, *RATES))
    with pytest.raises(HarbenchError, match="got 3 and 3"):
        bars.critical_difference(few)
    apart = records({name: scores[:1] for name, scores in SCORES.items()}, list("abcdefghij"))
    (axes,) = bars.critical_difference(apart).axes
    assert "Friedman p" in axes.get_title() and "CD = " in axes.get_title()


def ranks_of(drawn: Figure) -> dict[str, float]:
    """What a diagram writes as "name (rank)" at its left and "(rank) name" at its right."""
    words = [re.findall(r"[\w.]+", text.get_text()) for text in drawn.axes[0].texts]
    pairs = [sorted(each) for each in words if len(each) == 2]
    return {name: float(rank) for rank, name in pairs}


def test_ranks_are_of_means_over_the_same_conditions() -> None:
    frame = records(
        {"a": [90.0] * 10, "b": [88.0] * 10, "c": [80.0] * 10}, conditions=(CLEAN, MIXED)
    )
    frame.loc[frame["scale"] == "mixed", "f1_macro"] -= 0.3
    frame = frame[(frame["method"] != "c") | (frame["scale"] == "clean")]
    drawn = bars.critical_difference(frame)
    assert ranks_of(drawn) == {"a": 1, "b": 2, "c": 3}
    assert "all rows have on a dataset (1 in all)" in caption_of(drawn)
    # A dataset whose only sensor cannot be lost counts with what it can lose.
    one = records({"a": [10.0] * 10, "b": [80.0] * 10, "c": [90.0] * 10}, ("z",), (CLEAN,))
    both = bars.critical_difference(pd.concat([frame, one]))
    assert both.axes[0].get_title().startswith("20 blocks")
    assert ranks_of(both) == {"a": 2, "b": 2, "c": 2}


def test_a_sweep_s_points_are_of_the_same_datasets() -> None:
    frame = sweep("lambda 0.1", "lambda 0.5")
    less = frame[frame["variant"] == "lambda 0.1"].assign(dataset="other", f1_macro=0.1)
    drawn = curves.sweep(pd.concat([frame, less.assign(path="other/" + less["path"])]))
    assert {y for line in drawn.axes[0].lines for y in line.get_ydata()} == {91.0}
    assert "Left out, where rows lack: other." in caption_of(drawn)


def test_slopes_are_over_the_rates_of_the_control() -> None:
    frame = grid()
    shorter = frame[(frame["method"] != "cnn") | (frame["rate"] < 0.15)]
    drawn = against.slope(shorter, "robusthar")
    names = {label.get_text() for label in drawn.axes[0].get_yticklabels()}
    assert names == {"RobustHAR", "Hydra"}
    assert "Left out, because conditions lack: CNN." in caption_of(drawn)
    drawn = against.slope(shorter, "cnn")
    assert len(drawn.axes[0].get_yticklabels()) == 3
    assert "Left out, because conditions lack: CNN." in caption_of(
        against.areas(shorter, "robusthar")
    )


def test_learning_curves_say_what_patience_loses() -> None:
    lines = [
        Line("cnn", "dsads", [100, 200, 300], [0.5, 0.7, 0.8], 1, 250),
        Line("cnn", "dsads", [100, 200, 300], [0.6, 0.9, 0.8], 1, 250),
        Line("msgnet", "spar", [50], [0.4], 0, 50),
    ]
    figure = learning(lines)
    assert [axes.get_title() for axes in figure.axes] == ["CNN (10.0, 0.0)", "MSGNet (0.0)"]
    dots = [line.get_xydata() for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert np.allclose(np.concatenate(dots), [[200, 70], [200, 90]])
    ended = learning([Line("cnn", "dsads", [100, 200], [0.5, 0.7], 1, 200)], "quick")
    assert ended.axes[0].get_title() == "CNN"
    with pytest.raises(HarbenchError, match="no learning curve"):
        learning([])
