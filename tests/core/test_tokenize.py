"""Tokens: equal for equal values, different otherwise."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from rask.base import tokenize

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=8,
)


@given(VALUES)
def test_equal_for_copies(value):
    import copy

    assert tokenize(value) == tokenize(copy.deepcopy(value))


def test_different_for_different():
    values = [1, 1.5, "1", b"1", [1], (1,), {1: 1}, {1}, None, np.arange(3), np.arange(3.0),
              pd.Series([1]), pd.Series([1], name="a"), partial(sum, start=1), sum, max]  # fmt: skip
    assert len({tokenize(value) for value in values}) == len(values)


def test_arrays_by_content():
    a = np.arange(1000).reshape(10, 100)
    assert tokenize(a) == tokenize(a.copy())
    assert tokenize(a) != tokenize(a.T)
    changed = a.copy()
    changed[5, 5] += 1
    assert tokenize(a) != tokenize(changed)
