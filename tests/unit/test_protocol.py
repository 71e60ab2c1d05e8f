"""The shipped protocols say what the paper and the design say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harbench import registry
from harbench.analysis import pairs
from harbench.analysis.statistics import TESTS
from harbench.errors import HarbenchError
from harbench.options import build
from harbench.protocol import (
    ORDER,
    Condition,
    Corruption,
    Loss,
    Protocol,
    Significance,
    read_protocol,
)

NAMES = registry.protocol_names()
RANDOM_15 = (
    *("clean", "missing-5", "missing-10", "missing-15", "missing-10-train"),
    *("ablation", "balance", "mask-rate"),
)
GRID = [0.1, 0.3, 0.5, 0.7, 0.9]


def test_the_shipped_names() -> None:
    assert set(NAMES) >= {*RANDOM_15, "full-labels", "subject", "loso", "recording"}


@pytest.mark.parametrize("name", NAMES)
def test_each_is_valid_and_complete(name: str) -> None:
    protocol = registry.protocol(name)
    assert protocol.name == name and protocol.description.endswith(".")
    assert protocol.conditions[0] == Condition()


@pytest.mark.parametrize("name", RANDOM_15)
def test_the_paper_s_rules(name: str) -> None:
    protocol = registry.protocol(name)
    assert protocol.split == "random" and protocol.label_fraction == 0.15
    assert protocol.seeds == (0, 1, 2, 3, 4)
    assert (protocol.train_missing != Condition()) == (name == "missing-10-train")
    config = registry.method_class("robusthar").Config
    for label, values in protocol.variants.items():
        build(config, values, label)


def test_the_other_splits() -> None:
    assert registry.protocol("full-labels").label_fraction == 1.0
    assert registry.protocol("loso").seeds == "subjects"
    for name in ("subject", "loso", "recording"):
        assert registry.protocol(name).split == name


@pytest.mark.parametrize("percent", [5, 10, 15])
def test_missing_r_has_four_scales_and_clean(percent: int) -> None:
    protocol = registry.protocol(f"missing-{percent}")
    rate = percent / 100
    assert protocol.headline.scale == "mixed" and protocol.headline.rate == rate
    assert [(c.scale, c.rate) for c in protocol.conditions] == [
        ("clean", 0.0),
        ("mixed", rate),
        ("segment", rate),
        ("channel", rate),
        ("sensor", rate),
    ]


def test_robust_has_the_full_set_in_the_order_of_scales() -> None:
    protocol, paper = registry.protocol("robust"), registry.protocol("missing-10")
    assert protocol.split == "subject" and protocol.seeds == (0, 1, 2, 3, 4)
    assert protocol.significance == paper.significance and protocol.headline == paper.headline
    found = protocol.conditions
    assert [c.scale for c in found] == sorted((c.scale for c in found), key=ORDER.__getitem__)
    for scale in ("mixed", "segment", "channel", "sensor"):
        rates = [c.rate for c in found if c.scale == scale]
        assert rates == [0.05, 0.10, 0.15, 0.25, 0.50]
    assert {c.scale for c in found} == {*ORDER} - {"gaps"}


def test_the_analysis_orders_scales_as_protocols_do() -> None:
    assert pairs.ORDER == ORDER
    assert (*get_args(Corruption), *get_args(Loss)) == pairs.SCALES


def test_rules_that_a_protocol_does_not_use_are_in_no_record() -> None:
    """Committed records stay those of today's protocols."""
    path = next(Path(__file__).parents[2].glob("results/dsads/subject/quick/cnn/seed-0.json"))
    rules = json.loads(path.read_text())["identity"]["rules"]
    assert registry.protocol("subject").rules() == rules
    assert {"losses", "replay"} <= set(registry.protocol("robust").rules())


def test_a_record_names_the_gaps_by_their_digest_not_their_place() -> None:
    rules = registry.protocol("robust").rules()
    assert set(rules["replay"]) == {"name", "sha256"}
    rules.pop("folds")
    again = Protocol(name="robust", description="", **rules)
    assert again.conditions == registry.protocol("robust").conditions


def test_the_sweeps() -> None:
    balance = registry.protocol("balance").variants.values()
    assert [values["lam"] for values in balance] == GRID
    rates = registry.protocol("mask-rate").variants.values()
    assert [values["mask_rate"] for values in rates] == GRID
    ablation = registry.protocol("ablation").variants
    assert ablation["full"] == {} and {"w/o LST-3D", "w/o MSTM", "w/o AMFF"} < set(ablation)


