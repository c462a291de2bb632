import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import arrays, chunks_of, numbers

import rask.array as da


@st.composite
def basic_case(draw):
    values, chunks = draw(arrays(dtypes=("int64",), min_dims=1, min_side=1))
    index = draw(hnp.basic_indices(values.shape, allow_newaxis=True, allow_ellipsis=True))
    return values, chunks, index


@given(basic_case())
def test_basic_indices(case):
    values, chunks, index = case
    lazy = da.from_array(values, chunks=chunks)[index]
    expected = values[index]
    assert lazy.shape == np.shape(expected)
    np.testing.assert_array_equal(lazy.compute(), expected)


@given(basic_case(), st.data())
def test_indices_of_indices(case, data):
    values, chunks, index = case
    once = values[index]
    if not np.ndim(once):
        return
    again = data.draw(hnp.basic_indices(np.shape(once)))
    lazy = (da.from_array(values, chunks=chunks) + 1)[index][again]
    np.testing.assert_array_equal(lazy.compute(), (values + 1)[index][again])


@given(arrays(dtypes=("int64",), min_dims=1, min_side=1), st.data())
def test_lists_and_masks_along_an_axis(case, data):
    values, chunks = case
    axis = data.draw(st.integers(0, values.ndim - 1))
    length = values.shape[axis]
    places = data.draw(
        st.one_of(
            st.lists(st.integers(-length, length - 1), max_size=9).map(
                lambda p: np.array(p, dtype=int)
            ),
            st.lists(st.booleans(), min_size=length, max_size=length).map(np.array),
        )
    )
    index = [slice(None)] * values.ndim
    for other in range(values.ndim):
        if other != axis and data.draw(st.booleans()):
            index[other] = data.draw(st.one_of(st.slices(values.shape[other])))
    index[axis] = places
    lazy = da.from_array(values, chunks=chunks)[tuple(index)]
    expected = values[tuple(index)]
    assert lazy.shape == expected.shape
    np.testing.assert_array_equal(lazy.compute(), expected)


def test_a_list_beside_an_integer(compare):
    a = np.arange(60).reshape(3, 4, 5)
    x = da.from_array(a, chunks=2)
    compare(x[1, :, [0, 3]], a[1, :, [0, 3]])
    compare(x[:, [3, 1], 2], a[:, [3, 1], 2])
    compare(x[[2, 0], None, :, 1], a[[2, 0], None, :, 1])


def test_several_lists_are_points(compare):
    a = np.arange(60).reshape(3, 4, 5)
    x = da.from_array(a, chunks=2)
    compare(x[[0, 2], [1, 3]], a[[0, 2], [1, 3]])
    compare(x[:, [1, 3], [0, 4]], a[:, [1, 3], [0, 4]])
    compare(x[[0, 2], :, [0, 4]], a[[0, 2], :, [0, 4]])
    compare(x[np.array([[0, 1], [2, 0]])], a[np.array([[0, 1], [2, 0]])])
    compare(x[a > 20], a[a > 20])


def test_pointwise_indexing(compare):
    a = np.arange(56).reshape(7, 8)
    x = da.from_array(a, chunks=(3, 4))
    compare(x.vindex[[0, 1, 6, 0], [0, 1, 0, 7]], a[[0, 1, 6, 0], [0, 1, 0, 7]])
    compare(x.vindex[[[0, 1]], [[2], [3]]], a[[[0, 1]], [[2], [3]]])
    compare(x.vindex[[-1, 0]], a[[-1, 0]])
    with pytest.raises(IndexError):
        x.vindex[[9], [0]]
    with pytest.raises(IndexError):
        x.vindex[[1, 2, 3], [1, 2]]


def test_lazy_masks(compare):
    a = np.arange(24).reshape(4, 6)
    x = da.from_array(a, chunks=(2, 3))
    lazy = x[x > 10]
    assert np.isnan(lazy.shape[0])
    compare(lazy, a[a > 10])
    compare(x[x.sum(axis=1) > 20], a[a.sum(axis=1) > 20])
    compare(x[:, x.sum(axis=0) > 40], a[:, a.sum(axis=0) > 40])
    compare(x[x > 10] * 2, a[a > 10] * 2)
    assert int((x[x > 10]).sum()) == a[a > 10].sum()


def test_lazy_positions(compare):
    a = np.arange(24).reshape(4, 6)
    x = da.from_array(a, chunks=(2, 3))
    compare(x[da.from_array(np.array([3, 0, -1]), chunks=2)], a[[3, 0, -1]])
    compare(x[:, da.from_array(np.array([5, 5, 1]), chunks=2)], a[:, [5, 5, 1]])


def test_unknown_lengths_can_be_computed():
    x = da.arange(10, chunks=4)
    y = x[x % 3 == 0]
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        len(y)
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        y[1:]
    assert y.compute_chunk_sizes().chunks == ((2, 1, 1),)
    assert y[1:].compute().tolist() == [3, 6, 9]


@pytest.mark.parametrize(
    "index, error",
    [
        ((5,), IndexError), ((0, 0, 0), IndexError), (([0, 9],), IndexError), ((-5,), IndexError),
        (([True, False],), IndexError), ((1.5,), IndexError), (("name",), IndexError),
        ((slice(None), [1.5]), IndexError),
    ],
)  # fmt: skip
def test_bad_indices_are_refused_at_once(index, error):
    x = da.ones((4, 6), chunks=2)
    with pytest.raises(error):
        np.ones((4, 6))[index]
    with pytest.raises(error):
        x[index]


