import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES, arrays, numbers

import rask.array as da

PLAIN = ["sum", "prod", "min", "max", "any", "all", "mean", "var", "std"]
SKIPPING = ["nansum", "nanprod", "nanmin", "nanmax", "nanmean", "nanvar", "nanstd"]


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), ()])
def test_over_axes(compare, name, dtype, axis):
    values = numbers(dtype, (3, 4, 5))
    lazy = da.from_array(values, chunks=(2, 3, 2))
    for keepdims in (False, True):
        expected = getattr(np, name)(values, axis=axis, keepdims=keepdims)
        compare(getattr(da, name)(lazy, axis=axis, keepdims=keepdims), expected)
        compare(getattr(lazy, name)(axis=axis, keepdims=keepdims), expected)


@pytest.mark.parametrize("name", SKIPPING)
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_skipping_nan(compare, name, axis):
    values = numbers("float64", (6, 5))
    values[1, 2] = values[4, 4] = values[0, 0] = np.nan
    lazy = da.from_array(values, chunks=2)
    compare(getattr(da, name)(lazy, axis=axis), getattr(np, name)(values, axis=axis))
    whole = np.arange(6).reshape(2, 3)
    compare(
        getattr(da, name)(da.from_array(whole, chunks=2), axis=axis),
        getattr(np, name)(whole, axis=axis),
    )


def test_slices_of_nothing_but_nan(compare):
    values = np.array([[np.nan, 1.0], [np.nan, 2.0]])
    lazy = da.from_array(values, chunks=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("nansum", "nanmax", "nanmin", "nanmean"):
            compare(getattr(da, name)(lazy, axis=0), getattr(np, name)(values, axis=0))


@given(arrays(dtypes=("float64", "int64"), min_dims=1, min_side=1), st.data())
def test_in_any_blocks_and_any_tree(case, data):
    values, chunks = case
    axis = data.draw(st.sampled_from([None, *range(values.ndim)]))
    split = data.draw(st.sampled_from([None, 2, 3]))
    lazy = da.from_array(values, chunks=chunks)
    for name in ("sum", "max", "mean", "var"):
        ours = getattr(lazy, name)(axis=axis, split_every=split).compute()
        np.testing.assert_allclose(ours, getattr(np, name)(values, axis=axis), rtol=1e-9, atol=1e-9)
    for name in ("argmax", "argmin"):
        ours = getattr(lazy, name)(axis=axis, split_every=split).compute()
        np.testing.assert_array_equal(ours, getattr(np, name)(values, axis=axis))


@pytest.mark.parametrize("name", ["argmin", "argmax", "nanargmin", "nanargmax"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_positions(compare, name, axis):
    values = numbers("float64", (7, 6))
    if name.startswith("nan"):
        values[2, 3] = np.nan
    lazy = da.from_array(values, chunks=(3, 4))
    compare(getattr(da, name)(lazy, axis=axis), getattr(np, name)(values, axis=axis))
    ties = np.array([1, 3, 3, 1, 3])
    compare(getattr(da, name)(da.from_array(ties, chunks=2), axis=0), getattr(np, name)(ties))


@pytest.mark.parametrize("ddof", [0, 1, 2])
def test_degrees_of_freedom(compare, ddof):
    values = numbers("float64", (9, 4))
    lazy = da.from_array(values, chunks=(2, 3))
    compare(lazy.var(axis=0, ddof=ddof), values.var(axis=0, ddof=ddof))
    compare(lazy.std(ddof=ddof), values.std(ddof=ddof))


def test_variance_is_stable():
    values = numbers("float64", (1000,)) + 1e9
    lazy = da.from_array(values, chunks=37)
    np.testing.assert_allclose(lazy.var().compute(), values.var(), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "c16"])
def test_types_to_reduce_in(compare, dtype):
    values = numbers("float32", (8, 5))
    lazy = da.from_array(values, chunks=3)
    compare(lazy.sum(axis=0, dtype=dtype), values.sum(axis=0, dtype=dtype))
    if dtype != "i8":
        compare(lazy.mean(dtype=dtype), values.mean(dtype=dtype))


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "nancumsum", "nancumprod"])
@pytest.mark.parametrize("axis", [0, 1, None])
@pytest.mark.parametrize("dtype", ["int32", "float64", "bool", "uint8"])
def test_running_totals(compare, name, axis, dtype):
    values = numbers(dtype, (5, 6))
    if dtype == "float64" and name.startswith("nan"):
        values[1, 1] = np.nan
    lazy = da.from_array(values, chunks=(2, 4))
    compare(getattr(da, name)(lazy, axis=axis), getattr(np, name)(values, axis=axis))


def test_moments(compare):
    values = numbers("float64", (20,))
    lazy = da.from_array(values, chunks=7)
    for order in (2, 3, 4):
        compare(lazy.moment(order), ((values - values.mean()) ** order).mean())
    assert float(lazy.moment(0)) == 1.0
    assert float(lazy.moment(1)) == 0.0
    with pytest.raises(ValueError):
        lazy.moment(-1)


