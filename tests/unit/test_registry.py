"""Names belong to whoever registered them first; a file takes none but its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from unit.toy import Toy

from harbench import registry
from harbench.errors import BrokenCodeError, HarbenchError
from harbench.method import METHODS, Method, Stage, register_method

FILE = """
from unit.toy import Toy, ToyConfig
from harbench.dataset import register_dataset
from harbench.datasets.spar import Spar
from harbench.method import register_method
for name in ("mine", "cnn", "fresh"):
    register_method(type("Mine", (Toy,), {"name": name, "__module__": __name__}))
register_dataset(type("Other", (Spar,), {"name": "dsads", "__module__": __name__}))
"""


def thief() -> type[Method]:
    return type("Thief", (Toy,), {"name": "cnn", "__module__": "elsewhere"})


def test_a_taken_name_is_refused() -> None:
    genuine = registry.method_class("cnn")
    with pytest.raises(HarbenchError, match=r"'cnn' is taken by harbench\.methods\.cnn"):
        register_method(thief())
    assert registry.method_class("cnn") is genuine
    assert register_method(genuine) is genuine


def test_who_comes_first_does_not_take_it_either(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = registry.method_class("cnn")
    monkeypatch.delitem(METHODS, "cnn")
    monkeypatch.delitem(sys.modules, genuine.__module__)
    monkeypatch.setitem(METHODS, "cnn", thief())
    with pytest.raises(BrokenCodeError, match="'cnn' is taken by elsewhere"):
        registry.method_class("cnn")


@pytest.mark.parametrize("loaded", [True, False])
def test_a_file_leaves_nothing_but_what_it_imports(
    loaded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"cnn": registry.method_class("cnn").__module__}
    registry.dataset_class("spar")
    if not loaded:
        monkeypatch.delitem(METHODS, "cnn")
        monkeypatch.delitem(sys.modules, names["cnn"])
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    assert registry.method_class(str(path)).name == "mine"
    assert not {"mine", "fresh"} & METHODS.keys()
    assert registry.method_class("cnn").__module__ == names["cnn"]
    assert registry.dataset_class("dsads").__module__ == "harbench.datasets.dsads"
    assert registry.dataset_class("spar").__module__ == "harbench.datasets.spar"


def test_a_file_may_ask_for_a_method_while_it_is_imported(tmp_path: Path) -> None:
    genuine = registry.method_class("cnn")
    file = tmp_path / "asking.py"
    file.write_text(
        "from harbench import registry\nfrom harbench.method import register_method\n"
        "@register_method\nclass Asking(registry.method_class('cnn')):\n    name = 'asking'\n"
    )
    assert issubclass(registry.method_class(str(file)), genuine)
    assert registry.method_class("cnn") is genuine and "asking" not in METHODS


def test_what_is_foreign() -> None:
    assert registry.is_foreign("./mine.py") and registry.is_foreign("unheard-of")
    assert not any(map(registry.is_foreign, registry.method_names()))


@pytest.mark.parametrize(
    ("kind", "find"), [("method", registry.method_class), ("dataset", registry.dataset_class)]
)
def test_a_file_that_was_meant_is_named(
    kind: str, find: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HarbenchError, match=f"harbench list {kind}s"):
        find("my_net")
    (tmp_path / "my_net.py").touch()
    with pytest.raises(HarbenchError, match=rf"as in --{kind} \./my_net\.py"):
        find("my_net")


def test_a_protocol_file_takes_no_shipped_name(tmp_path: Path) -> None:
    file = tmp_path / "clean.toml"
    shipped = Path(__file__).parents[2] / "protocols" / "clean.toml"
    file.write_text(shipped.read_text())
    assert registry.protocol(str(file)).rules() == registry.protocol("clean").rules()
    file.write_text('description = "other"\nlabel_fraction = 0.5\n')
    with pytest.raises(HarbenchError, match="has a protocol 'clean' with other rules"):
        registry.protocol(str(file))


def test_a_stage_selects_in_one_of_two_ways() -> None:
    with pytest.raises(HarbenchError, match="Did you mean 'validation'"):
        Stage("s", lambda *_: {}, 1, 8, True, torch.optim.Adam, select="Validation")  # type: ignore[arg-type]


def test_a_name_too_long_for_a_file_is_unknown() -> None:
    with pytest.raises(HarbenchError, match="Unknown dataset"):
        registry.dataset_class("é" * 300)
