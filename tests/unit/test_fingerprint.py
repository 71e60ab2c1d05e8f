"""The fingerprint follows what a method can see or a split depends on, and nothing else."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unit.test_store import Fake

from harbench.data import store
from harbench.data.fingerprint import Fingerprint
from harbench.data.paths import cache_dir
from harbench.dataset import DATASETS, DatasetInfo, Sensor

INFO = DatasetInfo(
    title="t",
    sensors=(Sensor("wrist", (0.1, 0.2, 0.3)), Sensor("hip", (0.4, 0.5, 0.6))),
    channels=("x", "y"),
    units=("g", "g"),
    classes=("a", "b", "c"),
    rate=50.0,
    licence="l",
    citation="c",
    url="u",
)
CONTENT: dict[str, Any] = {
    "windows": np.arange(24, dtype="<f4").reshape(2, 3, 2, 2),
    "labels": [0, 1],
    "subjects": ["p", "q"],
    "recordings": [0, 1],
    "starts": [0, 64],
}


def fingerprint(**changed: Any) -> str:
    """Of INFO and CONTENT with some fields of either replaced."""
    fields = {field.name for field in dataclasses.fields(INFO)}
    info = dataclasses.replace(INFO, **{k: v for k, v in changed.items() if k in fields})
    content = {**CONTENT, **{k: v for k, v in changed.items() if k not in fields}}
    windows = content.pop("windows")
    found = Fingerprint(info, windows.shape[1:])
    for window in windows:
        found.windows(window.tobytes())
    return found.finished(**content)


@pytest.mark.parametrize(
    "changed",
    [
        {"windows": CONTENT["windows"] + np.float32(1)},
        {"windows": CONTENT["windows"].reshape(2, 3, 1, 4)},
        {"windows": CONTENT["windows"][::-1]},
        {"labels": [0, 2]},
        {"subjects": ["p", "r"]},
        {"recordings": [0, 2]},
        {"starts": [0, 65]},
        {"rate": 25.0},
        {"sensors": INFO.sensors[::-1]},
        {"sensors": (Sensor("wrist", (0.1, 0.2, 0.4)), INFO.sensors[1])},
        {"channels": ("y", "x")},
        {"classes": ("a", "b", "c", "d")},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_it_changes_with_what_can_be_seen(changed: dict[str, Any]) -> None:
    assert fingerprint(**changed) != fingerprint()


@pytest.mark.parametrize(
    "changed",
    [
        {"title": "another"},
        {"licence": "CC BY 4.0"},
        {"citation": "et al."},
        {"url": "https://example.org"},
        {"classes": ("sitting", "standing", "lying")},
        {"units": ("m/s2", "m/s2")},
        {"rate": 50},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_words_do_not_change_it(changed: dict[str, Any]) -> None:
    assert fingerprint(**changed) == fingerprint()


def test_a_dataset_in_memory_is_told_by_its_content() -> None:
    windows, labels = CONTENT["windows"], CONTENT["labels"]
    found = store.from_arrays(windows, labels, INFO).fingerprint
    renamed = dataclasses.replace(INFO, title="another")
    assert store.from_arrays(windows, labels, renamed).fingerprint == found
    assert store.from_arrays(windows, [0, 2], INFO).fingerprint != found
    assert store.from_arrays(windows + 1, labels, INFO).fingerprint != found


def test_a_copy_in_an_older_format_is_prepared_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "fake", Fake)
    found = store.load("fake").fingerprint
    path: Path = cache_dir() / "datasets" / "fake" / "dataset.json"
    index = json.loads(path.read_text())
    path.write_text(json.dumps({**index, "format": store.FORMAT - 1, "fingerprint": "old"}))
    assert store.load("fake").fingerprint == found
