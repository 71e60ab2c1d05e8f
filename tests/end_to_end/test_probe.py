"""`harbench probe`: trains once, scores every set, keeps what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from end_to_end.commands import DATASET, Cli, read

from harbench.training import fit

ASKED = ("probe", "sensors", "cnn", "--dataset", DATASET, "--budget", "smoke", "--seeds", "0-1")
PLACE = Path("probes", DATASET, "clean", "smoke", "cnn", "sensors.json")


def test_every_set_of_sensors(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A path of its own length would make the line that names it longer than the others may be.
    monkeypatch.chdir(tmp_path)
    picture, results = Path("map.svg"), tmp_path / "results"
    run = ("run", "--method", "cnn", "--dataset", DATASET, "--budget", "smoke", "--seeds", "0-1")
    assert cli(*run, "--protocol", "clean", "--jobs", "1").code == 0

    def never(*_: object) -> None:
        raise AssertionError("trained twice")

    monkeypatch.setattr(fit, "train", never)
    first = cli(*ASKED, "--protocol", "clean", "--figure", picture)
    assert first.code == 0, first.err
    assert all(len(line) <= 80 for line in first.out.splitlines() if "sensors.json" not in line
               and "budget" not in line)  # fmt: skip
    for words in ("Shapley value", "worst set", "F1 lost without", "chest", "with none"):
        assert words in first.out
    assert picture.read_text().startswith("<?xml")
    found = read(results / PLACE)
    assert [len(found["sets"]), len(found["runs"]), found["orders"]] == [7, 2, []]
    record = read(results / DATASET / "clean" / "smoke" / "cnn" / "seed-1.json")
    assert found["runs"][1]["kept"][-1]["f1_macro"] == record["conditions"][0]["f1_macro"]
    assert found["runs"][1]["split"] == record["split"]["digest"]
    assert cli("results").code == 0
    again = cli(*ASKED, "--protocol", "clean")
    assert "7 sets of sensors" not in again.out and "Means over 2 seeds" in again.out
    fewer = cli(*ASKED[:-1], "1", "--protocol", "clean")
    assert "7 sets of sensors" not in fewer.out and "Means over 1 seed." in fewer.out


def test_many_sensors_are_all_shown(cli: Cli) -> None:
    many = "bodysim+activities=2+seconds=12.0+sensors=10+subjects=3"
    shown = cli("probe", "sensors", "cnn", "--dataset", many, "--protocol", "clean",
                "--budget", "smoke", "--seeds", "0")  # fmt: skip
    assert shown.code == 0 and "± orders" in shown.out
    assert shown.out.count("sitting ") == 2, shown.out
    for name in ("left upper arm", "right shank"):
        assert name in shown.out


def test_what_is_asked_wrongly(cli: Cli, tmp_path: Path) -> None:
    wrong = cli(*ASKED, "--protocol", "clean", "--figure", tmp_path / "map.gif")
    assert wrong.code == 2 and ".svg" in wrong.err
    assert cli(*ASKED, "--protocol", "ablation").code == 2
    one = DATASET.replace("sensors=3", "sensors=1")
    alone = cli("probe", "sensors", "cnn", "--dataset", one, "--budget", "smoke", "--protocol",
                "clean", "--seeds", "0")  # fmt: skip
    assert alone.code == 2 and "has one sensor" in alone.err


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("sets", [[0]], "sets: some that the values rest on are missing"),
        ("orders", [[0, 0, 1]], "is no order of the 3 sensors"),
        ("classes", ["one", "two"], "f1_per_class has not one value for each class"),
        ("schema", 9, "schema"),
    ],
)
def test_an_impossible_file_is_refused(
    cli: Cli, tmp_path: Path, key: str, value: object, message: str
) -> None:
    ask = (*ASKED[:-1], "0", "--protocol", "clean")
    assert cli(*ask).code == 0
    path = tmp_path / "results" / PLACE
    path.write_text(json.dumps({**read(path), key: value}))
    answer = cli(*ask)
    assert answer.code == 2 and message in answer.err and "Traceback" not in answer.err
    assert cli(*ask, "--force").code == 0
