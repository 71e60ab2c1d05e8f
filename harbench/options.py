"""Frozen option dataclasses: read from `key=value` text, validated, written back as a name.

A *spec* is `name+key=value+key=value`: a dataset or method with options that differ from its
defaults, for example ``bodysim+subjects=20`` or ``robusthar+lam=0.3``.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from pydantic import TypeAdapter, ValidationError

from harbench.errors import HarbenchError, unknown

T = TypeVar("T")
# No whole number that an option means is larger.
LARGEST = 1_000_000


def parse_spec(spec: str) -> tuple[str, dict[str, str]]:
    """Split ``name+key=value`` into the name and its options as text; %2B in a value is a plus."""
    name, *pairs = spec.split("+")
    texts = parse_pairs(pairs, where=f"in {spec!r}")
    return name, {key: unquote(text, errors="surrogatepass") for key, text in texts.items()}


def parse_pairs(pairs: typing.Iterable[str], where: str = "") -> dict[str, str]:
    """Turn ``["lam=0.3"]`` into ``{"lam": "0.3"}``."""
    options: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise HarbenchError(f"Expected key=value, got {pair!r} {where}".strip() + ".")
        if key.strip() in options:
            raise HarbenchError(f"{key.strip()!r} is given twice {where}".strip() + ".")
        options[key.strip()] = value.strip()
    return options


def build(cls: type[T], values: Mapping[str, Any], where: str, endless: bool = False) -> T:
    """Build the option dataclass `cls` from `values` (texts or typed values).

    endless: infinity means something, as in `max_gap=inf`. Raises HarbenchError that names the
    option, what was expected and what came.
    """
    fields = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    prepared: dict[str, Any] = {}
    for key, value in values.items():
        if key not in fields:
            raise unknown(f"option of {where}", key, fields)
        prepared[key] = _from_text(value, hints[key]) if isinstance(value, str) else value
    try:
        built = TypeAdapter(cls).validate_python(prepared)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if part in fields) or "options"
        message = first["msg"].removeprefix("Value error, ")
        raise HarbenchError(f"{where}: {key}={values.get(key)!r}: {message}.") from None
    for key in prepared:
        _check_size(getattr(built, key), f"{where}: {key}={values[key]!r}", endless)
    return built


def _check_size(value: Any, words: str, endless: bool) -> None:
    """Refuse numbers that no option means: they would only exhaust memory, time or precision."""
    for each in value if isinstance(value, (tuple, list)) else (value,):
        if isinstance(each, float) and (math.isnan(each) or (math.isinf(each) and not endless)):
            raise HarbenchError(f"{words}: a finite number is needed.")
        if isinstance(each, int) and abs(each) > LARGEST:
            raise HarbenchError(f"{words}: at most {LARGEST:,} is possible.")


def _from_text(text: str, hint: Any) -> Any:
    """Texts that pydantic cannot read by itself: `none`, and comma lists for tuples."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType) and text.lower() == "none":
        return None
    if origin is tuple:
        return tuple(part for part in text.split(",") if part)
    return text


def differences(options: Any, default: Any) -> dict[str, Any]:
    """The fields of `options` whose value is not that of `default`."""
    return {
        field.name: value
        for field in dataclasses.fields(options)
        if (value := getattr(options, field.name)) != getattr(default, field.name)
    }


def as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they come back from JSON."""
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def require_searchable(
    cls: type, space: Mapping[str, Any], base: Mapping[str, Any], where: str
) -> None:
    """Raise HarbenchError unless a search of `space` can begin at `base`, values of `cls`.

    A list needs the value of `base`; a pair is a range of numbers above 0 around it, drawn by
    their logarithm.
    """
    for key, values in space.items():
        if key not in base:
            raise HarbenchError(f"{where} names {key}, which its Config does not have.")
        listed, default = isinstance(values, list), base[key]
        if not listed and not (len(values) == 2 and 0 < values[0] < values[1]):
            raise HarbenchError(
                f"{where}: {key} is {values!r}; write a list of values, or a pair (low, high) with "
                "0 < low < high."
            )
        if not (default in values if listed else values[0] <= default <= values[1]):
            raise HarbenchError(f"{where}: {key} does not hold the default, {default!r}.")
        # Between the ends lie numbers that an option for whole numbers refuses.
        tried = values if listed else (*values, math.sqrt(values[0] * values[1]))
        for value in tried:
            build(cls, {**base, key: value}, where)


def format_spec(name: str, changed: Mapping[str, Any]) -> str:
    """The canonical spec: options sorted by key, so that one configuration has one name.

    A spec names folders: what would be special in a text (`/`, `+`, a space) is written as in web
    addresses, %2F. So it leads nowhere else, and two configurations have two names.
    """

    def text(value: Any) -> str:
        if isinstance(value, (tuple, list)):
            return ",".join(map(text, value))
        if isinstance(value, float):
            return str(value).replace("e+", "e")  # a plus would begin the next option
        if isinstance(value, bool) or value is None:
            return str(value).lower()
        return quote(str(value), safe="", errors="surrogatepass")

    return "+".join([name, *(f"{key}={text(changed[key])}" for key in sorted(changed))])
