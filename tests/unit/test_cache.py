"""The stage cache: whatever is damaged in it is trained again, and a kill leaves nothing behind."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from unit.toy import Killed, killer, same, training, weights

from harbench.data import paths, tensor_files
from harbench.data.paths import writing
from harbench.errors import HarbenchError
from harbench.nn.estimator import Estimator
from harbench.training import loop
from harbench.training.cache import StageCache
from harbench.training.fit import fit


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", "null", '{"sha256": 1}', "\xff", "[" * 100_000, '"x"'],
    ids=lambda text: text[:12],
)
def test_a_damaged_note_is_made_anew(text: str, tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    first = fit(training(), cache)
    for note in tmp_path.glob("*.json"):
        note.write_bytes(text.encode("latin-1"))
    second = fit(training(), cache)
    assert [stage.cached for stage in second.stages] == [False, False]
    assert same(weights(first), weights(second))
    assert [stage.cached for stage in fit(training(), cache).stages] == [True, True]


@pytest.mark.parametrize("key", ["sha256", "seconds", "best_epoch", "history"])
def test_a_note_that_lacks_something_is_made_anew(key: str, tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    fit(training(), cache)
    for note in tmp_path.glob("*.json"):
        note.write_text(
            json.dumps({k: v for k, v in json.loads(note.read_text()).items() if k != key})
        )
    assert [stage.cached for stage in fit(training(), cache).stages] == [False, False]


def partial_of(folder: Path) -> Path:
    """A training that was killed in the middle has left its state here."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(loop, "SECONDS_BETWEEN_STATES", 0.0)
        fit(training(), StageCache(folder), killer("supervised", 3))
    (partial,) = folder.glob("*.partial.safetensors")
    return partial


@settings(max_examples=60)
@given(position=st.integers(0), bit=st.integers(0, 7))
def test_a_flipped_bit_of_a_state_is_noticed(
    position: int, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("state") / "key.partial.safetensors"
    tensors = {"a": torch.arange(5.0), "b": torch.tensor([True, False]), "c": torch.tensor(2)}
    header = {"epoch": 3, "best": [0.5, -1.0]}
    tensor_files.save(path, tensors, header)
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= 1 << bit
    path.write_bytes(content)
    found = tensor_files.load(path)
    # A bit of the layout (a space, say) may say the same in another way.
    assert found is None or (same(found[0], tensors) and found[1] == header)


def test_a_state_of_another_stage_or_epoch_is_not_continued(tmp_path: Path) -> None:
    whole = weights(fit(training()))
    partial = partial_of(tmp_path)
    other = partial.with_name("0" * 64 + ".partial.safetensors")
    other.write_bytes(partial.read_bytes())
    assert tensor_files.load(partial) is not None and tensor_files.load(other) is None
    with safe_open(partial, framework="pt") as file:
        note = json.loads(file.metadata()["note"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    header = json.loads(note["header"])
    assert header["epoch"] == 3
    forged = {**note, "header": json.dumps({**header, "epoch": 5})}
    save_file(tensors, partial, metadata={"note": json.dumps(forged)})
    news: list[int] = []
    resumed = fit(training(), StageCache(tmp_path), lambda p: news.append(p.epoch))
    assert news == [1, 2, 3, 4, 5] and same(weights(resumed), whole)


def test_what_a_kill_leaves_is_removed_under_the_lock(tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    kept = tmp_path / ".other.json.abcd1234"
    kept.write_text("")
    for name in (".k.json.abcd1234", ".k.safetensors.00000000", ".k.partial.safetensors.a_a_a_a_"):
        (tmp_path / name).write_text("half")
    with cache.lock("k"):
        assert sorted(p.name for p in tmp_path.iterdir()) == [kept.name, "k.lock"]


def test_a_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, seen = tmp_path / "file", []
    monkeypatch.setattr(paths, "_sync", lambda path: seen.append((path, target.exists())))
    with writing(target) as temporary:
        temporary.write_text("all")
    assert seen == [(temporary, False), (tmp_path, True)]


@pytest.fixture
def read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """After the call, nothing below `tmp_path` can be created; root's rights are above chmod's."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    def seal() -> None:
        monkeypatch.setattr(paths.tempfile, "mkstemp", refuse)
        monkeypatch.setattr(paths.FileLock, "acquire", refuse)

    return seal


def test_a_complete_cache_need_not_be_writable(
    tmp_path: Path, read_only: Callable[[], None]
) -> None:
    cache = StageCache(tmp_path)
    first = fit(training(), cache)
    read_only()
    second = fit(training(), cache)
    assert [stage.cached for stage in second.stages] == [True, True]
    assert same(weights(first), weights(second))
    next(tmp_path.glob("*.json")).unlink()
    with pytest.raises(HarbenchError, match="Read-only file system"):
        fit(training(), cache)


@pytest.mark.parametrize("change", ["owner", "mode"])
def test_a_fitted_object_of_another_user_is_not_loaded(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To unpickle it would run code; the weights of a network are harmless."""
    cache, note = StageCache(tmp_path), {"seconds": 1.0, "best_epoch": 1, "history": []}
    fitted, network = Estimator(), torch.nn.Linear(2, 1)
    fitted.fitted = {"a": 1}
    cache.save("fitted", fitted, note)
    cache.save("network", network, note)
    assert cache.load("fitted", Estimator()) is not None
    own = os.geteuid()
    if change == "owner":
        monkeypatch.setattr("harbench.training.cache.os.geteuid", lambda: own + 1)
    else:
        for path in tmp_path.glob("*.safetensors"):
            path.chmod(0o666)
    with pytest.raises(
        HarbenchError, match=r"fitted\.safetensors is, or may be, written by another"
    ):
        cache.load("fitted", Estimator())
    assert cache.load("network", network) is not None
