import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import arrays, block_lengths, chunks_of, numbers

import rask.array as da


@given(arrays(dtypes=("int64",), min_dims=0), st.data())
def test_rechunk(case, data):
    values, chunks = case
    new = data.draw(chunks_of(values.shape))
    lazy = da.from_array(values, chunks=chunks).rechunk(new)
    assert lazy.chunks == new
    np.testing.assert_array_equal(lazy.compute(), values)
    np.testing.assert_array_equal((lazy + 1).rechunk(chunks).compute(), values + 1)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_reshape(factors, data):
    total = int(np.prod(factors))
    cut = data.draw(st.integers(0, len(factors)))
    before = tuple(int(n) for n in (np.prod(factors[:cut]), np.prod(factors[cut:])))
    after = tuple(data.draw(st.permutations(factors)))
    values = np.arange(total).reshape(before)
    lazy = da.from_array(values, chunks=data.draw(chunks_of(before)))
    np.testing.assert_array_equal(lazy.reshape(after).compute(), values.reshape(after))
    np.testing.assert_array_equal(
        lazy.reshape(-1, merge_chunks=False).compute(), values.reshape(-1)
    )


def test_shapes_of_another_size_are_refused():
    x = da.ones((2, 3))
    with pytest.raises(ValueError, match="cannot reshape array of size 6"):
        x.reshape(4)
    with pytest.raises(ValueError):
        x.reshape(-1, -1)
    with pytest.raises(ValueError):
        x.reshape(-1, 4)


@given(arrays(dtypes=("int64",), min_dims=1, min_side=1), st.data())
def test_transpose(case, data):
    values, chunks = case
    order = data.draw(st.permutations(range(values.ndim)))
    lazy = da.from_array(values, chunks=chunks)
    np.testing.assert_array_equal(lazy.transpose(order).compute(), values.transpose(order))
    np.testing.assert_array_equal((lazy.T + 1).compute(), values.T + 1)


def test_moving_axes(compare):
    a = np.arange(24).reshape(2, 3, 4)
    x = da.from_array(a, chunks=2)
    compare(da.moveaxis(x, 0, -1), np.moveaxis(a, 0, -1))
    compare(da.moveaxis(x, [0, 2], [1, 0]), np.moveaxis(a, [0, 2], [1, 0]))
    compare(da.rollaxis(x, 2), np.rollaxis(a, 2))
    compare(da.rollaxis(x, 0, 3), np.rollaxis(a, 0, 3))
    compare(x.swapaxes(0, 2), a.swapaxes(0, 2))
    compare(da.squeeze(x[:, :1]), np.squeeze(a[:, :1]))
    compare(da.expand_dims(x, (0, -1)), np.expand_dims(a, (0, -1)))
    with pytest.raises(np.exceptions.AxisError):
        da.moveaxis(x, 5, 0)
    with pytest.raises(ValueError, match="squeeze"):
        x.squeeze(0)


@given(st.data())
def test_concatenate_and_stack(data):
    axis = data.draw(st.integers(0, 1))
    shape = [3, 4]
    parts, lazy = [], []
    for number in range(data.draw(st.integers(1, 4))):
        shape[axis] = data.draw(st.integers(0, 4))
        dtype = data.draw(st.sampled_from(["int32", "float64", "int8"]))
        parts.append(numbers(dtype, tuple(shape), number))
        lazy.append(da.from_array(parts[-1], chunks=data.draw(chunks_of(tuple(shape)))))
    joined = da.concatenate(lazy, axis=axis)
    expected = np.concatenate(parts, axis=axis)
    assert joined.shape == expected.shape
    assert joined.dtype == expected.dtype
    np.testing.assert_array_equal(joined.compute(), expected)
    same = [da.from_array(parts[0], chunks=data.draw(chunks_of(parts[0].shape))) for _ in range(3)]
    at = data.draw(st.integers(-3, 2))
    np.testing.assert_array_equal(
        da.stack(same, axis=at).compute(), np.stack([parts[0]] * 3, axis=at)
    )


