"""What prepared data was made of: a change in any step of the engine makes it outdated."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

from harbench.data import clock, coverage, devices, gaps, interpolation, repeats, store, windows
from harbench.data import origin as module


@pytest.mark.parametrize("step", [clock, coverage, devices, gaps, interpolation, repeats, windows])
def test_other_code_of_the_engine_is_noticed(
    step: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, dataset = store.resolve("bodysim")
    before = module.origin(dataset, None)
    read = inspect.getsource

    def changed(of: ModuleType, added: str) -> str:
        return read(of) + (added if of is step else "")

    monkeypatch.setattr(module.inspect, "getsource", lambda of: changed(of, "\n# a remark\n"))
    assert module.change(before, module.origin(dataset, None)) == ""
    monkeypatch.setattr(module.inspect, "getsource", lambda of: changed(of, "\nother = 1\n"))
    said = module.change(before, module.origin(dataset, None))
    assert said == "the code that reads it has changed"


def test_a_new_option_and_a_new_default_are_told_apart() -> None:
    old = {"files": {}, "options": {"step": 64}, "code": ""}
    new = {**old, "options": {"step": 32}}
    assert module.change(old, new) == "the default of step has changed"
    new = {**old, "options": {"step": 64, "repeats": "keep"}}
    assert module.change(old, new) == "it was made before there was the option repeats"


@pytest.mark.parametrize("zipped", [True, False])
def test_what_has_changed_is_named_with_its_folder(zipped: bool) -> None:
    source = "/raw/fake.zip" if zipped else "/raw/fake"
    name = "fake.zip" if zipped else "a.csv"
    old = {"files": {name: [1, 1]}, "options": {}, "code": "", "source": source}
    new = {**old, "files": {name: [1, 2]}}
    where = "/raw" if zipped else "/raw/fake"
    assert module.change(old, new) == f"{name} has changed in {where}"
