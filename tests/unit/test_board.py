"""What the page says of losses."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from unit.boards import written
from unit.frames import DATASET, made_up_identity, made_up_record

from harbench.cli.report import board_of
from harbench.leaderboard import findings
from harbench.running.store import ResultStore

RIGHT = {"cnn": 11, "random_forest": 18, "robusthar": 16, "informer": 12}


def test_replayed_gaps_are_a_loss_like_others(tmp_path: Path) -> None:
    hardest = made_up_record(made_up_identity(0), 4).model_dump(mode="json")["conditions"][0]
    for method, seed in itertools.product(("cnn", "random_forest"), range(5)):
        path = written(tmp_path, method, seed)
        values = json.loads(path.read_text())
        replay = {"name": "gaps", "sha256": "0" * 64}
        values["identity"]["rules"] |= {"scales": ["mixed"], "rates": [0.1], "replay": replay}
        lossy = {**values["conditions"][0], "scale": "mixed", "rate": 0.1}
        values["conditions"] += [lossy, {**hardest, "scale": "replay"}]
        path.write_text(json.dumps(values))
    board = board_of(ResultStore(tmp_path).read().records)
    ((_, said),) = findings.findings(board, "quick", "cnn")
    assert "Under replay, the condition with the lowest mean" in said


def test_nothing_is_said_of_a_control_that_lacks_seeds(tmp_path: Path) -> None:
    for method, seed in itertools.product(("informer", "timesnet", "robusthar"), range(5)):
        if method != "robusthar" or seed < 3:
            written(tmp_path, method, seed, 18 if method == "robusthar" else 10 + seed % 2)
    board = board_of(ResultStore(tmp_path).read().records)
    ((_, said),) = findings.findings(board, "quick", "robusthar")
    assert "no statement yet" in said and "better than Informer" not in said
    for seed in (3, 4):
        written(tmp_path, "robusthar", seed, 18)
    board = board_of(ResultStore(tmp_path).read().records)
    ((_, said),) = findings.findings(board, "quick", "robusthar")
    assert "RobustHAR is significantly better than Informer and TimesNet" in said


def written_of(dataset: str, root: Path, method: str, seed: int, right: int) -> None:
    """`written` of another dataset."""
    path = written(root, method, seed, right)
    values = json.loads(path.read_text())
    values["identity"] |= {"dataset": dataset, "fingerprint": f"{len(dataset):064}"}
    moved = root / dataset / path.relative_to(root / DATASET)
    path.unlink()
    moved.parent.mkdir(parents=True, exist_ok=True)
    moved.write_text(json.dumps(values))


def test_the_headline_counts_every_leader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for dataset, ahead in {"dsads": "cnn", "hugadb": "cnn", "spar": "informer"}.items():
        for method, seed in itertools.product(("cnn", "informer"), range(5)):
            right = 14 if method == ahead else 12
            written_of(dataset, tmp_path, method, seed, right + seed % 2)
    board = board_of(ResultStore(tmp_path).read().records)
    assert "Best mean of 3 comparisons: CNN on 2, Informer on 1;" in findings.headline(
        board, "quick"
    )
    monkeypatch.setattr(findings, "NAMED", 1)
    assert "comparisons: CNN on 2, others on 1;" in findings.headline(board, "quick")


def test_several_datasets_are_told_together(tmp_path: Path) -> None:
    """Rows that are complete on each, pooled; two cuts of one dataset are not."""

    def said(*datasets: str) -> list[tuple[str, str]]:
        root = tmp_path / " ".join(datasets)
        for dataset, method, seed in itertools.product(datasets, RIGHT, range(5)):
            if method == "informer" and dataset == datasets[0]:
                continue
            written_of(dataset, root, method, seed, RIGHT[method] + seed % 2)
        board = board_of(ResultStore(root).read().records)
        return findings.findings(board, "quick", "robusthar")

    (where, words), *others = said("dsads", "spar")
    assert where == "dsads and spar together (clean, clean)" and len(others) == 2
    assert "RobustHAR is behind Random forest (-" in words and "ahead of CNN (+25.1 [" in words
    assert "Informer" not in words
    (where, words), *_ = said("dsads", "dsads+step=64")
    assert "together" in where and words.startswith(
        "Not pooled: The datasets dsads and dsads+step=64 are of"
    )
    assert "together" not in said("dsads")[0][0]
