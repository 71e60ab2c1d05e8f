"""Which records are paired, and which are averaged together."""

from __future__ import annotations

import pytest
from unit.frames import CLEAN, MIXED, RULES, SCORES, records, written

from harbench import registry
from harbench.analysis.compare import compare
from harbench.analysis.pairs import Condition, everywhere, named, pairs, shared
from harbench.analysis.table import paper_table
from harbench.cli.table import headline
from harbench.errors import HarbenchError


def test_pairs_average_conditions_inside_a_seed() -> None:
    frame = named(records({"a": [1, 2, 3], "b": [0, 0, 0]}, conditions=(CLEAN, MIXED)))
    frame.loc[(frame["method"] == "a") & (frame["scale"] == "mixed"), "accuracy"] = 0.0
    frame["rules"] = frame["rules"].iloc[0]
    frame["protocol"] = "missing-10"
    pair = pairs(frame, "a", "b", "accuracy")
    assert [d.tolist() for d in pair.differences] == [[0.5, 1.0, 1.5]]
    assert pair.ratios == [0.125] and pair.datasets == ["dsads"] and pair.dropped == 0
    assert [each.tolist() for each in pair.scores[0]] == [[0.5, 1.0, 1.5], [0, 0, 0]]


def test_a_fixed_split_needs_no_correction() -> None:
    frame = named(records({"a": [1, 2], "b": [0, 0]}, split="the one"))
    assert pairs(frame, "a", "b", "accuracy").ratios == [0.0]


def test_blocks_without_a_partner_are_dropped() -> None:
    frame = named(records({"a": [1, 2, 3], "b": [0, 0]}, datasets=("x", "y")))
    frame = frame[~((frame["method"] == "b") & (frame["dataset"] == "y"))]
    pair = pairs(frame, "a", "b", "accuracy")
    assert pair.datasets == ["x"] and pair.differences[0].tolist() == [1, 2]
    assert pair.dropped == 1 + 3


def test_rows_without_a_common_seed_are_not_paired() -> None:
    frame = named(records(SCORES, datasets=("x", "y", "z")))
    ours, theirs = frame["method"] == "robusthar", frame["method"] == "cnn"
    frame = frame[~((frame["dataset"] == "z") & ((ours & (frame["seed"] == 0)) |
                                                 (theirs & (frame["seed"] > 0))))]  # fmt: skip
    pair = pairs(frame, "robusthar", "cnn", "f1_macro")
    assert pair.datasets == ["x", "y"] and pair.dropped == 5
    table = paper_table(frame, [CLEAN], RULES)
    cell = table.rows["cnn"][2]
    assert cell and cell.result is None
    assert table.overall["cnn"].n == 10 and "nan" not in written(table, "markdown")
    rests = "(dataset, seed) blocks that a difference rests on: CNN 10, bad_one 14."
    assert rests in table.notes


def test_scores_of_a_pair_are_of_what_both_have() -> None:
    frame = named(records({"a": [1, 2, 3], "b": [0, 4, 0]}, conditions=(CLEAN, MIXED)))
    frame["rules"] = frame["rules"].iloc[0]
    frame.loc[(frame["method"] == "a") & (frame["scale"] == "mixed"), "accuracy"] = 0.5
    lacks = (frame["method"] == "b") & (frame["scale"] == "mixed")
    (row,) = compare(frame[~lacks], "a", "b", "accuracy", "nb-t")
    assert row.ahead == (6, 9) and row.result.effect == pytest.approx(2 / 3)
    with pytest.raises(HarbenchError, match="compared with itself"):
        compare(frame, "a", "a", "accuracy", "nb-t")


def test_means_over_datasets_are_of_the_same_ones() -> None:
    frame = named(records(SCORES, datasets=("x", "y"), conditions=(CLEAN, MIXED)))
    lacks = (frame["method"] == "cnn") & (frame["dataset"] == "y") & (frame["rate"] > 0)
    assert set(everywhere(frame, ["rate"])["dataset"]) == {"x", "y"}
    assert set(everywhere(frame[~lacks], ["rate"])["dataset"]) == {"x"}
    late = lacks & (frame["seed"] > 2)
    seeds = everywhere(frame[~late], ["scale", "rate"]).groupby(["name", "dataset"])["seed"]
    assert seeds.unique().map(sorted).to_dict() == {
        (name, dataset): [0, 1, 2] if (name, dataset) == ("cnn", "y") else [0, 1, 2, 3, 4]
        for name in SCORES
        for dataset in ("x", "y")
    }
    kept = shared(frame[~lacks], ["dataset", "rate"])
    assert set(zip(kept["dataset"], kept["rate"], strict=True)) == {("x", 0), ("x", 0.1), ("y", 0)}
    apart = (frame["method"] == "cnn") == (frame["dataset"] == "x")
    with pytest.raises(HarbenchError, match="No dataset has all rows"):
        everywhere(frame[apart], ["rate"])
    with pytest.raises(HarbenchError, match="no dataset, rate in common"):
        shared(frame[apart], ["dataset", "rate"])


def test_parts_of_the_clean_windows_count_once() -> None:
    whole, part = (Condition("robust", scale, 0.0) for scale in ("clean", "complete"))
    frame = named(records({"a": [1, 2, 3], "b": [0, 4, 0]}, conditions=(whole, part)))
    frame.loc[(frame["scale"] == "complete") & (frame["name"] == "a"), "accuracy"] = 0.9
    (pair,) = pairs(frame, "a", "b", "accuracy").differences
    assert pair.tolist() == [1, -2, 3]
    apart = frame[frame["scale"] == "complete"]
    assert pairs(apart, "a", "b", "accuracy").differences[0].tolist() == [90, 86, 90]


@pytest.mark.parametrize(
    ("protocol", "scale", "rate"),
    [("subject", "sensor", 0.1), ("robust", "strap", 0.25), ("robust", "sensor", 0.1),
     ("missing-10", "clean", 0.0), ("natural", "gaps", 0.0)],
)  # fmt: skip
def test_another_scale_than_the_headline(protocol: str, scale: str, rate: float) -> None:
    wanted = Condition(protocol, scale, rate)
    assert headline(registry.protocol(protocol), scale) == wanted


def test_a_scale_that_a_protocol_lacks() -> None:
    clean = registry.protocol("clean")
    # Beside the columns of a protocol that has the scale.
    assert headline(clean, "sensor") == CLEAN
    for name in ("clean", "subject", "robust"):
        with pytest.raises(HarbenchError, match="Unknown scale"):
            headline(registry.protocol(name), "nonsense")
    several = registry.protocol("robust").model_copy(update={"headline": clean.headline})
    with pytest.raises(HarbenchError, match="mixed at 5 %, 10 %, 15 %"):
        headline(several, "mixed")
