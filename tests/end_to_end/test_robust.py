"""The protocol robust: one training for every condition, whatever the data can lose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from end_to_end.commands import DATASET, Cli, read

from harbench import registry
from harbench.protocol import ORDER
from harbench.running.records import Record

RUN = ("run", "--method", "cnn", "--set", "width=8", "--budget", "smoke", "--seeds", "0")


def record(root: Path, protocol: str, dataset: str = DATASET) -> dict[str, Any]:
    (path,) = (root / "results" / dataset / protocol).rglob("seed-0.json")
    return read(path)


def test_one_training_serves_every_condition(cli: Cli, tmp_path: Path) -> None:
    """The split is part of a training: three protocols that split alike train once."""
    clean = tmp_path / "clean-people.toml"
    clean.write_text('description = "x."\nsplit = "subject"\nseeds = [0, 1, 2, 3, 4]\n')
    protocols = (str(clean), "subject", "robust")
    answer = cli(*RUN, "--dataset", DATASET, *(f"--protocol={name}" for name in protocols))
    assert answer.code == 0, answer.err
    assert len(list((tmp_path / "cache" / "stages").glob("*.safetensors"))) == 1
    cached = [
        record(tmp_path, name)["cost"]["stages"][0]["cached"]
        for name in ("clean-people", "subject", "robust")
    ]
    assert sorted(cached) == [False, True, True]
    found = record(tmp_path, "robust")
    Record.model_validate_json(json.dumps(found))
    scales = [row["scale"] for row in found["conditions"]]
    assert len(scales) == len(registry.protocol("robust").conditions)
    assert scales == sorted(scales, key=ORDER.__getitem__) and set(scales) == {*ORDER} - {"gaps"}
    table = answer.out[answer.out.index("robust · budget smoke") :]
    places = [table.index(f" {word} ") for word in ("mixed", "segment", "channel", "sensor")]
    assert places == sorted(places) and table.index(" joint ") > places[-1]


def test_a_record_with_replayed_gaps_can_be_repeated(cli: Cli, tmp_path: Path) -> None:
    run = ("run", "--method", "cnn+width=8", "--protocol", "robust", "--dataset", DATASET)
    assert cli(*run, "--budget", "smoke", "--seeds", "0", "--device", "cpu").code == 0
    (path,) = (tmp_path / "results").rglob("seed-0.json")
    answer = cli("results", "rerun", path)
    assert answer.code == 0 and "identical" in answer.out, answer.err
    record = read(path)
    record["identity"]["rules"]["replay"]["name"] = "my-gaps"
    path.write_text(json.dumps(record))
    refused = cli("results", "rerun", path, "--anyway")
    assert refused.code == 2 and "'my-gaps'" in refused.err and "epoch" not in refused.err


def test_one_watch_goes_without_losses_of_a_sensor(cli: Cli, tmp_path: Path) -> None:
    own = DATASET.replace("sensors=3", "sensors=1")
    answer = cli(*RUN, "--dataset", own, "--protocol", "robust")
    assert answer.code == 0, answer.err
    assert "sensor or channel (sensor, blackout, strap, burst)" in " ".join(answer.err.split())
    scales = {row["scale"] for row in record(tmp_path, "robust", own)["conditions"]}
    assert scales == {*ORDER} - {"gaps", "sensor", "blackout", "strap", "burst"}


@pytest.fixture
def gappy(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text('description = "x."\nscales = ["complete"]\nreplay = "mine.json"\n')
    return path


def test_own_gaps_are_exported_named_and_part_of_the_identity(
    cli: Cli, tmp_path: Path, gappy: Path
) -> None:
    source = DATASET.replace("+seconds", "+missing=0.1+seconds")
    absent = cli(*RUN, "--dataset", DATASET, "--protocol", gappy)
    assert absent.code == 2 and "harbench data gaps" in absent.err
    out = gappy.with_suffix(".json")
    made = cli("data", "gaps", source, "--out", out)
    assert made.code == 0 and "windows of bodysim" in made.out, made.err
    assert cli("data", "gaps", DATASET, "--out", tmp_path / "no.json").code == 2
    assert not (tmp_path / "no.json").exists()
    assert cli(*RUN, "--dataset", DATASET, "--protocol", gappy).code == 0
    first = record(tmp_path, "mine")
    rows = {row["scale"]: row["n"] for row in first["conditions"]}
    assert rows["replay"] == rows["complete"] == rows["clean"]
    assert list(rows) == ["clean", "replay", "complete"]
    out.write_text(out.read_text() + "\n")
    again = cli(*RUN, "--dataset", DATASET, "--protocol", gappy)
    assert again.code == 0, again.err
    second = record(tmp_path, "mine")
    digests = [each["identity"]["rules"]["replay"]["sha256"] for each in (first, second)]
    assert digests[0] != digests[1]
    assert first["conditions"] == second["conditions"]
    assert second["cost"]["stages"][0]["cached"]
