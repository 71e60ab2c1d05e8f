"""What a call is to run, as one value: from the command line, from Python or from a TOML file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, get_args

from harbench.errors import HarbenchError, unknown
from harbench.evaluation.predict import Precision
from harbench.method import budget

Device = Literal["auto", "cpu", "cuda"]
# A seed of more digits is a slip, and would not fit into a record.
DIGITS = 9
SEEDS = re.compile(r"\s*([0-9]+)\s*(?:-\s*([0-9]+)\s*)?")
MOST_SEEDS = 10_000


@dataclass(frozen=True)
class Grid:
    """Every method under every protocol on every dataset, for each seed.

    methods: names, files, or specs such as ``timesnet+augment=corruption``. datasets, protocols:
    names, files, or for datasets specs. seeds: None for each protocol's own; a text such as
    ``0-4`` is read. settings: configuration values of all methods. tuned: take the configurations
    that `harbench tune` chose. Lists keep their order and lose repetitions.
    Raises HarbenchError that names the field where a value is impossible; whether names exist is
    found out by `harbench.running.plan.make_plan`.
    """

    methods: Sequence[str]
    protocols: Sequence[str]
    datasets: Sequence[str] = ("spar",)
    seeds: Sequence[int] | None = None
    budget: str = "paper"
    device: Device = "auto"
    precision: Precision = "fp32"
    settings: Mapping[str, Any] = field(default_factory=dict)
    tuned: bool = False

    def __post_init__(self) -> None:
        for each in fields(self):
            value = _checked(each.name, getattr(self, each.name))
            object.__setattr__(self, each.name, value)


def read_grid(path: Path, instead: Mapping[str, Any]) -> Grid:
    """The grid of a TOML file whose keys are the fields of `Grid`; `instead` replaces some of them.

    Raises HarbenchError that names the file and the key.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HarbenchError(f"{path}: cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HarbenchError(f"{path}: not valid TOML: {error}.") from None
    known = [each.name for each in fields(Grid)]
    for key, value in values.items():
        if key not in known:
            raise HarbenchError(f"{path}: {unknown('key', key, known)}")
        try:
            _checked(key, value)
        except HarbenchError as error:
            raise HarbenchError(f"{path}: {error}") from None
    for key in ("methods", "protocols"):
        if key not in {**values, **instead}:
            raise HarbenchError(f"{path}: {key} is missing: name one at least.")
    return Grid(**{**values, **instead})


def _checked(key: str, value: Any) -> Any:
    """The value of a field as `Grid` holds it."""
    if key in ("methods", "protocols", "datasets"):
        return _names(key, value)
    if key == "seeds":
        return _seeds(parse_seeds(value) if isinstance(value, str) else value)
    if key == "settings":
        return _settings(value)
    if key == "tuned":
        if not isinstance(value, bool):
            raise HarbenchError(f"{key}: write true or false, not {value!r}.")
        return value
    if not isinstance(value, str):
        raise HarbenchError(f"{key}: write a text, not {value!r}.")
    choices = {"device": get_args(Device), "precision": get_args(Precision)}
    if key == "budget":
        budget(value)
    elif value not in choices[key]:
        raise unknown(key, value, choices[key])
    return value


def _names(key: str, value: Any) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, Sequence) or not all(isinstance(each, str) for each in listed):
        raise HarbenchError(f"{key}: write a name or a list of names, not {value!r}.")
    if not listed:
        raise HarbenchError(f"{key} is empty: name one at least.")
    return tuple(dict.fromkeys(listed))


def _settings(value: Any) -> dict[str, Any]:
    plain = (str, bool, int, float, list, tuple, type(None))
    if not isinstance(value, Mapping):
        raise HarbenchError(f"settings: write a table, as in [settings], not {value!r}.")
    for key, each in value.items():
        if not isinstance(each, plain):
            raise HarbenchError(f"settings.{key}: write a text, a number or a list, not {each!r}.")
    return dict(value)


def _seeds(value: Any) -> tuple[int, ...] | None:
    if value is None:
        return None
    # numpy's whole numbers are seeds, too; true and false are not.
    if not isinstance(value, Sequence) or not all(
        isinstance(each, Integral) and not isinstance(each, bool) for each in value
    ):
        raise HarbenchError(f'seeds: write a list of whole numbers, or "0-4", not {value!r}.')
    if any(each < 0 or each >= 10**DIGITS for each in value):
        raise HarbenchError(f"seeds go from 0 to {10**DIGITS - 1}, got {value!r}.")
    if not value:
        raise HarbenchError("seeds is empty: name one, or leave it out for the protocol's own.")
    if len(value) > MOST_SEEDS:
        raise HarbenchError(f"seeds: {len(value):,} are too many: at most {MOST_SEEDS:,} at once.")
    return tuple(dict.fromkeys(int(each) for each in value))


def parse_seeds(text: str) -> list[int]:
    """``0-4``, ``0,2,5-7`` or ``3`` as seeds."""
    seeds: list[int] = []
    for part in text.split(","):
        found = SEEDS.fullmatch(part)
        if found is None:
            raise HarbenchError(f"Cannot read seeds {text!r}: write 0-4, 0,2,5-7 or 3.")
        first, last = found[1], found[2] or found[1]
        if max(len(first), len(last)) > DIGITS:
            raise HarbenchError(f"Seeds {text!r} are too large: at most {DIGITS} digits.")
        if int(first) > int(last):
            raise HarbenchError(f"Seeds {text!r}: write the smaller number first.")
        wanted = range(int(first), int(last) + 1)
        if len(seeds) + len(wanted) > MOST_SEEDS:
            raise HarbenchError(f"Seeds {text!r} are too many: at most {MOST_SEEDS:,} at once.")
        seeds += wanted
    return list(dict.fromkeys(seeds))
