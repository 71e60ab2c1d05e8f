"""What makes a training unique: every part counts, and nothing else does."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import linecache
import sys
from pathlib import Path

import pytest
from unit.toy import Toy, ToyConfig, training

from harbench import registry
from harbench.method import Budget, FitStage, Patience, Stage
from harbench.protocol import Condition
from harbench.training import identity
from harbench.training.identity import code_hash, method_code, method_modules, stage_keys


def test_keys_depend_on_what_a_stage_depends_on() -> None:
    base = training()
    keys = stage_keys(base)
    fewer = dataclasses.replace(base.split, labelled=base.split.labelled[:-3])
    changed = {
        "seed": dataclasses.replace(base, seed=1),
        "config": dataclasses.replace(base, method=Toy(ToyConfig(lr=0.1))),
        "budget": dataclasses.replace(base, budget=Budget("test", 5, 5)),
        "floor": dataclasses.replace(base, budget=Budget("test", 4, 5, 10)),
        "patience": dataclasses.replace(base, budget=Budget("test", 4, 5, patience=Patience(1, 1))),
        "precision": dataclasses.replace(base, precision="bf16"),
        "missing": dataclasses.replace(base, train_missing=Condition(scale="mixed", rate=0.1)),
        "data": dataclasses.replace(
            base, dataset=dataclasses.replace(base.dataset, fingerprint="x")
        ),
    }
    for what, other in changed.items():
        assert not set(stage_keys(other)) & set(keys), what
    with_fewer = stage_keys(dataclasses.replace(base, split=fewer))
    assert with_fewer[0] == keys[0] and with_fewer[1] != keys[1]
    assert len(set(keys)) == 2


def test_code_hash_ignores_comments_docstrings_and_layout() -> None:
    plain = "def f(x):\n    return x + 1\n"
    noted = 'def f(x):\n    """Add one."""\n    # why\n    return (x + 1)\n'
    assert code_hash([plain]) == code_hash([noted])
    assert code_hash([plain]) != code_hash([plain.replace("1", "2")])


def test_code_hash_ignores_what_a_method_says_beside_its_training() -> None:
    """But a function of the same name in a network is code like any other."""
    method = "@register_method\nclass A(Method):\n    def {name}(self):\n        return {value}\n"
    network = "class A(Module):\n    def {name}(self):\n        return {value}\n"
    for name in ("rebuild", "reproduce", "search_space"):
        first, second = (code_hash([method.format(name=name, value=v)]) for v in (1, 2))
        assert first == second
        first, second = (code_hash([network.format(name=name, value=v)]) for v in (1, 2))
        assert first != second


@pytest.mark.parametrize("inside", [False, True])
def test_code_hash_ignores_defaults_of_a_configuration(inside: bool) -> None:
    """A record states every value; other dataclasses are code like any other."""
    named = "class C:\n    width: int = {default}\n" + (
        "@register_method\nclass A(Method):\n"
        "    Config = C\n    presets: ClassVar = {{1: {default}}}\n"
    )
    nested = (
        "@register_method\nclass A(Method):\n    class Config:\n        width: int = {default}\n"
    )
    source = nested if inside else named
    other = source + "class D:\n    width: int = {default}\n"
    assert code_hash([source.format(default=1)]) == code_hash([source.format(default=2)])
    assert code_hash([other.format(default=1)]) != code_hash([other.format(default=2)])
    assert code_hash([source.format(default=1)]) != code_hash(
        [source.format(default=1).replace("width", "depth")]
    )


def test_a_constant_of_a_configuration_is_code() -> None:
    """It is no field, so nothing else in the identity tells of it."""
    source = """
@register_method
class Net(Method):
    @dataclass(frozen=True)
    class Config:
        width: int = 3
        HIDDEN: ClassVar[int] = {value}
