"""What a method's search space must be, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from harbench.errors import HarbenchError
from harbench.options import require_searchable


@dataclass(frozen=True)
class Config:
    """Options of a method."""

    width: int = 32
    lr: float = 1e-3

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError("width must be positive")


BASE = {"width": 32, "lr": 1e-3}


def test_lists_and_ranges_around_the_default() -> None:
    require_searchable(Config, {"width": [16, 32], "lr": (1e-4, 1e-2)}, BASE, "here")


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"depth": [1]}, "names depth, which its Config does not have"),
        ({"width": [32, -1]}, "width must be positive"),
        ({"width": [16, 64]}, "width does not hold the default, 32"),
        ({"width": (8, 130)}, "width"),
        ({"width": (8, 16, 32)}, "a pair"),
        ({"lr": (0.0, 1.0)}, "0 < low < high"),
        ({"lr": (1e-2, 1e-4)}, "0 < low < high"),
        ({"lr": (1e-2, 1.0)}, "lr does not hold the default, 0.001"),
    ],
)
def test_what_no_search_can_begin_with(space: dict[str, Any], message: str) -> None:
    with pytest.raises(HarbenchError, match=message):
        require_searchable(Config, space, BASE, "here")
