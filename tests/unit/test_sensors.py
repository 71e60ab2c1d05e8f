"""Which sensors can be lost: Shapley values, sets, scores, the file, tables and the picture."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from unit.toy import training

from harbench.analysis.figures.sensors import sensor_map
from harbench.analysis.figures.style import encoded
from harbench.analysis.sensors import (
    SensorScores,
    activity_rows,
    by_size,
    class_drops,
    notes,
    sensor_values,
    size_rows,
    value_rows,
)
from harbench.analysis.shapley import ordered_gains, shapley
from harbench.data.source import WindowSource
from harbench.errors import HarbenchError
from harbench.evaluation.metrics import scores as class_scores
from harbench.evaluation.predict import predict
from harbench.running.probe_records import read_probe
from harbench.running.sensors import score_sets, sensor_sets
from harbench.training.fit import fit

NUMBERS = st.floats(-100, 100, allow_subnormal=False)
GAMES = st.integers(1, 5).flatmap(lambda n: arrays(np.float64, 2**n, elements=NUMBERS))


def brute_force(values: np.ndarray) -> np.ndarray:
    """The mean over all orders of joining."""
    players = len(values).bit_length() - 1
    orders = list(itertools.permutations(range(players)))
    gains = np.zeros(players)
    for order in orders:
        members = 0
        for player in order:
            gains[player] += values[members | 1 << player] - values[members]
            members |= 1 << player
    return gains / len(orders)


@given(GAMES)
def test_shapley_values_are_means_over_all_orders(values: np.ndarray) -> None:
    found = shapley(values)
    np.testing.assert_allclose(found, brute_force(values), atol=1e-9)
    assert found.sum() == pytest.approx(values[-1] - values[0], abs=1e-9)
    orders = list(itertools.permutations(range(len(found))))
    place = {bits: bits for bits in range(len(values))}
    gains = ordered_gains(values, place, orders)
    np.testing.assert_allclose(gains.mean(axis=0), found, atol=1e-9)
    np.testing.assert_allclose(gains.sum(axis=1), values[-1] - values[0], atol=1e-9)


@given(GAMES)
def test_a_player_that_adds_nothing_is_worth_nothing(values: np.ndarray) -> None:
    # A further player whose presence changes no value.
    found = shapley(np.concatenate([values, values]))
    assert found[-1] == 0
    np.testing.assert_allclose(found[:-1], shapley(values), atol=1e-9)


@given(GAMES, st.randoms(use_true_random=False))
def test_renamed_players_keep_their_values(values: np.ndarray, random: Any) -> None:
    players = len(values).bit_length() - 1
    names = random.sample(range(players), players)
    renamed = np.empty_like(values)
    for bits in range(len(values)):
        renamed[sum(1 << names[i] for i in range(players) if bits >> i & 1)] = values[bits]
    np.testing.assert_allclose(shapley(renamed)[names], shapley(values), atol=1e-9)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_values_of_no_game_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="2\\^n"):
        shapley(np.zeros(count))


@given(st.integers(1, 30))
def test_sets_of_sensors(sensors: int) -> None:
    sets, orders = sensor_sets(sensors)
    known = {frozenset(each) for each in sets}
    assert len(known) == len(sets) and [len(s) for s in sets] == sorted(len(s) for s in sets)
    assert (sets, orders) == sensor_sets(sensors)
    assert frozenset(range(sensors)) in known
    if sensors <= 8:
        assert len(sets) == 2**sensors - 1 and not orders
        return
    assert len(sets) <= max(256, 12 * sensors) and len(orders) >= 10
    for size in range(1, sensors):
        assert len([s for s in known if len(s) == size]) >= 9
    assert all(frozenset(o[:k]) in known for o in orders for k in range(1, sensors + 1))


def made_up(
    sensors: int = 3, seeds: int = 3, additive: bool = True, classes: int = 2
) -> SensorScores:
    """Sensor i is worth 10 (i + 1) points in every set, plus noise per seed."""
    sets, orders = sensor_sets(sensors)
    kept = np.zeros((len(sets), sensors), dtype=bool)
    for row, members in enumerate(sets):
        kept[row, members] = True
    draws = np.random.default_rng(0)
    scores = 5 + kept @ (10.0 * np.arange(1, sensors + 1)) + np.arange(seeds)[:, None]
    if not additive:
        scores = scores + draws.normal(size=scores.shape)
    return SensorScores(
        method="cnn",
        dataset="lab",
        sensors=tuple(f"place {i}" for i in range(sensors)),
        positions=tuple((0.1 * (i - 1), 0.0, 0.2 * i) for i in range(sensors)),
        classes=tuple(f"doing {k}" for k in range(classes)),
        kept=kept,
        scores=scores,
        none=5.0 + np.arange(seeds),
        per_class=np.stack([scores / (k + 1) for k in range(classes)], axis=2),
        orders=tuple(map(tuple, orders)),
        ratio=0.5,
    )


@pytest.mark.parametrize("sensors", [2, 3, 9])
def test_additive_sensors_are_worth_what_they_add(sensors: int) -> None:
    values = sensor_values(made_up(sensors))
    assert [v.mean for v in values] == pytest.approx([10.0 * (i + 1) for i in range(sensors)])
    assert [v.seed_error for v in values] == pytest.approx([0.0] * sensors, abs=1e-9)
    assert [v.order_error for v in values] == pytest.approx([0.0] * sensors, abs=1e-9)


def test_the_standard_error_has_the_corrected_variance() -> None:
    scores = replace(made_up(2), ratio=0.5)
    scores.scores[:, 2] += [0.0, 3.0, 6.0]
    first = sensor_values(scores)[0]
    assert first.seed_error == pytest.approx(1.5 * math.sqrt(1 / 3 + 0.5))
    one = made_up(2, seeds=1)
    assert math.isnan(sensor_values(one)[0].seed_error)
    assert value_rows(one)[1][2] == "-"


def test_sampled_orders_have_an_error_of_their_own() -> None:
    values = sensor_values(made_up(10, additive=False))
    assert all(value.order_error > 0 for value in values)
    total = sum(value.mean for value in values)
    scores = made_up(10, additive=False)
    wanted = scores.scores[:, scores.everything].mean() - scores.none.mean()
    assert total == pytest.approx(wanted)
    assert value_rows(scores)[0][3] == "± orders" and "sampled" in notes(scores)[-1]


def test_worst_and_best_sets_of_each_size() -> None:
    scores = made_up(3)
    assert [size.lost for size in by_size(scores)] == [0, 1, 2]
    rows = size_rows(scores)[1:]
    assert rows[0] == ["0", "1", "66.0", "66.0", "all", "66.0", "all"]
    assert rows[1][3:] == ["36.0", "without place 2", "56.0", "without place 0"]
    assert rows[2][1:] == ["3", "26.0", "16.0", "only place 0", "36.0", "only place 2"]
    assert [row[0] for row in value_rows(scores)[1:]] == ["place 2", "place 1", "place 0"]
    assert value_rows(scores)[1] == ["place 2", "30.0", "0.0", "36.0", "36.0"]


def test_what_an_activity_loses_without_a_sensor() -> None:
    scores = made_up(3)
    np.testing.assert_allclose(class_drops(scores), [[10, 20, 30], [5, 10, 15]])
    scores.per_class[:, :, 0] = math.nan
    scores.per_class[0, :, 1] = math.nan
    assert activity_rows(scores)[1:] == [
        ["doing 1", "5.0", "10.0", "15.0"],
        ["doing 0", "-", "-", "-"],
    ]


def test_the_picture_says_what_the_tables_say() -> None:
    figure = sensor_map([made_up(3, classes=25), replace(made_up(3), method="hydra")])
    texts = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert {"place 2\n30.0 ± 0.0", "place 0\n10.0 ± 0.0", "20"} <= texts
    heat = figure.axes[2]
    assert len(heat.get_yticklabels()) == 20 and "5 activities" in heat.get_xlabel()
    assert figure.axes[3].get_title().startswith("Hydra, lab")
    lines = {str(line.get_label()): line for line in figure.axes[1].lines}
    np.testing.assert_allclose(np.asarray(lines["worst set"].get_ydata(), float), [66, 36, 16])
    again = sensor_map([made_up(3, classes=25), replace(made_up(3), method="hydra")])
    assert encoded(figure, ".svg") == encoded(again, ".svg")


def test_sensors_in_one_place_are_drawn_apart() -> None:
    scores = replace(made_up(3), positions=((0.3, 0, 0.1), (0.31, 0, 0.1), (-0.3, 0, 0.1)))
    places = [c.get_offsets()[0] for c in sensor_map([scores]).axes[0].collections]
    assert places[0][1] - places[1][1] > 0.16 and places[2][1] == places[0][1]


@settings(max_examples=10)
@given(st.lists(st.tuples(*[st.floats(-0.4, 0.4)] * 2, st.floats(-1, 0.8)), min_size=3, max_size=3))
def test_texts_beside_the_body_do_not_cover_each_other(places: list[Any]) -> None:
    body = sensor_map([replace(made_up(3), positions=tuple(places))]).axes[0]
    texts = [text.get_position() for text in body.texts]
    assert len(texts) == 3
    for (x, y), (other, height) in itertools.combinations(texts, 2):
        assert x != other or abs(y - height) > 0.2


def test_a_set_is_scored_as_a_run_scores_it_and_empty_windows_get_the_usual_class() -> None:
    setup = training()
    windows = setup.dataset.windows.copy()
    test = setup.split.test
    windows[test[0], :, 0] = np.nan
    setup = replace(setup, dataset=replace(setup.dataset, windows=windows))
    fitted = fit(setup)
    source = WindowSource(
        setup.dataset, test, fitted.standardiser, fitted.network["head"].weight.device
    )
    predicted = predict(setup.method, fitted.network, source, setup.seed).argmax(dim=1).numpy()
    true = setup.dataset.labels[test]
    none, first, _, everything = score_sets(setup, fitted, [[], [0], [1], [0, 1]])
    assert everything.f1_macro == class_scores(true, predicted, 3)["f1_macro"]
    usual = np.bincount(setup.dataset.labels[setup.split.labelled]).argmax()
    constant = class_scores(true, np.full(len(true), usual), 3)
    assert none.f1_per_class == constant["f1_per_class"]
    # The same windows with sensor 1 taken away by hand.
    gone = windows.copy()
    gone[:, :, 1] = np.nan
    source = WindowSource(
        replace(setup.dataset, windows=gone), test[1:], fitted.standardiser, source.device
    )
    rest = predict(setup.method, fitted.network, source, setup.seed).argmax(dim=1).numpy()
    assert first.accuracy == np.mean(np.concatenate([[usual], rest]) == true)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "sensors.json"
    path.write_text(json.dumps({"schema": 1}))
    with pytest.raises(HarbenchError, match=r"sensors\.json: .*--force"):
        read_probe(path)
    with pytest.raises(HarbenchError, match="cannot be read"):
        read_probe(tmp_path / "absent.json")
