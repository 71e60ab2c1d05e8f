"""Any value of any option of any method: refused in words, or something that can be built."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import pytest
import torch
from torch import nn
from unit.toy import Toy, ToyConfig

from harbench import registry
from harbench.data import store
from harbench.data.store import HARDataset
from harbench.errors import HarbenchError
from harbench.method import InputShape, budget
from harbench.options import LARGEST, build
from harbench.running import buildable
from harbench.running.buildable import require_buildable
from harbench.running.configure import check_method, configure

SMALL = "bodysim+activities=3+seconds=24.0+sensors=3+subjects=3"
# What a slip of the finger or a script writes.
EXTREMES = ("-1", "0", "", "none", "nan", "inf", "-inf", "1e300", "-1e300", str(10**20), "9" * 5000)
SHAPE = InputShape(4, 2, 2, 3, 10.0, ((0, 0, 0), (0, 0, 1)))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> HARDataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        return store.load(SMALL)


def tried(name: str, option: str, value: str, dataset: HARDataset) -> str:
    """The refusal of a value; "" where it is taken. Anything but HarbenchError fails the test."""
    tiny = dataclasses.asdict(registry.method_class(name)(build_tiny(name)).config)
    try:
        found = configure(name, dataset, {**tiny, option: value})
        check_method(found, dataset, budget("smoke"))
    except HarbenchError as error:
        assert len(str(error)) < 6000
        return str(error)
    return ""


def build_tiny(name: str) -> object:
    return registry.method_class(name).test_config()


@pytest.mark.parametrize("name", registry.method_names())
def test_every_option_takes_or_refuses_every_value(name: str, dataset: HARDataset) -> None:
    for field in dataclasses.fields(registry.method_class(name).Config):
        for value in EXTREMES:
            refusal = tried(name, field.name, value, dataset)
            assert refusal or value not in ("nan", "inf", "-inf"), (field.name, value)


@pytest.mark.slow
@pytest.mark.parametrize("value", [LARGEST, LARGEST - 1, 30_000])
@pytest.mark.parametrize("name", registry.method_names())
def test_every_option_takes_or_refuses_large_numbers(
    name: str, value: int, dataset: HARDataset
) -> None:
    for field in dataclasses.fields(registry.method_class(name).Config):
        begun = time.monotonic()
        tried(name, field.name, str(value), dataset)
        assert time.monotonic() - begun < 3 * buildable.SECONDS, field.name


@dataclass(frozen=True)
class Sizes:
    width: int = 2
    layers: int = 1
    fail: bool = False


class Sized(Toy):
    """Builds whatever it is told to; `made` notes the devices of what it has built."""

    name, Config = "sized", Sizes
    made: Callable[[], None] = staticmethod(lambda: None)

    def build(self, shape: InputShape) -> nn.Module:
        if self.config.fail:
            raise RuntimeError("heads do not divide width")
        type(self).made()
        width, layers = self.config.width, self.config.layers
        return nn.Sequential(*(nn.Linear(width, width) for _ in range(layers)))


def test_too_many_parameters_are_refused_before_they_need_memory() -> None:
    before = psutil.Process().memory_info().rss
    with pytest.raises(HarbenchError, match=r"sized\+width=1000000 is too large: .* GiB"):
        require_buildable(Sized(Sizes(width=LARGEST)), SHAPE)
    assert psutil.Process().memory_info().rss - before < 2**28


def test_too_many_layers_are_refused_soon() -> None:
    begun = time.monotonic()
    with pytest.raises(HarbenchError, match="has more than 20,000 layers"):
        require_buildable(Sized(Sizes(layers=LARGEST, width=1)), SHAPE)
    assert time.monotonic() - begun < 60


def test_building_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buildable, "SECONDS", 0.2)

    def forever() -> None:
        while True:
            pass

    monkeypatch.setattr(Sized, "made", staticmethod(forever))
    for config in (Sizes(), Sizes(width=3)):
        with pytest.raises(HarbenchError, match="takes more than 0 seconds to build"):
            require_buildable(Sized(config), SHAPE)


def test_only_options_are_blamed_that_are_at_fault() -> None:
    with pytest.raises(HarbenchError, match=r"sized\+fail=true cannot be built: RuntimeError: he"):
        require_buildable(Sized(Sizes(fail=True)), SHAPE)

    class Broken(Sized):
        def build(self, shape: InputShape) -> nn.Module:
            raise RuntimeError("always")

    for config in (Sizes(), Sizes(width=3)):
        with pytest.raises(RuntimeError, match="always"):
            require_buildable(Broken(config), SHAPE)


def test_what_is_usual_is_built_once_and_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    devices: list[torch.device] = []
    monkeypatch.setattr(Sized, "made", staticmethod(lambda: devices.append(torch.empty(1).device)))
    before = torch.get_rng_state()
    require_buildable(Sized(Sizes()), SHAPE)
    assert [device.type for device in devices] == ["cpu"]
    require_buildable(Sized(Sizes(width=3)), SHAPE)
    assert [device.type for device in devices[1:]] == ["meta", "cpu"]
    assert torch.equal(before, torch.get_rng_state())
    Toy(ToyConfig()).build(SHAPE)


def test_numbers_beyond_all_sense_are_named() -> None:
    with pytest.raises(HarbenchError, match=r"t: width=1000001: at most 1,000,000 is possible"):
        build(Sizes, {"width": LARGEST + 1}, "t")
    assert build(ToyConfig, {"lr": "inf"}, "t", endless=True).lr == float("inf")
    with pytest.raises(HarbenchError, match="lr='nan': a finite number is needed"):
        build(ToyConfig, {"lr": "nan"}, "t", endless=True)
    with pytest.raises(HarbenchError, match="t: lr='inf': a finite number is needed"):
        build(ToyConfig, {"lr": "inf"}, "t")


@pytest.mark.parametrize("option", ["seconds=1e300", "seconds=1e15"])
def test_a_dataset_that_no_memory_holds_is_refused(option: str) -> None:
    with pytest.raises(HarbenchError, match="cannot be made with these options"):
        store.prepare(f"bodysim+{option}")
