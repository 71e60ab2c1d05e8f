"""A part of a plan, for machines that share the work without knowing of each other."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from harbench.errors import HarbenchError
from harbench.running.plan import Run
from harbench.running.tuned import training_rules

SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


def parse_shard(text: str) -> tuple[int, int]:
    """``2/8`` as (2, 8): the second of eight parts."""
    found = SHARD.fullmatch(text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise HarbenchError(f"Cannot read shard {text!r}: write i/n with i from 1 to n, as in 2/8.")
    return int(found[1]), int(found[2])


def shard(runs: Sequence[Run], index: int, count: int) -> list[Run]:
    """Part `index` (from 1) of `count` of a plan; all parts together are the plan, each run once.

    Runs that share their training, such as `clean` and `missing-10`, stay together. Trainings are
    dealt in an order that depends on no list's order: of each method, and in all, every part has as
    many as any other, or one more.
    """
    trainings: dict[tuple[str, str, str, int], None] = dict.fromkeys(
        sorted(map(training_key, runs))
    )
    mine = set(list(trainings)[index - 1 :: count])
    return [run for run in runs if training_key(run) in mine]


def training_key(run: Run) -> tuple[str, str, str, int]:
    """Equal for runs that are tested on one trained network; the method first."""
    rules = json.dumps(training_rules(run.protocol), sort_keys=True)
    return run.label, run.dataset, rules, run.seed
