"""`harbench probe transfer`: runs what is missing, shows what there is, and nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from end_to_end.commands import DATASET, Cli, folder, read

SMALL = ("--dataset", DATASET, "--budget", "smoke", "--jobs", 1, "--device", "cpu")


def test_a_matrix_is_made_of_ordinary_runs_that_are_not_repeated(cli: Cli, tmp_path: Path) -> None:
    spec, drawn = "cnn+width=8", tmp_path / "matrix.svg"
    matrix = ("probe", "transfer", "--method", spec, "--protocol", "missing-10", "--seeds", "0")
    first = cli(*matrix, "--faults", "none,sensor", *SMALL)
    assert first.code == 0, first.err
    one = folder(tmp_path / "results", "missing-10", "cnn+augment=sensor+width=8") / "seed-0.json"
    record = read(one)
    assert record["identity"]["augment"] == "sensor"
    again = cli(*matrix, "--faults", "sensor,none,stuck", *SMALL, "--figure", drawn)
    assert again.code == 0 and read(one) == record
    assert again.out.count("f1_macro") == 1, "only the third training is run"
    lines = again.out.splitlines()
    begin = lines.index("cnn+width=8: macro F1 %, tested with (10 % lost)")
    heads = lines[begin + 1].split()
    assert heads == ["trained", "with", "clean", "mixed", "segment", "channel", "sensor"]
    row = next(line for line in lines[begin:] if line.startswith("sensor"))
    scores = {each["scale"]: f"{100 * each['f1_macro']:.1f}" for each in record["conditions"]}
    assert [cell.lstrip("*") for cell in row.split()[1:]] == [scores[head] for head in heads[2:]]
    assert all(len(line) <= 80 for line in lines[begin:] if not line.startswith("Wrote"))
    assert drawn.read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--method", "random_forest"), "not trained by gradients"),
        (("--method", "cnn+augment=sensor"), "leave augment out"),
        (("--method", "cnn", "--faults", "none,sensors"), "Did you mean 'sensor'"),
        (("--method", "cnn", "--rate", "0.2"), "has no rate 0.2: it has 0.1"),
        (("--method", "cnn", "--metric", "f1"), "Unknown metric 'f1'"),
        (("--method", "cnn", "--figure", "m.gif"), "m.gif: a figure ends in .pdf, .png, .svg"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_any_training(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    answer = cli("probe", "transfer", "--protocol", "missing-10", *SMALL, *arguments)
    assert answer.code == 2 and message in answer.err
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("protocol", "message"),
    [("ablation", "is a sweep of configurations"), ("clean", "takes nothing away")],
)
def test_protocols_that_have_no_matrix(cli: Cli, protocol: str, message: str) -> None:
    answer = cli("probe", "transfer", "--method", "robusthar", "--protocol", protocol, *SMALL)
    assert answer.code == 2 and message in answer.err
