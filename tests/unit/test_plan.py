"""From names to runs: order, identity, presets; and from records to frames."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from harbench.methods.robusthar import RobustHAR
from hypothesis import given
from hypothesis import strategies as st
from unit.frames import made_up_identity, made_up_record

from harbench import registry
from harbench.analysis.summary import summarise
from harbench.data import store
from harbench.errors import HarbenchError
from harbench.options import as_json
from harbench.running.configure import configure, other_default
from harbench.running.estimate import total_seconds
from harbench.running.grid import Grid, parse_seeds
from harbench.running.plan import Run, make_plan, training_of
from harbench.running.records import SCHEMA, Failure, Identity, Record
from harbench.running.rows import frame
from harbench.running.store import ResultStore
from harbench.training.identity import stage_keys

DATASET = "bodysim+activities=3+seconds=24.0+sensors=3+subjects=3"


def plan(
    methods: Sequence[str],
    protocols: Sequence[str] = ("clean",),
    seeds: Sequence[int] = (0,),
    **more: Any,
) -> list[Run]:
    """A tiny grid's runs."""
    return make_plan(Grid(methods, protocols, [DATASET], seeds, "smoke", "cpu", **more))


@given(st.lists(st.integers(0, 99), min_size=1, max_size=8, unique=True))
def test_seeds_are_read_as_written(seeds: list[int]) -> None:
    assert parse_seeds(",".join(map(str, seeds))) == seeds
    first, last = min(seeds), max(seeds)
    assert parse_seeds(f"{first}-{last}") == list(range(first, last + 1))


def test_the_grid() -> None:
    runs = plan(["robusthar"] * 2, ["clean", "missing-5"], [3, 1])
    assert [(r.protocol.name, r.seed) for r in runs] == [
        ("clean", 3),
        ("clean", 1),
        ("missing-5", 3),
        ("missing-5", 1),
    ]
    assert {r.label for r in runs} == {"robusthar"}


def test_settings_and_specs_name_the_same_configuration() -> None:
    first = plan(["robusthar+lam=0.3"])
    second = plan(["robusthar"], settings={"lam": 0.3})
    assert first == second and first[0].label == "robusthar+lam=0.3"


def test_a_dataset_s_preset_is_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RobustHAR, "presets", {"bodysim": {"lam": 0.7}})
    data = store.load(DATASET)
    found = configure("robusthar", data, {})
    assert found.method.config.lam == 0.7 and found.label == "robusthar"
    found = configure("robusthar", data, {"lam": 0.5})
    assert found.method.config.lam == 0.5 and found.label == "robusthar+lam=0.5"


def test_a_named_preset_is_asked_for_and_yields_to_all_that_is_more_special(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RobustHAR, "named_presets", {"wide": {"width": 128, "lam": 0.1}})
    data = store.load(DATASET)
    found = configure("robusthar+preset=wide", data, {})
    assert (found.method.config.width, found.method.config.lam) == (128, 0.1)
    assert found.label == "robusthar+lam=0.1+width=128", "one configuration has one name"
    monkeypatch.setattr(RobustHAR, "presets", {"bodysim": {"lam": 0.7}})
    found = configure("robusthar+preset=wide+width=32", data, {})
    assert (found.method.config.width, found.method.config.lam) == (32, 0.7)
    assert found.label == "robusthar+width=32"
    with pytest.raises(HarbenchError, match=r"Unknown preset of method 'robusthar' 'wade'.*'wide'"):
        configure("robusthar+preset=wade", data, {})
    with pytest.raises(HarbenchError, match="Unknown preset of method 'cnn'"):
        configure("cnn+preset=wide", data, {})


def test_identity_ignores_the_protocol_s_words_and_seeds() -> None:
    run = plan(["robusthar"], ["missing-10"])[0]
    rules = {"split", "label_fraction", "scales", "rates", "train_missing"}
    assert set(run.identity.rules) == rules


def record(run_seed: int, right: int) -> Record:
    """A record of which `right` of 20 test windows are predicted as they are."""
    run = plan(["robusthar"], seeds=[run_seed])[0]
    return made_up_record(run.identity, right)


