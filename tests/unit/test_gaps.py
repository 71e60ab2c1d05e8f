"""Closing short gaps."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harbench.data.gaps import close_gaps

NAN = float("nan")


def test_short_gaps_are_lines_and_long_ones_stay() -> None:
    values = np.array([NAN, 1, NAN, 3, NAN, NAN, NAN, 7, NAN], dtype=np.float32)[:, None]
    time = np.arange(9.0)
    np.testing.assert_array_equal(
        close_gaps(time, values, 2.0)[:, 0], [NAN, 1, 2, 3, NAN, NAN, NAN, 7, NAN]
    )
    np.testing.assert_array_equal(
        close_gaps(time, values, 4.0)[:, 0], [NAN, 1, 2, 3, 4, 5, 6, 7, NAN]
    )
    np.testing.assert_array_equal(close_gaps(time, values, 0.0), values)


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.floats(0, 10))
def test_a_straight_line_is_restored_and_present_values_are_kept(
    present: list[bool], longest: float
) -> None:
    line = np.arange(len(present), dtype=np.float32)[:, None, None] * np.ones((1, 2, 3))
    values = np.where(np.array(present)[:, None, None], line, NAN).astype(np.float32)
    before = values.copy()
    filled = close_gaps(np.arange(len(present)) * 1.0, values, longest)
    known = ~np.isnan(filled)
    np.testing.assert_allclose(filled[known], line[known], rtol=1e-6)
    assert known[np.array(present)].all()
    np.testing.assert_array_equal(values, before)