def test_joining_by_name(compare):
    a, b = np.arange(6).reshape(2, 3), np.arange(6, 12).reshape(2, 3)
    x, y = da.from_array(a, chunks=2), da.from_array(b, chunks=(1, 3))
    for name in ("vstack", "hstack", "dstack"):
        compare(getattr(da, name)([x, y]), getattr(np, name)([a, b]))
        compare(getattr(da, name)([x[0], y[0]]), getattr(np, name)([a[0], b[0]]))
    compare(da.append(x, y, axis=0), np.append(a, b, axis=0))
    compare(da.block([[x, y], [y, x]]), np.block([[a, b], [b, a]]))
    compare(da.atleast_3d(x), np.atleast_3d(a))
    compare(np.concatenate([x, y]), np.concatenate([a, b]))
    compare(np.stack([x, b]), np.stack([a, b]))


@pytest.mark.parametrize(
    "make", [
        lambda: da.concatenate([da.ones((2, 3)), da.ones((2, 4))]), lambda: da.concatenate([]),
        lambda: da.concatenate([da.ones(2), da.ones((2, 2))]), lambda: da.stack([da.ones(2), da.ones(3)]),
        lambda: da.stack([]), lambda: da.concatenate([da.ones(2)], axis=1),
    ],
)  # fmt: skip
def test_arrays_that_do_not_join_are_refused(make):
    with pytest.raises(ValueError):
        make()


def test_order_along_axes(compare):
    a = np.arange(24).reshape(4, 6)
    x = da.from_array(a, chunks=(3, 2))
    compare(da.flip(x), np.flip(a))
    compare(da.flip(x, 0), np.flip(a, 0))
    compare(da.flipud(x), np.flipud(a))
    compare(da.fliplr(x), np.fliplr(a))
    for k in range(-1, 5):
        compare(da.rot90(x, k), np.rot90(a, k))
    for shift, axis in [(3, None), (-2, 0), ((1, 2), (0, 1)), (7, 1), (0, 0)]:
        compare(da.roll(x, shift, axis), np.roll(a, shift, axis))


def test_repetition(compare):
    a = np.arange(6).reshape(2, 3)
    x = da.from_array(a, chunks=2)
    compare(da.repeat(x, 2, axis=1), np.repeat(a, 2, axis=1))
    compare(x.repeat(3), a.repeat(3))
    for reps in (2, (2, 1), (2, 1, 3), 0, (1, 2)):
        compare(da.tile(x, reps), np.tile(a, reps))
    compare(da.broadcast_to(x, (4, 2, 3)), np.broadcast_to(a, (4, 2, 3)))
    for ours, theirs in zip(
        da.broadcast_arrays(x, np.ones(3)), np.broadcast_arrays(a, np.ones(3)), strict=True
    ):
        compare(ours, theirs)
    with pytest.raises(ValueError, match="cannot broadcast"):
        da.broadcast_to(x, (5, 3))


