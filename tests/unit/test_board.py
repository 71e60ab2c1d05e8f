"""What the page says of losses."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from unit.boards import written
from unit.frames import made_up_identity, made_up_record

from harbench.cli.report import board_of
from harbench.leaderboard import findings
from harbench.running.store import ResultStore


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