@pytest.mark.parametrize("q", [0.5, [0.1, 0.9]])
def test_quantiles(compare, q):
    values = numbers("float64", (9, 8))
    lazy = da.from_array(values, chunks=(4, 3))
    for axis in (0, 1):
        compare(da.quantile(lazy, q, axis=axis), np.quantile(values, q, axis=axis))
        compare(da.median(lazy, axis=axis), np.median(values, axis=axis))
        compare(
            da.percentile(lazy, np.multiply(q, 100), axis=axis),
            np.percentile(values, np.multiply(q, 100), axis=axis),
        )
    values[0, 0] = np.nan
    hole = da.from_array(values, chunks=3)
    compare(
        da.nanquantile(hole, q, axis=0, keepdims=True),
        np.nanquantile(values, q, axis=0, keepdims=True),
    )
    compare(da.nanmedian(hole, axis=1), np.nanmedian(values, axis=1))


def test_other_statistics(compare):
    values = numbers("float64", (6, 20))
    lazy = da.from_array(values, chunks=(4, 7))
    weights = np.arange(1.0, 21)
    compare(da.average(lazy, axis=1), np.average(values, axis=1))
    compare(da.average(lazy, axis=1, weights=weights), np.average(values, axis=1, weights=weights))
    compare(da.cov(lazy), np.cov(values))
    compare(da.corrcoef(lazy), np.corrcoef(values))
    compare(da.ptp(lazy, axis=0), np.ptp(values, axis=0))
    compare(lazy.trace(), values.trace())
    counts, edges = da.histogram(lazy, bins=7, range=(-3, 3))
    expected, expected_edges = np.histogram(values, bins=7, range=(-3, 3))
    compare(counts, expected)
    np.testing.assert_array_equal(edges, expected_edges)
    density, _ = da.histogram(lazy, bins=[-3, -1, 0, 2, 3], density=True)
    compare(density, np.histogram(values, bins=[-3, -1, 0, 2, 3], density=True)[0])
    with pytest.raises(ValueError):
        da.histogram(lazy, bins=5)
    plane, _, _ = da.histogram2d(lazy[0], lazy[1], bins=4, range=((-3, 3), (-3, 3)))
    compare(plane, np.histogram2d(values[0], values[1], bins=4, range=((-3, 3), (-3, 3)))[0])
    whole = np.array([1, 4, 4, 2, 7])
    compare(
        da.bincount(da.from_array(whole, chunks=2), minlength=9), np.bincount(whole, minlength=9)
    )
    compare(da.bincount(da.from_array(whole, chunks=2)), np.bincount(whole))


def test_own_reductions(compare):
    values = numbers("float64", (7, 5))
    lazy = da.from_array(values, chunks=(2, 3))

    def chunk(block, axis, keepdims):
        return np.sqrt((block**2).sum(axis=axis, keepdims=keepdims))

    result = da.reduction(lazy, chunk, chunk, axis=1, dtype="f8", split_every=2)
    compare(result, np.sqrt((values**2).sum(axis=1)))


@pytest.mark.parametrize(
    "axis, error", [(3, np.exceptions.AxisError), ((0, 0), ValueError), ("x", TypeError)]
)
def test_bad_axes_are_refused_at_once(axis, error):
    with pytest.raises(error):
        da.ones((2, 3)).sum(axis=axis)


def test_nothing_has_no_extreme():
    with pytest.raises(ValueError, match="zero-size"):
        da.ones((0,)).max()
    assert float(da.ones((0,)).sum()) == 0.0


def test_scalars_of_arrays():
    x = da.arange(5, chunks=2)
    assert int(x.sum()) == 10
    assert float(x.mean()) == 2.0
    assert complex(x.sum()) == 10
    assert bool(x.any())
    assert list(range(9))[x.max()] == 4
    with pytest.raises(ValueError, match="ambiguous"):
        bool(x)
    with pytest.raises(TypeError):
        int(x)


def test_topk(compare):
    values = numbers("float64", (4, 9))
    lazy = da.from_array(values, chunks=(2, 4))
    compare(lazy.topk(3, axis=1), np.sort(values, axis=1)[:, ::-1][:, :3])
    compare(lazy.topk(-2, axis=0), np.sort(values, axis=0)[:2])
    compare(lazy.argtopk(2, axis=1), np.argsort(values, axis=1)[:, ::-1][:, :2])


def test_unique(compare):
    values = np.array([3, 1, 3, 2, 1, 7])
    lazy = da.from_array(values, chunks=2)
    compare(da.unique(lazy), np.unique(values))
    for ours, theirs in zip(
        da.unique(lazy, return_index=True, return_inverse=True, return_counts=True),
        np.unique(values, return_index=True, return_inverse=True, return_counts=True),
        strict=True,
    ):
        compare(ours, theirs)
    compare(da.union1d(lazy, da.arange(3)), np.union1d(values, np.arange(3)))


def test_searching(compare):
    edges, values = np.array([1.0, 3, 5, 8]), numbers("float64", (4, 3)) * 4
    x = da.from_array(values, chunks=2)
    compare(da.searchsorted(da.from_array(edges, chunks=2), x), np.searchsorted(edges, values))
    compare(da.digitize(x, edges), np.digitize(values, edges))
