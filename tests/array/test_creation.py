import math

import numpy as np
import pytest

import rask.array as da


@pytest.mark.parametrize("dtype", [None, "int8", "float32", "complex64", "bool", "M8[ns]"])
def test_filled_arrays(compare, dtype):
    for name in ("ones", "zeros"):
        if name == "ones" and dtype == "M8[ns]":
            continue
        lazy = getattr(da, name)((5, 7), dtype=dtype, chunks=(2, 3))
        compare(lazy, getattr(np, name)((5, 7), dtype=dtype))
        assert lazy.chunks == ((2, 2, 1), (3, 3, 1))


def test_full_takes_the_type_of_the_value(compare):
    compare(da.full((3,), 7, chunks=2), np.full((3,), 7))
    compare(da.full(3, 2.5), np.full(3, 2.5))
    compare(da.full((2, 2), 1, dtype="f4"), np.full((2, 2), 1, dtype="f4"))
    with pytest.raises(ValueError, match="scalar"):
        da.full(3, [1, 2, 3])


@pytest.mark.parametrize(
    "bad, error", [((-1,), ValueError), ((2.5,), TypeError), (("a",), TypeError)]
)
def test_bad_shapes_are_refused(bad, error):
    with pytest.raises(error):
        da.ones(bad)


@pytest.mark.parametrize(
    "args", [(10,), (2, 9), (2, 9, 3), (9, 2, -2), (0, 1, 0.3), (5, 2), (1.5, 4), (-3, 3)]
)
def test_arange(compare, args):
    compare(da.arange(*args, chunks=2), np.arange(*args))
    compare(da.arange(*args, chunks=2, dtype="f4"), np.arange(*args, dtype="f4"))


@pytest.mark.parametrize("endpoint", [True, False])
@pytest.mark.parametrize("num", [0, 1, 2, 13])
def test_linspace(compare, endpoint, num):
    compare(da.linspace(1, 4, num, endpoint=endpoint, chunks=5), np.linspace(1, 4, num, endpoint))


def test_linspace_returns_its_step():
    _, step = da.linspace(0, 1, 5, retstep=True)
    assert step == 0.25
    assert math.isnan(da.linspace(0, 1, 1, retstep=True)[1])


@pytest.mark.parametrize("n, m, k", [(4, None, 0), (5, 3, 1), (3, 6, -1), (4, 4, 9)])
def test_eye_and_tri(compare, n, m, k):
    compare(da.eye(n, chunks=2, M=m, k=k), np.eye(n, m, k))
    compare(da.tri(n, m, k, chunks=2), np.tri(n, m, k))


def test_like_functions_keep_shape_type_and_blocks(compare):
    x = da.arange(6, chunks=4, dtype="i2")
    for lazy, expected in [
        (da.ones_like(x), np.ones(6, "i2")),
        (da.zeros_like(x), np.zeros(6, "i2")),
        (da.full_like(x, 3), np.full(6, 3, "i2")),
        (da.ones_like(x, dtype="f8"), np.ones(6)),
    ]:
        compare(lazy, expected)
        assert lazy.chunks == x.chunks
    assert da.empty_like(x).shape == (6,)
    assert da.zeros_like(x, shape=(2, 2)).shape == (2, 2)


def test_coordinates(compare):
    compare(da.indices((3, 4), chunks=2), np.indices((3, 4)))
    for indexing in ("xy", "ij"):
        for sparse in (False, True):
            ours = da.meshgrid(np.arange(3), np.arange(4), indexing=indexing, sparse=sparse)
            theirs = np.meshgrid(np.arange(3), np.arange(4), indexing=indexing, sparse=sparse)
            for lazy, expected in zip(ours, theirs, strict=True):
                compare(lazy, expected)
    compare(
        da.fromfunction(lambda i, j: i + 10 * j, shape=(4, 5), chunks=2, dtype="f8"),
        np.fromfunction(lambda i, j: i + 10 * j, (4, 5)),
    )


def test_asarray_takes_what_numpy_takes(compare):
    compare(da.asarray([1, 2, 3]), np.array([1, 2, 3]))
    compare(da.asarray(3), np.asarray(3))
    compare(da.asarray([da.ones(2), da.zeros(2)]), np.array([[1.0, 1], [0, 0]]))
    compare(da.array([1, 2], ndmin=2), np.array([[1, 2]]))
    x = da.ones(3)
    assert da.asarray(x) is x
    assert da.asarray(x, dtype="i4").dtype == "i4"


def test_from_array_of_many_things(compare):
    class Source:
        shape, dtype, ndim = (4, 5), np.dtype("i8"), 2
        data = np.arange(20).reshape(4, 5)

        def __getitem__(self, index):
            assert isinstance(index, tuple)
            return self.data[index]

    compare(da.from_array(Source(), chunks=2), Source.data)
    compare(da.from_array(Source(), chunks=2)[1:3, ::2] + 1, Source.data[1:3, ::2] + 1)
    compare(da.from_array(Source(), chunks=2, lock=True), Source.data)
    compare(da.from_array(np.arange(5), chunks=2), np.arange(5))
    compare(da.from_array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 4]]))
    read = da.from_array(Source(), chunks=2, getitem=lambda a, i: a[i] * 2)
    compare(read, Source.data * 2)
    with pytest.raises(ValueError, match="already"):
        da.from_array(da.ones(3))
    with pytest.raises(TypeError, match="shape"):
        da.from_array(object())


def test_from_array_names():
    values = np.arange(4)
    assert da.from_array(values, chunks=2).name == da.from_array(values, chunks=2).name
    assert da.from_array(values, chunks=2, name="mine").name == "mine"
    assert da.from_array(values, name=False).name != da.from_array(values, name=False).name


@pytest.mark.parametrize(
    "chunks, shape, expected",
    [
        (2, (5,), ((2, 2, 1),)),
        ((2, -1), (5, 3), ((2, 2, 1), (3,))),
        ({0: 2}, (4, 4), ((2, 2), (4,))),
        (((1, 4), 2), (5, 4), ((1, 4), (2, 2))),
        (-1, (4, 4), ((4,), (4,))),
        ((None, 2), (3, 4), ((3,), (2, 2))),
        (10, (0, 4), ((0,), (4,))),
        ((2, 3), (5,), ((2, 3),)),
    ],
)
def test_normalize_chunks(chunks, shape, expected):
    assert da.core.normalize_chunks(chunks, shape) == expected


def test_automatic_chunks_respect_their_limit():
    chunks = da.core.normalize_chunks("auto", (10_000, 10_000), limit="1MiB", dtype="f8")
    assert max(chunks[0]) * max(chunks[1]) * 8 <= 2**20
    assert sum(chunks[0]) == 10_000
    by_text = da.core.normalize_chunks("1MiB", (10_000, 10_000), dtype="f8")
    assert max(by_text[0]) * max(by_text[1]) * 8 <= 2**20


@pytest.mark.parametrize("bad", [(2, 2), ((1, 1),), "nonsense", ((3, 3),), {5: 2}])
def test_bad_chunks_are_refused(bad):
    with pytest.raises(ValueError):
        da.ones((5,), chunks=bad)
