"""Options of the engine from the command line to a record."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from end_to_end.commands import DATASET, Cli, read

LACKING = f"{DATASET}+missing=0.1"
SMALL = ("--dataset", LACKING, "--budget", "smoke", "--jobs", 1, "--device", "cpu", "--seeds", "0")


def test_each_imputation_is_a_row_with_a_record_of_its_own(cli: Cli, tmp_path: Path) -> None:
    specs = ["cnn+width=8", "cnn+impute=linear+width=8", "cnn+impute=knn+indicator=true+width=8"]
    methods = [word for spec in specs for word in ("--method", spec)]
    answer = cli("run", *methods, "--protocol", "missing-10", *SMALL)
    assert answer.code == 0, answer.err
    found = {path.parent.name: read(path) for path in tmp_path.rglob("seed-0.json")}
    assert sorted(found) == sorted(specs)
    plain, linear, knn = (found[spec]["identity"] for spec in specs)
    assert "impute" not in plain and "indicator" not in plain
    assert (linear["impute"], knn["impute"], knn["indicator"]) == ("linear", "knn", True)
    # Twice the channels come in.
    cost = {spec: record["cost"]["parameters"] for spec, record in found.items()}
    assert cost[specs[0]] == cost[specs[1]] < cost[specs[2]]
    scores = {spec: record["conditions"] for spec, record in found.items()}
    assert scores[specs[0]] != scores[specs[1]]
    again = cli("run", *methods, "--protocol", "missing-10", *SMALL)
    assert again.code == 0 and "[1/" not in again.out
    assert cli("results", "check").code == 0


def test_a_package_that_is_not_there_is_named_before_any_run(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pypots", None)
    answer = cli("run", "--method", "cnn+impute=saits", "--protocol", "missing-10", *SMALL)
    assert answer.code == 2
    assert "needs pypots. Install it with: pip install 'harbench[impute]'" in answer.err
    assert not (tmp_path / "results").exists()