def test_records_are_found_by_identity(tmp_path: Path) -> None:
    run = plan(["robusthar"])[0]
    results = ResultStore(tmp_path)
    assert results.find(run) is None
    results.write(run, record(0, 16))
    found = results.find(run)
    assert found is not None
    assert found.model_dump(mode="json") == record(0, 16).model_dump(mode="json")
    changed = dataclasses.replace(
        run, identity=run.identity.model_copy(update={"code": "another implementation"})
    )
    assert results.find(changed) is None
    raw = results.path(run).read_text()
    assert '"schema": 2' in raw and "[8, 2]" in raw


def test_a_failure_lies_beside_and_goes_when_the_run_succeeds(tmp_path: Path) -> None:
    run = plan(["robusthar"])[0]
    good = record(0, 16)
    bad = Failure(
        schema=SCHEMA,
        status="failed",
        identity=good.identity,
        variant="",
        mendable=False,
        error="e",
        traceback="t",
        provenance=good.provenance,
    )
    results = ResultStore(tmp_path)
    results.write(run, bad)
    assert results.find(run) is None and len(results.failures()) == 1
    assert results.read().records == []
    results.write(run, good)
    assert results.failures() == [] and len(results.read().records) == 1


def test_the_summary_is_mean_and_standard_deviation_over_seeds(tmp_path: Path) -> None:
    results = ResultStore(tmp_path)
    for seed, right in enumerate((16, 18, 17)):
        run = plan(["robusthar"], seeds=[seed])[0]
        results.write(run, record(seed, right))
    table = frame(results.read().records)
    assert table["leakage"].tolist() == [0.25] * 3
    (row,) = summarise(table, ["accuracy"]).to_dict("records")
    assert row["accuracy_mean"] == pytest.approx(85.0)
    assert row["accuracy_sd"] == pytest.approx(5.0) and row["n_seeds"] == 3
    (single,) = summarise(table[:1], ["accuracy"]).to_dict("records")
    assert pd.isna(single["accuracy_sd"])


def test_wall_time_of_parallel_jobs() -> None:
    assert total_seconds([3, 3, 3, 3, 3], 2) == 9
    assert total_seconds([10, 1, 1, 1], 2) == 10
    assert total_seconds([], 4) == 0


@pytest.mark.parametrize("name", ["...toml", ".hidden.toml"])
def test_a_protocol_names_no_other_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text('description = "x"\n')
    with pytest.raises(HarbenchError, match="cannot name a folder"):
        plan(["cnn"], [str(tmp_path / name)])


def test_names_are_listed_without_importing() -> None:
    assert "robusthar" in registry.method_names()
    assert {"bodysim", "dsads", "spar"} <= set(registry.dataset_names())


def test_augmentation_is_a_row_of_its_own() -> None:
    plain, other = plan(["cnn", "cnn+augment=corruption+width=8"])
    assert (plain.options.augment, plain.identity.augment, plain.label) == ("none", "none", "cnn")
    assert other.identity.augment == "corruption"
    assert other.label == "cnn+augment=corruption+width=8"
    data = store.load(DATASET)
    assert stage_keys(training_of(plain, data)) != stage_keys(training_of(other, data))


def test_augmentation_shares_pre_training() -> None:
    runs = plan(["robusthar", "robusthar+augment=corruption"])
    data = store.load(DATASET)
    plain, other = (stage_keys(training_of(run, data)) for run in runs)
    assert plain[0] == other[0] and plain[1] != other[1]


def test_imputation_and_indicator_are_a_row_and_shared_training_where_nothing_lacks() -> None:
    specs = ["cnn", "cnn+impute=zero+indicator=false", "cnn+impute=linear", "cnn+indicator=true"]
    data = store.load(DATASET)
    runs = plan(specs)
    plain, linear, wide = runs
    assert plain.label == "cnn"
    # What was written before there were these options, and its digest, stays valid.
    assert not {"impute", "indicator"} & plain.identity.model_dump().keys()
    assert (linear.identity.impute, linear.label) == ("linear", "cnn+impute=linear")
    assert (wide.identity.indicator, wide.label) == (True, "cnn+indicator=true")
    for run in runs:
        again = Identity.model_validate_json(run.identity.model_dump_json())
        assert again == run.identity
    keys = [stage_keys(training_of(run, data)) for run in runs]
    assert keys[0] == keys[1] != keys[2]


