"""Options and specs: read, validated, written back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from harbench.errors import HarbenchError
from harbench.options import build, differences, format_spec, parse_pairs, parse_spec


@dataclass(frozen=True)
class Options:
    lam: Annotated[float, Field(ge=0, le=1)] = 0.5
    depth: int = 2
    scale: float = 1.0
    patch: int | None = None
    lst3d: bool = True
    kind: Literal["a", "b"] = "a"
    scales: tuple[Literal["x", "y", "z"], ...] = ("x", "y")


@given(
    lam=st.floats(0, 1),
    depth=st.integers(-5, 5),
    scale=st.floats(allow_nan=False, allow_infinity=False),
    patch=st.none() | st.integers(1, 99),
    lst3d=st.booleans(),
    kind=st.sampled_from("ab"),
    scales=st.lists(st.sampled_from("xyz"), min_size=1, max_size=3).map(tuple),
)
def test_a_spec_survives_being_written_and_read(**values: object) -> None:
    options = build(Options, values, "t")
    spec = format_spec("t", differences(options, Options()))
    name, texts = parse_spec(spec)
    assert name == "t" and build(Options, texts, "t") == options
    assert (spec == "t") == (options == Options())


@dataclass(frozen=True)
class Text:
    note: str = ""


TEXTS = st.text(st.characters(codec=None, exclude_characters="")) | st.sampled_from(
    ["../../x", "..", "/etc", "a+b=c", "%2F", "a b", " ", "\n", "\ud800", "e+", "é", "none"]
)


@given(first=TEXTS, second=TEXTS)
def test_a_text_names_one_folder_and_is_read_back(first: str, second: str) -> None:
    spec, other = (format_spec("t", {"note": text}) for text in (first, second))
    assert (spec == other) == (first == second)
    assert re.fullmatch(r"t\+note=[\w.~%-]*", spec, re.ASCII)
    assert build(Text, parse_spec(spec)[1], "t").note == first


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("lamb=0.3", "Unknown option of t 'lamb'. Did you mean 'lam'?"),
        ("lam=2", "lam='2': Input should be less than or equal to 1"),
        ("lam=much", "lam='much': Input should be a valid number"),
        ("depth=1.5", "depth='1.5'"),
        ("lst3d=perhaps", "lst3d='perhaps'"),
        ("kind=c", "kind='c': Input should be 'a' or 'b'"),
        ("scales=x,w", "scales='x,w'"),
    ],
)
def test_wrong_values_are_named(pair: str, message: str) -> None:
    with pytest.raises(HarbenchError) as caught:
        build(Options, parse_pairs([pair]), "t")
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["lam", "=3", ""])
def test_malformed_pairs_are_refused(text: str) -> None:
    with pytest.raises(HarbenchError, match="Expected key=value"):
        parse_pairs([text])