@pytest.mark.parametrize(
    "mode, options",
    [
        ("constant", {}), ("constant", {"constant_values": 7}), ("constant", {"constant_values": ((1, 2), (3, 4))}),
        ("edge", {}), ("reflect", {}), ("symmetric", {}), ("wrap", {}), ("linear_ramp", {"end_values": 5}),
        ("maximum", {}), ("minimum", {}), ("mean", {}), ("reflect", {"reflect_type": "odd"}), ("mean", {"stat_length": 2}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("width", [1, (2, 1), ((1, 2), (3, 0)), ((5, 6), (7, 8))])
def test_pad(compare, mode, options, width):
    a = np.arange(20).reshape(4, 5) * 3
    compare(
        da.pad(da.from_array(a, chunks=2), width, mode=mode, **options),
        np.pad(a, width, mode=mode, **options),
    )
    compare(
        np.pad(da.from_array(a * 1.0, chunks=3), width, mode=mode, **options),
        np.pad(a * 1.0, width, mode=mode, **options),
    )


def test_pad_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="not supported"):
        da.pad(da.ones(3), 1, mode="nonsense")
    with pytest.raises(ValueError, match="unsupported keyword"):
        da.pad(da.ones(3), 1, mode="edge", constant_values=3)


def test_differences(compare):
    a = numbers("float64", (6, 7))
    x = da.from_array(a, chunks=(4, 3))
    for axis in (0, 1):
        for n in (0, 1, 2):
            compare(da.diff(x, n, axis=axis), np.diff(a, n, axis=axis))
        compare(da.gradient(x, axis=axis), np.gradient(a, axis=axis))
        compare(
            da.gradient(x, 2.0, axis=axis, edge_order=2),
            np.gradient(a, 2.0, axis=axis, edge_order=2),
        )
    compare(da.diff(x, prepend=0.0, append=x[:, :2]), np.diff(a, prepend=0.0, append=a[:, :2]))
    compare(
        da.ediff1d(x, to_begin=1.0, to_end=[2.0, 3.0]),
        np.ediff1d(a, to_begin=1.0, to_end=[2.0, 3.0]),
    )
    for ours, theirs in zip(da.gradient(x), np.gradient(a), strict=True):
        compare(ours, theirs)


def test_coarsen(compare):
    a = np.arange(60.0).reshape(6, 10)
    x = da.from_array(a, chunks=(4, 3))
    compare(da.coarsen(np.sum, x, {0: 2, 1: 5}), a.reshape(3, 2, 2, 5).sum(axis=(1, 3)))
    compare(da.coarsen(np.max, x, {1: 3}, trim_excess=True), a[:, :9].reshape(6, 3, 3).max(axis=2))
    with pytest.raises(ValueError, match="do not align"):
        da.coarsen(np.sum, x, {1: 3})


def test_diagonals(compare):
    a = np.arange(20).reshape(4, 5)
    x = da.from_array(a, chunks=2)
    for k in (-5, -1, 0, 2):
        compare(da.diagonal(x, k), np.diagonal(a, k))
        compare(da.tril(x, k), np.tril(a, k))
        compare(da.triu(x, k), np.triu(a, k))
        compare(da.diag(da.arange(3, chunks=2), k), np.diag(np.arange(3), k))
    cube = np.arange(24).reshape(2, 3, 4)
    compare(da.diagonal(da.from_array(cube, chunks=2), 1, 0, 2), np.diagonal(cube, 1, 0, 2))
    for ours, theirs in zip(da.triu_indices(4, 1, chunks=2), np.triu_indices(4, 1), strict=True):
        compare(ours, theirs)


def test_products(compare):
    a, b = numbers("float64", (4, 5)), numbers("float64", (5, 6), 1)
    x, y = da.from_array(a, chunks=(3, 2)), da.from_array(b, chunks=(2, 4))
    compare(x @ y, a @ b)
    compare(x.dot(y), a.dot(b))
    compare(da.tensordot(x, y, 1), np.tensordot(a, b, 1))
    compare(da.tensordot(x, y, axes=((1,), (0,))), np.tensordot(a, b, axes=((1,), (0,))))
    compare(x @ y[:, 0], a @ b[:, 0])
    compare(x[0] @ y, a[0] @ b)
    compare(da.outer(x[0], y[:, 1]), np.outer(a[0], b[:, 1]))
    compare(da.vdot(x[0], y[:, 0]), np.vdot(a[0], b[:, 0]))
    compare(np.matmul(x, b), a @ b)
    batch, other = numbers("float64", (3, 2, 4)), numbers("float64", (3, 4, 5))
    compare(da.from_array(batch, chunks=2) @ da.from_array(other, chunks=2), batch @ other)
    with pytest.raises(ValueError):
        x @ x
    with pytest.raises(ValueError):
        da.tensordot(x, x, 1)


@pytest.mark.parametrize(
    "formula, shapes",
    [
        ("ij,jk->ik", [(4, 5), (5, 3)]), ("ij->ji", [(4, 5)]), ("ii->i", [(4, 4)]), ("ij->", [(4, 5)]),
        ("ij,ij->i", [(4, 5), (4, 5)]), ("ij,jk", [(4, 5), (5, 3)]), ("...ij,...jk->...ik", [(2, 3, 4), (2, 4, 5)]),
        ("i,j,k->ijk", [(2,), (3,), (4,)]),
    ],
)  # fmt: skip
def test_einsum(compare, formula, shapes):
    values = [numbers("float64", shape, number) for number, shape in enumerate(shapes)]
    if formula == "ii->i":
        lazy = [da.from_array(values[0], chunks=4)]
    else:
        lazy = [da.from_array(v, chunks=2) for v in values]
    compare(da.einsum(formula, *lazy), np.einsum(formula, *values))


def test_numpy_functions_stay_lazy(compare):
    a = numbers("float64", (4, 6))
    x = da.from_array(a, chunks=(2, 3))
    for call in (
        lambda v: np.mean(v, axis=0), np.sum, lambda v: np.nanmax(v, axis=1), np.transpose,
        lambda v: np.where(v > 0, v, 0.0), lambda v: np.reshape(v, (6, 4)), lambda v: np.roll(v, 2),
        lambda v: np.expand_dims(v, 0), lambda v: np.cumsum(v, axis=1), np.ravel, np.zeros_like,
        lambda v: np.tensordot(v, v.T, 1), lambda v: np.einsum("ij->j", v), lambda v: np.diff(v, axis=0),
        lambda v: np.median(v, axis=0), lambda v: np.clip(v, -1, 1), lambda v: np.take(v, [0, 2], axis=1),
        lambda v: np.lib.stride_tricks.sliding_window_view(v, 3, axis=1), np.isfinite, np.round,
    ):  # fmt: skip
        lazy = call(x)
        assert isinstance(lazy, da.Array)
        compare(lazy, call(a))


def test_numpy_functions_that_are_not_there_are_named():
    with pytest.raises(TypeError, match=r"numpy\.kron"):
        np.kron(da.ones(3), da.ones(3))


def test_names_that_are_not_there_are_named():
    with pytest.raises(AttributeError, match="nonsense"):
        getattr(da, "nonsense")  # noqa: B009


def test_functions_along_axes(compare):
    a = numbers("float64", (4, 6))
    x = da.from_array(a, chunks=(2, 3))
    compare(
        da.apply_along_axis(np.sort, 1, x, dtype="f8", shape=(6,)),
        np.apply_along_axis(np.sort, 1, a),
    )
    compare(da.apply_along_axis(np.ptp, 0, x), np.apply_along_axis(np.ptp, 0, a))
    compare(da.apply_over_axes(np.sum, x, [0, 1]), np.apply_over_axes(np.sum, a, [0, 1]))
    compare(
        da.apply_gufunc(lambda v: v.mean(axis=-1), "(i)->()", x, allow_rechunk=True),
        a.mean(axis=-1),
    )
    low, high = da.apply_gufunc(
        lambda v: (v.min(axis=-1), v.max(axis=-1)), "(i)->(),()", x, axis=0, allow_rechunk=True
    )
    compare(low, a.min(axis=0))
    compare(high, a.max(axis=0))
    with pytest.raises(ValueError, match="multiple chunks"):
        da.apply_gufunc(np.mean, "(i)->()", x)


@given(st.integers(1, 12), st.data())
def test_indices_to_places_and_back(length, data):
    flat = data.draw(st.lists(st.integers(0, 3 * length - 1), min_size=1, max_size=8))
    lazy = da.from_array(np.array(flat), chunks=(data.draw(block_lengths(len(flat))),))
    places = da.unravel_index(lazy, (3, length))
    np.testing.assert_array_equal(da.ravel_multi_index(places, (3, length)).compute(), flat)


def test_views_and_types(compare):
    a = np.arange(8, dtype="i4").reshape(2, 4)
    x = da.from_array(a, chunks=2)
    compare(x.view("i2"), a.view("i2"))
    compare(x.view("u4"), a.view("u4"))
    assert da.result_type(x, np.float32(1)) == np.result_type(a, np.float32(1))
    assert x.itemsize == 4
    assert x.nbytes == 32
    assert x.size == 8


def test_text_and_drawings():
    x = da.ones((4, 6), chunks=(2, 3)).sum()
    assert repr(x).startswith("rask.array<")
    assert repr(x).endswith("shape=(), dtype=float64, chunksize=(), chunktype=numpy.ndarray>")
    y = da.ones((1000, 1000, 20), chunks=(100, 100, 20))
    assert "<svg" in y._repr_html_()
    assert "152.59 MiB" in y._repr_html_()
    assert y.to_svg().count("<line") > 20
    assert "nan" in da.arange(5)[da.arange(5) > 2]._repr_html_()


def test_shuffle(compare):
    a = np.arange(24).reshape(8, 3)
    x = da.from_array(a, chunks=(3, 2))
    indexer = [[6, 5, 2], [4, 1], [3], [0, 7]]
    compare(x.shuffle(indexer, axis=0), a[[6, 5, 2, 4, 1, 3, 0, 7]])
    with pytest.raises(IndexError):
        x.shuffle([[9]], axis=0)