"""
    assert code_hash([source.format(value=4)]) != code_hash([source.format(value=32)])


@pytest.mark.parametrize("package", ["scikit-learn", "aeon", "numba"])
def test_the_key_of_a_head_fitted_at_once_has_what_fits_it(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Headed(Toy):
        def stages(self, budget: Budget) -> list[Stage | FitStage]:  # type: ignore[override]
            return [super().stages(budget)[0], FitStage("head", lambda *_: None)]

    headed = dataclasses.replace(training(), method=Headed(ToyConfig()))
    before = stage_keys(headed)
    monkeypatch.setattr(identity, "_version", lambda name: "9" if name == package else "1")
    first = stage_keys(headed)
    monkeypatch.setattr(identity, "_version", lambda _: "1")
    second = stage_keys(headed)
    assert first[0] == second[0] == before[0]
    assert first[1] != second[1]


def test_what_a_method_is_called_does_not_change_its_code() -> None:
    source = '@register_method\nclass A:\n    name = "a"\n    {}\n    lr = 1\n'
    plain = code_hash([source.format("x = 2")])
    named = source.format('x = 2\n    title = "A"\n    colour = "#000000"')
    assert code_hash([named]) == plain
    assert code_hash([source.format("x = 3")]) != plain


def test_the_code_of_a_package_is_all_that_it_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative import in an `__init__` starts at the package itself."""
    folder = tmp_path / "odd_package" / "methods"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("")
    source = "from .impl import WIDTH\nfrom harbench.methods.cnn import CNN\nclass Net(CNN): pass\n"
    (folder / "__init__.py").write_text(source)
    found = []
    for width in (4, 64):
        (folder / "impl.py").write_text(f"WIDTH = {width}\n")
        with monkeypatch.context() as patch:
            patch.syspath_prepend(tmp_path)
            linecache.clearcache()
            importlib.invalidate_caches()
            for name in [name for name in sys.modules if name.startswith("odd_package")]:
                patch.delitem(sys.modules, name)
            found.append(method_code(importlib.import_module("odd_package.methods").Net))
    assert found[0] != found[1]


def test_the_code_of_a_file_has_the_method_that_it_takes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the same once the file is merged into methods/: its records stay current."""
    file = tmp_path / "heir.py"
    file.write_text(
        "from harbench.method import register_method\nfrom harbench.methods.cnn import CNN\n"
        "import harbench.nn.transformer\n"
        "@register_method\nclass Heir(CNN):\n    name = 'heir'\n"
    )
    cls = registry.method_class(str(file))
    shipped = set(method_modules(registry.method_class("cnn")))
    modules = method_modules(cls)
    assert modules[0] == cls.__module__
    assert set(modules) > shipped
    assert "harbench.nn.transformer" in modules

    spec = importlib.util.spec_from_file_location("harbench.methods.heir", file)
    assert spec is not None
    assert spec.loader is not None
    merged = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, merged)
    monkeypatch.setattr("harbench.method.METHODS", {})  # it registers itself
    spec.loader.exec_module(merged)
    assert method_code(merged.Heir) == method_code(cls)


def test_the_code_of_a_file_has_what_lies_beside_it_and_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sibling changed makes a record outdated; another version of a library does not."""
    installed = tmp_path / ".venv" / "site-packages"
    installed.mkdir(parents=True)
    for folder in (tmp_path, installed):
        monkeypatch.syspath_prepend(folder)
    (installed / "odd_library.py").write_text("")
    codes = []
    for number, width in enumerate((4, 64)):
        (tmp_path / "odd_sibling.py").write_text(f"import odd_library, json\nWIDTH = {width}\n")
        file = tmp_path / str(number) / "net.py"
        file.parent.mkdir()
        file.write_text(
            "import odd_sibling\nfrom unit.toy import Toy\n"
            "from harbench.method import register_method\n"
            "@register_method\nclass Net(Toy):\n    name = 'net'\n"
        )
        linecache.clearcache()
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, "odd_sibling", raising=False)
        cls = registry.method_class(str(file))
        assert {"odd_sibling", "unit.toy"} <= set(method_modules(cls))
        assert not {"odd_library", "json", "torch"} & set(method_modules(cls))
        codes.append(method_code(cls))
    assert codes[0] != codes[1]
