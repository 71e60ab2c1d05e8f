"""From a method's spec and what the user set to a configured method and its name in tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from harbench import registry
from harbench.dataset import HARDataset
from harbench.errors import HarbenchError, needs, unknown
from harbench.method import ENGINE_OPTIONS, Augment, Budget, FitStage, Impute, Method, budget
from harbench.options import build, differences, format_spec, parse_spec
from harbench.training.fit import input_shape


@dataclass(frozen=True)
class Tuned:
    """The configuration that a search of `trials` trials chose."""

    config: Mapping[str, Any]
    trials: int


@dataclass(frozen=True)
class Configured:
    """A method ready to be planned.

    source: what finds its class again, the registered name or the path of its file. label: its
    name with all that differs from the dataset's (or the tuned) default.
    """

    method: Method
    source: str
    label: str
    augment: Augment
    impute: Impute
    indicator: bool
    tuned: int


def configure(
    spec: str,
    dataset: HARDataset,
    values: Mapping[str, Any],
    tuned: Tuned | None = None,
) -> Configured:
    """Read ``name+key=value`` or ``./file.py+key=value``; `values` are set for every method."""
    source, own = parse_spec(spec)
    cls = registry.method_class(source)
    where = f"method {cls.name!r}"
    given = {**values, **own}
    for key in ("tuned", "precision"):
        if key in given:
            raise HarbenchError(f"{where}: {key!r} is an option of the command: --{key}.")
    engine = _engine({key: given.pop(key) for key in ENGINE_OPTIONS & given.keys() - {"preset"}})
    preset = given.pop("preset", None)
    if preset is not None and preset not in cls.named_presets:
        raise unknown(f"preset of {where}", str(preset), cls.named_presets)
    default = {
        **cls.presets.get(parse_spec(dataset.spec)[0], {}),
        **(tuned.config if tuned else {}),
    }
    base = {**cls.named_presets.get(preset, {}), **default}
    method = cls(build(cls.Config, {**base, **given}, where))
    fault = engine.get("augment")
    if fault and all(isinstance(s, FitStage) for s in method.stages(budget("smoke"))):
        raise HarbenchError(
            f"{where} is not trained by gradients: augment={fault} does not apply to it."
        )
    changed = differences(method.config, build(cls.Config, default, where))
    changed |= engine
    changed |= {"tuned": tuned.trials} if tuned else {}
    return Configured(
        method,
        source,
        format_spec(cls.name, changed),
        engine.get("augment", "none"),
        engine.get("impute", "zero"),
        engine.get("indicator", False),
        tuned.trials if tuned else 0,
    )


def _engine(given: Mapping[str, Any]) -> dict[str, Any]:
    """The engine's options that differ from their defaults, from texts or typed values."""
    choices = {"augment": get_args(Augment), "impute": get_args(Impute)}
    for key, known in choices.items():
        if key in given and given[key] not in known:
            raise unknown(key, str(given[key]), known)
    if given.get("impute") == "saits":
        needs("pypots", "impute")
    found = {key: given[key] for key in choices.keys() & given.keys()}
    if "indicator" in given:
        text = str(given["indicator"]).lower()
        if text not in ("true", "false"):
            raise HarbenchError(f"indicator={given['indicator']}: write true or false.")
        found["indicator"] = text == "true"
    return {key: value for key, value in found.items() if value not in ("none", "zero", False)}


def check_method(method: Method, dataset: HARDataset, spent: Budget, indicator: bool) -> None:
    """Find out before training whether it has something to learn and suits the windows."""
    from harbench.running.buildable import mended, require_buildable

    stages = mended(method, lambda tried: tried.stages(spent))
    if not any(stage.labelled for stage in stages):
        raise HarbenchError(
            f"Method {method.name!r} has no labelled stage at budget {spent.name!r}: it would be "
            "tested without having seen a class. Its stages() must give at least one."
        )
    require_buildable(method, input_shape(dataset, indicator))
