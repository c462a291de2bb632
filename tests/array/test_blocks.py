import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import arrays, numbers

import rask.array as da


def test_map_blocks(compare):
    a = np.arange(24).reshape(4, 6)
    x = da.from_array(a, chunks=(2, 4))
    compare(x.map_blocks(lambda b: b * 2), a * 2)
    compare(da.map_blocks(np.add, x, x[:1], dtype=a.dtype), a + a[:1])
    compare(x.map_blocks(lambda b, n: b + n, 10), a + 10)
    compare(x.map_blocks(lambda b, n: b + n, n=10, dtype="f8").astype("i8"), a + 10)
    lazy = x.map_blocks(lambda b: b.sum(axis=1, keepdims=True), chunks=(2, 1))
    assert lazy.shape == (4, 2)
    compare(lazy, np.stack([a[:, :4].sum(axis=1), a[:, 4:].sum(axis=1)], axis=1))


def test_axes_dropped_and_added(compare):
    a = np.arange(24).reshape(4, 6)
    x = da.from_array(a, chunks=(2, 6))
    compare(x.map_blocks(lambda b: b.sum(axis=1), drop_axis=1), a.sum(axis=1))
    compare(x.map_blocks(lambda b: b[:, None], new_axis=1), a[:, None])
    compare(
        x.map_blocks(lambda b: np.stack([b, -b], axis=2), new_axis=2, chunks=(2, 6, 2)),
        np.stack([a, -a], axis=2),
    )
    several = da.from_array(a, chunks=(2, 2))
    compare(several.map_blocks(lambda b: b.max(axis=1), drop_axis=1, dtype=a.dtype), a.max(axis=1))


def test_what_blocks_are_told(compare):
    x = da.from_array(np.arange(10), chunks=(3, 4, 3))
    seen = x.map_blocks(lambda b, block_id=None: b * 0 + block_id[0], dtype="i8")
    compare(seen, np.repeat([0, 1, 2], [3, 4, 3]))

    def describe(block, block_info=None):
        ((start, stop),) = block_info[0]["array-location"]
        assert block_info[None]["chunk-shape"] == block.shape
        assert block_info[None]["dtype"] == np.dtype("i8")
        assert block_info[0]["shape"] == (10,)
        assert block_info[0]["num-chunks"] == (3,)
        assert stop - start == len(block)
        return block * 0 + start

    compare(x.map_blocks(describe, dtype="i8"), np.repeat([0, 3, 7], [3, 4, 3]))


def test_blocks_out_of_nothing(compare):
    def make(block_info=None):
        ((start, stop),) = block_info[None]["array-location"]
        return np.arange(start, stop)

    compare(da.map_blocks(make, chunks=((4, 4, 2),), dtype="i8"), np.arange(10))
    with pytest.raises(ValueError, match="needs chunks"):
        da.map_blocks(make)


def test_mistakes_are_refused():
    x = da.ones((4, 4), chunks=2)
    with pytest.raises(TypeError, match="is a function"):
        da.map_blocks(x, lambda b: b)
    with pytest.raises(ValueError, match="dtype"):
        x.map_blocks(lambda b: 1 / 0)
    with pytest.raises(ValueError, match="chunks gives lengths"):
        x.map_blocks(lambda b: b, chunks=(2,), dtype=float)
    with pytest.raises(ValueError, match="Dimension mismatch"):
        x.map_blocks(lambda b: b.sum(), dtype=float, enforce_ndim=True).compute()


def test_errors_in_functions_keep_their_type():
    def fail(block):
        raise KeyError("from the block")

    with pytest.raises(KeyError, match="from the block"):
        da.ones(4, chunks=2).map_blocks(fail, dtype=float).compute()


def test_blockwise(compare):
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    x, y = da.from_array(a, chunks=(1, 2)), da.from_array(b, chunks=(2, 2))
    compare(da.blockwise(np.add, "ij", x, "ij", x[0], "j", dtype="f8"), a + a[0])
    compare(da.blockwise(np.dot, "ik", x, "ij", y, "jk", dtype="f8", concatenate=True), a @ b)

    def of_lists(left, right):
        return sum(p @ q for p, q in zip(left, right, strict=True))

    compare(da.blockwise(of_lists, "ik", x, "ij", y, "jk", dtype="f8"), a @ b)
    compare(da.blockwise(np.transpose, "ji", x, "ij", dtype="f8"), a.T)
    compare(
        da.blockwise(
            lambda v: v[:, :, None] * np.ones(5), "ijz", x, "ij", new_axes={"z": 5}, dtype="f8"
        ),
        a[:, :, None] * np.ones(5),
    )
    doubled = da.blockwise(
        lambda v: np.repeat(v, 2, axis=0),
        "ij",
        x,
        "ij",
        adjust_chunks={"i": lambda n: 2 * n},
        dtype="f8",
    )
    compare(doubled, np.repeat(a, 2, axis=0))
    with pytest.raises(ValueError, match="belong to no array"):
        da.blockwise(np.add, "ijk", x, "ij", dtype="f8")