def test_blocks(compare):
    a = np.arange(48).reshape(6, 8)
    x = da.from_array(a, chunks=(2, 3))
    compare(x.blocks[0, 1], a[0:2, 3:6])
    compare(x.blocks[1:, -1], a[2:, 6:])
    compare(x.blocks[[0, 2]], np.concatenate([a[:2], a[4:]]))
    assert x.blocks.shape == (3, 3)
    assert len(x.blocks.ravel()) == x.blocks.size == 9
    with pytest.raises(IndexError):
        x.blocks[7]
    assert x.partitions.shape == x.numblocks


def test_iteration(compare):
    a = np.arange(6).reshape(3, 2)
    x = da.from_array(a, chunks=2)
    assert len(x) == 3
    for lazy, row in zip(x, a, strict=True):
        compare(lazy, row)
    with pytest.raises(TypeError):
        len(da.asarray(3))


def test_fields(compare):
    a = np.array([(1, 2.0), (3, 4.0)], dtype=[("n", "i4"), ("v", "f8")])
    x = da.from_array(a, chunks=1)
    compare(x["n"], a["n"])
    compare(x["v"] + 1, a["v"] + 1)
    assert x[["n"]].dtype == a[["n"]].dtype
    with pytest.raises(ValueError, match="no field"):
        x["other"]


@given(arrays(dtypes=("int64",), min_dims=1, min_side=1), st.data())
def test_assignment_by_slices(case, data):
    values, chunks = case
    index = data.draw(hnp.basic_indices(values.shape, allow_newaxis=False))
    x = da.from_array(values, chunks=chunks)
    expected = values.copy()
    part = np.shape(expected[index])
    new = data.draw(st.sampled_from(["scalar", "array", "lazy", "row"]))
    if new == "scalar" or not part:
        value = 99
    elif new == "row":
        value = np.arange(100, 100 + part[-1])
    else:
        value = np.arange(100, 100 + int(np.prod(part))).reshape(part)
        if new == "lazy":
            value = da.from_array(value, chunks=data.draw(chunks_of(part)))
    expected[index] = np.asarray(value)
    x[index] = value
    np.testing.assert_array_equal(x.compute(), expected)


def test_assignment_by_masks_and_lists(compare):
    a = np.arange(24).reshape(4, 6)
    for index, value in [
        (a > 7, -1), ([0, 3], 5), ((slice(None), [5, 0]), np.array([[7, 8]])), (2, np.arange(6)),
        ((slice(1, 3), slice(None, None, -2)), np.array([10, 20, 30])), (Ellipsis, 3),
    ]:  # fmt: skip
        x, expected = da.from_array(a, chunks=(2, 4)), a.copy()
        x[index] = value
        expected[index] = value
        compare(x, expected)
    x = da.from_array(a, chunks=3)
    x[x > 10] = 0
    compare(x, np.where(a > 10, 0, a))
    x[x == 0] = x * 0 - 1
    assert x.dtype == a.dtype


def test_assignment_leaves_copies_alone(compare):
    x = da.zeros(4, chunks=2)
    y, z = x.copy(), x + 1
    x[1] = 5
    compare(x, np.array([0.0, 5, 0, 0]))
    compare(y, np.zeros(4))
    compare(z, np.ones(4))


def test_values_that_do_not_fit_are_refused():
    x = da.zeros((4, 3), chunks=2)
    with pytest.raises(ValueError, match="broadcast"):
        x[1:3] = da.ones(2)
    with pytest.raises(IndexError):
        x[7] = 1


def test_take_compress_and_friends(compare):
    a = np.arange(24).reshape(4, 6)
    x = da.from_array(a, chunks=(3, 4))
    compare(da.take(x, [2, 0, 2], axis=0), np.take(a, [2, 0, 2], axis=0))
    compare(da.take(x, [[1, 5], [0, 2]], axis=1), np.take(a, [[1, 5], [0, 2]], axis=1))
    compare(
        da.compress([True, False, True], x, axis=0), np.compress([True, False, True], a, axis=0)
    )
    compare(da.extract(x % 5 == 0, x), np.extract(a % 5 == 0, a))
    compare(da.choose(x % 2, [x, -x]), np.choose(a % 2, [a, -a]))
    compare(da.select([x < 3, x > 20], [x, -x], 100), np.select([a < 3, a > 20], [a, -a], 100))
    compare(da.argwhere(x % 7 == 0), np.argwhere(a % 7 == 0))
    compare(da.flatnonzero(x % 7), np.flatnonzero(a % 7))
    for ours, theirs in zip(da.nonzero(x % 5), np.nonzero(a % 5), strict=True):
        compare(ours, theirs)
    for ours, theirs in zip(da.where(x > 20), np.where(a > 20), strict=True):
        compare(ours, theirs)
    assert int(da.count_nonzero(x % 2)) == np.count_nonzero(a % 2)
    compare(da.isin(x, [1, 5, 30]), np.isin(a, [1, 5, 30]))
    compare(da.delete(x, [0, 2], axis=1), np.delete(a, [0, 2], axis=1))
    compare(da.insert(x, 1, 7, axis=0), np.insert(a, 1, 7, axis=0))
    compare(
        da.insert(x, [1, 3], numbers("int64", (4, 2)), axis=1),
        np.insert(a, [1, 3], numbers("int64", (4, 2)), axis=1),
    )
    compare(
        da.piecewise(x, [x < 5, x >= 5], [lambda v: -v, lambda v: v * 2]),
        np.piecewise(a, [a < 5, a >= 5], [lambda v: -v, lambda v: v * 2]),
    )