@pytest.mark.parametrize("name", RANDOM_15)
def test_the_significance_test_is_fixed_beforehand(name: str) -> None:
    said = registry.protocol(name).significance
    assert (said.test, said.family, said.alpha) == ("nb-t", "column", 0.05)


@given(
    rate=st.floats(-1, 2, allow_nan=False) | st.just(0.0),
    scale=st.sampled_from(["clean", "complete", "gaps", "sensor", "no"]),
)
def test_corruptions_have_a_rate_and_nothing_else_has(rate: float, scale: str) -> None:
    natural = scale in ("clean", "complete", "gaps") and rate == 0
    valid = natural or (scale == "sensor" and 0 < rate < 1)
    try:
        Condition(scale=scale, rate=rate)  # type: ignore[arg-type]
        accepted = True
    except ValueError:
        accepted = False
    assert accepted == valid


def test_natural_compares_windows_with_and_without_gaps() -> None:
    protocol = registry.protocol("natural")
    assert [str(c) for c in protocol.conditions] == ["clean", "complete", "gaps"]
    assert str(protocol.headline) == "gaps" and protocol.train_missing == Condition()


def test_training_windows_cannot_be_chosen_by_their_gaps(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('description = "x"\ntrain_missing = { scale = "gaps" }\n')
    with pytest.raises(HarbenchError, match="train_missing cannot be gaps: write a scale"):
        read_protocol(path)


def test_subjects_as_seeds_need_loso(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('description = "x"\nseeds = "subjects"\n')
    with pytest.raises(HarbenchError, match=r'mine\.toml: file: seeds = "subjects" goes with'):
        read_protocol(path)


def test_one_sensor_goes_without_sensor_losses() -> None:
    rules = registry.protocol("missing-10")
    assert rules.fitting(5, 9) is rules
    assert rules.fitting(1, 3).scales == ("mixed", "segment", "channel")
    assert rules.fitting(1, 1).scales == ("mixed", "segment")
    headline = {"scale": "sensor", "rate": 0.1}
    only = type(rules).model_validate({**rules.model_dump(), "headline": headline})
    assert str(only.fitting(1, 3).headline) == "clean"
    robust = registry.protocol("robust").fitting(1, 1)
    assert {c.scale for c in robust.conditions} == {
        *("clean", "mixed", "segment", "joint", "stuck", "saturated", "replay", "complete")
    }


@pytest.mark.parametrize("name", NAMES)
def test_macro_f1_decides(name: str) -> None:
    protocol = registry.protocol(name)
    assert protocol.headline.metric == "f1_macro"
    assert {"f1_macro", "accuracy"} <= set(protocol.metrics)


def test_the_known_tests_are_those_of_the_analysis() -> None:
    for name in TESTS:
        assert Significance(test=name).test == name  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('significance = { test = "t-test" }', r"significance\.test: .*'nb-t'"),
        ("seeds = []", "seeds is empty"),
        ("seeds = [0, 1, 1]", "names a seed twice"),
        ("variants = {}", "variants is empty"),
        ("label_fraction = true", "label_fraction: write a number"),
        ("losses = { bursts = [0.1] }", r"losses\.bursts.*'burst'"),
        ("losses = { burst = [] }", r"losses\.burst: .*at least 1"),
        ("losses = { burst = [1.5] }", r"losses\.burst\.0: .*less than 1"),
        ("replay = 3", "replay: write the name of a file of gaps"),
        ('replay = "hugadb"', "replay: Unknown file of gaps 'hugadb'. Did you mean 'hugadb-gaps'"),
        ('replay = "no.json"', "replay: cannot read .*no.json: No such file"),
        ('train_missing = { scale = "replay" }', "train_missing cannot be replay"),
        ('scales = ["mixed"]', "scales and rates go together.*: rates is empty"),
        ("rates = [0.1]", "scales and rates go together.*: scales is empty"),
        ("variants = { a = { width = 8 }, b = { width = 8 } }", "two variants have the same"),
    ],
)
def test_impossible_rules_are_refused_in_words(line: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'description = "x"\n{line}\n')
    with pytest.raises(HarbenchError, match=rf"mine\.toml: .*{said}"):
        read_protocol(path)