def test_pre_training_left_out_is_a_row_of_its_own() -> None:
    plain, scratch = plan(["simmtm", "simmtm+pretrain=true", "simmtm+pretrain=false"])
    assert plain.label == "simmtm" and "pretrain" not in plain.identity.model_dump()
    assert scratch.label == "simmtm+pretrain=false" and not scratch.identity.pretrain
    trained, untrained = (training_of(run, store.load(DATASET)) for run in (plain, scratch))
    assert [stage.name for stage in trained.stages()] == ["pretrain", "finetune"]
    assert [stage.name for stage in untrained.stages()] == ["finetune"]
    assert not set(stage_keys(trained)) & set(stage_keys(untrained))


@pytest.mark.parametrize(
    ("key", "what"), [("code", "the code of method 'cnn'"), ("fingerprint", "the data of")]
)
def test_what_changed_since_it_was_planned_is_not_run(key: str, what: str) -> None:
    """A worker imports a method and loads data when its turn comes, perhaps hours later."""
    (run,) = plan(["cnn"])
    planned = run.identity.model_copy(update={key: "0" * 64})
    with pytest.raises(HarbenchError, match=f"{what}.* has changed since this run was planned"):
        training_of(replace(run, identity=planned), store.load(DATASET))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("random_forest+augment=corruption", "not trained by gradients"),
        ("cnn+augment=noise", "Unknown augment 'noise'"),
        ("cnn+impute=spline", "Unknown impute 'spline'"),
        ("cnn+impute=liner", "Did you mean 'linear'"),
        ("cnn+impute=saits", "needs pypots"),
        ("cnn+indicator=maybe", "Unknown indicator 'maybe'"),
        ("cnn+pretrain=false", "has no pre-training"),
        ("robusthar+mstm=false+pretrain=false", "has no pre-training"),
        ("robusthar+fill=decoder+pretrain=false", "its stage 'keep' keeps what pre-training"),
        ("cnn+tuned=20", "option of the command: --tuned"),
    ],
)
def test_options_of_a_run_are_checked(
    spec: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pypots", None)
    with pytest.raises(HarbenchError, match=message):
        plan([spec])


@pytest.mark.parametrize("text", ["²", "1-", "-1", "", " ", "1,", "0-٣", "1-2-3", "1.5", "0x1"])
def test_what_is_no_seed_is_refused(text: str) -> None:
    with pytest.raises(HarbenchError, match="Cannot read seeds"):
        parse_seeds(text)


@pytest.mark.parametrize("text", ["0-999999999", "0-9999,10000"])
def test_too_many_seeds_are_refused_before_they_are_counted_out(text: str) -> None:
    with pytest.raises(HarbenchError, match="too many: at most 10,000"):
        parse_seeds(text)


def test_a_record_from_before_a_default_changed_is_named() -> None:
    """Its folder says `cnn`, which stands for other numbers today."""
    config = as_json(asdict(registry.method_class("cnn").Config()))
    now = made_up_identity(0).model_copy(update={"method": "cnn", "config": config})
    assert other_default("cnn", now) == ""
    assert other_default("cnn+augment=corruption", now) == ""
    older = now.model_copy(update={"config": {**config, "width": 7}})
    assert "width=7, which its name does not say" in other_default("cnn", older)
    assert other_default("cnn+width=7", older) == ""
    assert other_default("cnn+tuned=8", older.model_copy(update={"tuned": 8})) == ""
    fewer = now.model_copy(update={"config": {k: v for k, v in config.items() if k != "width"}})
    assert other_default("cnn", fewer) == ""
    assert other_default("my_net", older.model_copy(update={"method": "my_net"})) == ""


def test_a_default_that_is_written_out_is_no_second_run() -> None:
    assert len(plan(["cnn", "cnn+width=64"])) == 1


def test_two_variants_of_one_configuration_are_refused(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep.toml"
    sweep.write_text('description = "Two."\n[variants]\n"default" = {}\n"w64" = { width = 64 }\n')
    with pytest.raises(HarbenchError, match="'default' and 'w64' are one configuration, cnn"):
        plan(["cnn"], [str(sweep)])


def test_training_losses_that_are_impossible_are_found_before_any_run(tmp_path: Path) -> None:
    rules = tmp_path / "lossy.toml"
    rules.write_text('description = "Lossy."\ntrain_missing = { scale = "sensor", rate = 0.1 }\n')
    one = "bodysim+activities=3+seconds=24.0+sensors=1+subjects=3"
    with pytest.raises(HarbenchError, match="sensor"):
        make_plan(Grid(["cnn"], [str(rules)], [one], [0], "smoke"))
