"""How windows are cut into patches along time."""

from __future__ import annotations

import math

MOST_PATCHES = 32


def default_patch(steps: int, rate: float) -> int:
    """Half a second to a second, at most 32 patches: the smallest divisor of T in that range.

    Where T has no such divisor, three quarters of a second; the last patch must then be padded.
    """
    low = max(math.ceil(0.5 * rate), math.ceil(steps / MOST_PATCHES), 1)
    high = max(math.floor(rate), low)
    divisors = [p for p in range(low, high + 1) if steps % p == 0]
    return min(divisors[0] if divisors else max(low, round(0.75 * rate)), steps)