def test_unify_chunks():
    x, y = da.ones(6, chunks=3), da.ones(6, chunks=2)
    chunks, (p, q) = da.unify_chunks(x, "i", y, "i")
    assert p.chunks == q.chunks == (chunks["i"],)
    assert sum(chunks["i"]) == 6


@pytest.mark.parametrize("boundary", ["none", "reflect", "periodic", "nearest", 7])
@given(arrays(dtypes=("int64",), min_dims=1, max_dims=2, min_side=3), st.data())
def test_overlap(boundary, case, data):
    values, chunks = case
    depth = tuple(data.draw(st.integers(0, 2)) for _ in range(values.ndim))
    x = da.from_array(values, chunks=chunks)
    modes = {"reflect": "symmetric", "periodic": "wrap", "nearest": "edge"}

    def window(block):
        total = block * 0
        for axis, reach in enumerate(depth):
            for shift in range(-reach, reach + 1):
                total = total + np.roll(block, shift, axis)
        return total

    lazy = x.map_overlap(window, depth=depth, boundary=boundary, dtype="i8")
    if boundary == "none":
        inner = tuple(slice(d, n - d) for d, n in zip(depth, values.shape, strict=True))
        np.testing.assert_array_equal(lazy.compute()[inner], window(values)[inner])
        return
    pairs = [(d, d) for d in depth]
    if isinstance(boundary, int):
        padded = np.pad(values, pairs, constant_values=boundary)
    else:
        padded = np.pad(values, pairs, mode=modes[boundary])
    inner = tuple(slice(d, d + n) for d, n in zip(depth, values.shape, strict=True))
    np.testing.assert_array_equal(lazy.compute(), window(padded)[inner])


def test_overlapping_blocks_and_back(compare):
    a = np.arange(64).reshape(8, 8)
    x = da.from_array(a, chunks=(4, 4))
    wide = da.overlap.overlap(x, depth={0: 2, 1: 1}, boundary={0: 100, 1: "reflect"})
    assert wide.shape == (16, 12)
    compare(da.overlap.trim_internal(wide, {0: 2, 1: 1}, {0: 100, 1: "reflect"}), a)
    uneven = da.overlap.overlap(x, depth={0: (1, 2)}, boundary="none")
    assert uneven.chunks[0] == (6, 5)
    with pytest.raises(ValueError, match="larger than your array"):
        da.overlap.overlap(x, depth=9, boundary="none")
    with pytest.raises(NotImplementedError, match="Asymmetric"):
        da.overlap.overlap(x, depth={0: (1, 2)}, boundary="reflect")


def test_map_overlap_of_several_arrays(compare):
    a, b = numbers("float64", (12,)), numbers("float64", (12,), 1)
    x, y = da.from_array(a, chunks=5), da.from_array(b, chunks=4)
    lazy = da.map_overlap(
        lambda p, q: p + np.roll(q, 1), x, y, depth=1, boundary="periodic", dtype="f8"
    )
    compare(lazy, a + np.roll(b, 1))


@pytest.mark.parametrize("window, axis", [(3, 0), ((2, 3), (0, 1)), ((2, 2), None)])
def test_windows(compare, window, axis):
    a = np.arange(30).reshape(5, 6)
    x = da.from_array(a, chunks=2)
    expected = np.lib.stride_tricks.sliding_window_view(a, window, axis)
    compare(da.overlap.sliding_window_view(x, window, axis), expected)


def test_push(compare):
    a = np.array([np.nan, 1, np.nan, np.nan, np.nan, 5, np.nan])
    x = da.from_array(a, chunks=3)
    compare(da.push(x, None, 0), np.array([np.nan, 1, 1, 1, 1, 5, 5]))
    compare(da.push(x, 2, 0), np.array([np.nan, 1, 1, 1, np.nan, 5, 5]))


def test_gufuncs(compare):
    a = numbers("float64", (4, 5))
    mean = da.as_gufunc(signature="(i)->()", output_dtypes=float, vectorize=True)(np.mean)
    compare(mean(da.from_array(a, chunks=(2, 5))), a.mean(axis=1))
    product = da.gufunc(np.matmul, signature="(i,j),(j,k)->(i,k)", output_dtypes=float)
    compare(product(da.from_array(a), da.from_array(a.T)), a @ a.T)
    with pytest.raises(ValueError, match="Not a valid gufunc signature"):
        da.apply_gufunc(np.mean, "(i->)", a)
