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
