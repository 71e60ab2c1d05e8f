"""From a method's spec and what the user set to a configured method and its name in tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, get_args, get_type_hints

from harbench import registry
from harbench.dataset import HARDataset
from harbench.errors import HarbenchError, needs, unknown
from harbench.method import BESIDE_CONFIG, Budget, EngineOptions, FitStage, Method, budget
from harbench.options import as_json, build, differences, format_spec, parse_spec
from harbench.running.records import Identity
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
    options: EngineOptions
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
    options = _options({key: given.pop(key) for key in BESIDE_CONFIG & given.keys() - {"preset"}})
    preset = given.pop("preset", None)
    if preset is not None and preset not in cls.named_presets:
        raise unknown(f"preset of {where}", str(preset), cls.named_presets)
    default = {
        **cls.presets.get(parse_spec(dataset.spec)[0], {}),
        **(tuned.config if tuned else {}),
    }
    base = {**cls.named_presets.get(preset, {}), **default}
    method = cls(build(cls.Config, {**base, **given}, where))
    _require_effect(options, method, where)
    changed = differences(method.config, build(cls.Config, default, where))
    changed |= options.changed()
    changed |= {"tuned": tuned.trials} if tuned else {}
    return Configured(
        method,
        source,
        format_spec(cls.name, changed),
        options,
        tuned.trials if tuned else 0,
    )


def other_default(label: str, identity: Identity) -> str:
    """What a record's name hides: its configuration is not what the name stands for today.

    label: the folder that the record lies in. "" where they agree, and where nobody can know: of a
    method that is not registered, and of a configuration that a search chose.
    """
    if identity.tuned or identity.method not in registry.method_names():
        return ""
    cls, options = registry.method_class(identity.method), parse_spec(label)[1]
    default = cls.presets.get(parse_spec(identity.dataset)[0], {})
    said = {key: text for key, text in options.items() if key not in BESIDE_CONFIG}
    try:
        named = as_json(asdict(build(cls.Config, {**default, **said}, f"method {cls.name!r}")))
    except HarbenchError as error:
        return f"has a name that means nothing today ({error})"
    # An option that is new, or gone, is other code, which records state.
    changed = {k: v for k, v in identity.config.items() if k in named and named[k] != v}
    if not changed:
        return ""
    own = ", ".join(f"{key}={value}" for key, value in changed.items())
    return f"was made with {own}, which its name does not say: the defaults were others. Run again"


def _options(given: Mapping[str, Any]) -> EngineOptions:
    """The engine's options, from texts or typed values."""
    kinds, typed = get_type_hints(EngineOptions), dict[str, Any]()
    for key, text in given.items():
        switch = kinds[key] is bool
        known = ("true", "false") if switch else get_args(kinds[key])
        value = str(text).lower() if switch else text
        if value not in known:
            raise unknown(key, str(text), known)
        typed[key] = value == "true" if switch else value
    if typed.get("impute") == "saits":
        needs("pypots", "impute")
    return EngineOptions(**typed)


def _require_effect(options: EngineOptions, method: Method, where: str) -> None:
    """HarbenchError where an option would change nothing but the name of the row."""
    if options.augment == "none" and options.pretrain:
        return
    stages = method.stages(budget("smoke"))
    by_gradients = [stage for stage in stages if not isinstance(stage, FitStage)]
    if options.augment != "none" and not by_gradients:
        raise HarbenchError(
            f"{where} is not trained by gradients: augment={options.augment} does not apply to it."
        )
    if options.pretrain:
        return
    if all(stage.labelled for stage in by_gradients):
        raise HarbenchError(f"{where} has no pre-training: pretrain=false does not apply to it.")
    for before, stage in pairwise(stages):
        if isinstance(stage, FitStage) and before in by_gradients and not before.labelled:
            raise HarbenchError(
                f"{where}: its stage {stage.name!r} keeps what pre-training has learned: "
                "pretrain=false does not apply to this configuration."
            )


def check_method(found: Configured, dataset: HARDataset, spent: Budget) -> None:
    """Find out before training whether it has something to learn and suits the windows."""
    from harbench.running.buildable import mended, require_buildable

    method = found.method
    stages = mended(method, lambda tried: tried.stages(spent))
    if not any(stage.labelled for stage in stages):
        raise HarbenchError(
            f"Method {method.name!r} has no labelled stage at budget {spent.name!r}: it would be "
            "tested without having seen a class. Its stages() must give at least one."
        )
    require_buildable(method, input_shape(dataset, found.options.indicator))
