"""Where records and failures lie, which of them are found again, and what is tried beforehand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from unit.frames import DATASET, made_up_identity, made_up_record

from harbench.errors import HarbenchError
from harbench.running.records import Failure, Record
from harbench.running.store import ResultStore, default_results

if TYPE_CHECKING:
    from harbench.running.plan import Run


def run(seed: int = 0, protocol: str = "clean", label: str = "cnn") -> Run:
    """As much of a run as a store asks for."""
    made = SimpleNamespace(
        dataset=DATASET,
        protocol=SimpleNamespace(name=protocol),
        budget=SimpleNamespace(name="quick"),
        label=label,
        variant="",
        seed=seed,
        identity=made_up_identity(seed),
    )
    return cast("Run", made)


def record(seed: int = 0) -> Record:
    return made_up_record(made_up_identity(seed))


def failure(seed: int = 0) -> Failure:
    whole = record(seed).model_dump(mode="json")
    kept = {key: whole[key] for key in ("schema", "identity", "variant", "provenance")}
    said = {"status": "failed", "mendable": True, "error": "no space", "traceback": ""}
    return Failure.model_validate({**kept, **said})


def test_a_record_is_found_by_exactly_its_run(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    assert store.find(run()) is None
    store.write(run(), record())
    assert store.path(run()) == tmp_path / DATASET / "clean" / "quick" / "cnn" / "seed-0.json"
    assert store.find(run()) == record() and store.find(run(1)) is None
    store.path(run()).rename(store.path(run(1)))
    assert store.find(run(1)) is None, "another seed's record in its place is not taken"
    store.path(run()).write_text("{}")
    assert store.find(run()) is None


def test_a_failure_lies_beside_and_goes_with_the_record(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    assert store.find_failure(run()) is None and store.failures() == []
    store.write(run(), failure())
    assert store.find_failure(run()) == failure() and store.find(run()) is None
    assert store.failures() == [store.failed(run())]
    store.failed(run()).rename(store.failed(run(1)))
    assert store.find_failure(run(1)) is None, "another run's failure says nothing"
    store.failed(run()).write_text("{")
    assert store.find_failure(run()) is None
    store.write(run(), record())
    assert not store.failed(run()).exists() and store.find(run()) == record()
    store.write(run(), failure())
    assert store.find(run()) == record(), "a failure replaces no record"
    ((path, read),) = store.read().records
    assert (path, read) == (store.path(run()), record()) and len(store.table().frame) == 1


def test_runs_like_one_are_those_of_its_row(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    alike = [run(), run(3), run(1, protocol="subject")]
    for each in [*alike, run(label="cnn+width=8"), run(label="[a-c]nn")]:
        store.write(each, record(each.seed))
    store.write(run(2), failure(2))
    assert store.like(run()) == sorted(map(store.path, alike))
    assert store.like(run(label="[a-c]nn")) == [store.path(run(label="[a-c]nn"))]


def test_what_no_record_can_be_written_to_is_said_first(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "results")
    store.require_free([run(), run(1)])
    assert not store.root.exists(), "trying makes no folder"
    store.path(run()).mkdir(parents=True)
    with pytest.raises(HarbenchError, match="is not a file"):
        store.require_free([run(1), run()])
    blocked = tmp_path / "blocked"
    blocked.touch()
    with pytest.raises(HarbenchError, match="blocked"):
        ResultStore(blocked / "results").require_free([run()])


def test_no_results_folder_is_no_empty_one(tmp_path: Path) -> None:
    for read in (ResultStore(tmp_path / "absent").read, ResultStore(tmp_path / "absent").table):
        with pytest.raises(HarbenchError, match="There is no results folder"):
            read()


@pytest.mark.parametrize(("said", "meant"), [("", "results"), ("/mine", "/mine")])
def test_where_results_lie(monkeypatch: pytest.MonkeyPatch, said: str, meant: str) -> None:
    monkeypatch.setenv("HARBENCH_RESULTS", said)
    assert default_results() == Path(meant)
