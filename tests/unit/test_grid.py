"""The value that says what is run: read from files, checked once; and its parts for machines."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.test_plan import DATASET

from harbench import registry
from harbench.data import splits, store
from harbench.errors import HarbenchError
from harbench.running.grid import Grid, read_grid
from harbench.running.plan import Run, make_plan
from harbench.running.shards import parse_shard, shard

TEXT = """
methods = ["cnn", "cnn+augment=corruption"]
protocols = ["clean", "missing-10"]
datasets = "spar"
seeds = "0-2"
budget = "quick"
device = "cpu"
precision = "bf16"
tuned = true

[settings]
width = 16
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text)
    return path


def test_a_file_says_all_of_a_grid_and_options_take_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT)
    whole = Grid(
        ["cnn", "cnn+augment=corruption", "cnn"],
        ["clean", "missing-10"],
        ["spar"],
        np.arange(3).tolist(),
        "quick",
        "cpu",
        "bf16",
        {"width": 16},
        True,
    )
    assert read_grid(path, {}) == whole
    other = read_grid(path, {"seeds": "3", "settings": {"lr": "0.1"}})
    assert other == dataclasses.replace(whole, seeds=[3], settings={"lr": "0.1"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('method = ["cnn"]', "Unknown key 'method'. Did you mean 'methods'?"),
        ("methods = 3", "methods: write a name or a list of names, not 3."),
        ("methods = [1]", "methods: write a name or a list of names, not [1]."),
        ("protocols = []", "protocols is empty: name one at least."),
        ('datasets = ["spar"]', "methods is missing: name one at least."),
        ('methods = "cnn"', "protocols is missing: name one at least."),
        ("seeds = [true]", "seeds: write a list of whole numbers"),
        ("seeds = 1.5", "seeds: write a list of whole numbers"),
        ("seeds = [-1]", "seeds go from 0 to 999999999"),
        ("seeds = []", "seeds is empty"),
        ('seeds = "4-0"', "smaller number first"),
        ('budget = "quik"', "Unknown budget 'quik'. Did you mean 'quick'?"),
        ("budget = 1", "budget: write a text, not 1."),
        ('device = "gpu"', "Unknown device 'gpu'."),
        ('precision = "fp16"', "Unknown precision 'fp16'. Did you mean"),
        ('tuned = "yes"', "tuned: write true or false, not 'yes'."),
        ("settings = 1", "settings: write a table, as in [settings], not 1."),
        ("settings.width = 2020-01-01", "settings.width: write a text, a number or a list"),
        ("methods = ", "not valid TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_in_a_sentence(
    text: str, message: str, tmp_path: Path
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(HarbenchError) as caught:
        read_grid(path, {})
    said = str(caught.value)
    assert said.startswith(f"{path}: ") and message in said and "\n" not in said


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(HarbenchError, match=r"none\.toml: cannot be read: No such file"):
        read_grid(tmp_path / "none.toml", {})


def counting(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> Counter[Any]:
    """How often a function is called, by its arguments from the second one on."""
    calls: Counter[Any] = Counter()
    whole = getattr(module, name)

    def call(*given: Any, **named: Any) -> Any:
        calls[str(given[1:] if len(given) > 1 else given)] += 1
        return whole(*given, **named)

    monkeypatch.setattr(module, name, call)
    return calls


def test_datasets_and_splits_of_a_plan_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store.load(DATASET)
    loads, made = counting(monkeypatch, store, "load"), counting(monkeypatch, splits, "split")
    protocols = ["clean", "missing-5", "missing-10", "full-labels"]
    runs = make_plan(Grid(["cnn", "robusthar"], protocols, [DATASET], [0, 1], "smoke", "cpu"))
    assert len(runs) == 16
    assert sum(loads.values()) == 1
    # Two seeds, two labelled shares.
    assert len(made) == 4 and set(made.values()) == {1}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        return make_plan(Grid(["cnn"], ["clean"], [DATASET], [0], "smoke", "cpu"))[0]


METHODS = st.lists(st.sampled_from("abcdefghi"), min_size=1, max_size=5, unique=True)
PROTOCOLS = st.lists(
    st.sampled_from(["clean", "missing-5", "missing-10", "missing-10-train", "full-labels"]),
    min_size=1,
    unique=True,
)


@given(METHODS, PROTOCOLS, st.integers(1, 7), st.integers(1, 12), st.randoms(use_true_random=False))
def test_shards_are_disjoint_complete_and_balanced(
    template: Run, methods: list[str], protocols: list[str], seeds: int, count: int, random: Any
) -> None:
    runs = [
        dataclasses.replace(template, label=label, protocol=registry.protocol(name), seed=seed)
        for label in methods
        for name in protocols
        for seed in range(seeds)
    ]
    parts = [shard(runs, index, count) for index in range(1, count + 1)]

    def names(some: Sequence[Run]) -> list[tuple[str, str, int]]:
        return [(run.label, run.protocol.name, run.seed) for run in some]

    assert sorted(names([run for part in parts for run in part])) == sorted(names(runs))

    def trainings(part: Sequence[Run], label: str) -> set[tuple[str, str, int]]:
        """Of a method; `clean` and what is tested on the same trained network are one."""
        shared = ("clean", "missing-5", "missing-10")
        return {
            (r.label, "" if r.protocol.name in shared else r.protocol.name, r.seed)
            for r in part
            if label in ("", r.label)
        }

    for label in ("", *methods):
        found = [trainings(part, label) for part in parts]
        sizes = [len(each) for each in found]
        assert max(sizes) - min(sizes) <= 1
        assert sum(sizes) == len(set().union(*found)), "a training is done in one place"
    shuffled = list(runs)
    random.shuffle(shuffled)
    again = [shard(shuffled, index, count) for index in range(1, count + 1)]
    assert [sorted(names(part)) for part in again] == [sorted(names(part)) for part in parts]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "1", "a/b", "1/4/2", "-1/4", ""])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(HarbenchError, match=r"write i/n with i from 1 to n"):
        parse_shard(text)
