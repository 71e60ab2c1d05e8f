"""How windows are cut into patches along time."""

from __future__ import annotations

import math

MOST_PATCHES = 32


def patch_steps(steps: int, rate: float, seconds: float) -> int:
    """Steps per patch, where a patch lasts about `seconds` at `rate` Hz.

    The window is cut into the number of patches that comes nearest, 32 at most, and these are as
    even as whole steps allow: only the last is padded, and as little as possible.
    """
    patches = min(max(round(steps / (seconds * rate)), 1), MOST_PATCHES, steps)
    return math.ceil(steps / patches)
