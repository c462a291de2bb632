"""What the array tests share: comparing with NumPy, and strategies for shapes and blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "rask",
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    derandomize=True,
)
settings.load_profile("rask")


def check(lazy, expected, *, dtype=True, exact=False):
    """The lazy array has the shape, type and elements of NumPy's."""
    computed = lazy.compute()
    expected = np.asarray(expected)
    assert np.shape(computed) == expected.shape
    known = tuple(-1 if n != n else n for n in lazy.shape)
    assert all(n in (-1, m) for n, m in zip(known, expected.shape, strict=True))
    if dtype:
        assert lazy.dtype == expected.dtype
        assert np.asarray(computed).dtype == expected.dtype
    if exact or expected.dtype.kind not in "fc":
        np.testing.assert_array_equal(computed, expected)
    else:
        single = np.dtype(expected.dtype).type(0).real.dtype.itemsize <= 4
        tolerance = 1e-3 if single else 1e-9
        np.testing.assert_allclose(computed, expected, rtol=tolerance, atol=tolerance)


@pytest.fixture
def compare():
    return check
