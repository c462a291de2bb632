import numpy as np
import pytest

import rask.array as da


def masked(values, chunks=2):
    return da.from_array(values, chunks=chunks, asarray=False)


@pytest.fixture
def holes():
    return np.ma.masked_array(
        np.arange(12.0).reshape(3, 4), mask=np.arange(12).reshape(3, 4) % 5 == 0
    )


def same(lazy, expected):
    computed = lazy.compute()
    assert isinstance(computed, np.ma.MaskedArray)
    np.testing.assert_array_equal(np.ma.getmaskarray(computed), np.ma.getmaskarray(expected))
    np.testing.assert_array_equal(computed.filled(-1), expected.filled(-1))


def test_masked_blocks_stay_masked(holes):
    x = masked(holes)
    assert repr(x).endswith("chunktype=numpy.MaskedArray>")
    same(x, holes)
    same(x + 1, holes + 1)
    same(x * x[:1], holes * holes[:1])
    same(x[1:, ::2], holes[1:, ::2])
    same(x.T, holes.T)
    same(x.rechunk((3, 1)), holes)
    same(x.reshape(12), holes.reshape(12))
    same(da.concatenate([x, x], axis=1), np.ma.concatenate([holes, holes], axis=1))
    same(x.sum(axis=0), holes.sum(axis=0))
    same(x.map_blocks(lambda b: b * 2), holes * 2)
    same(x[[2, 0]], holes[[2, 0]])
    assert float(x.sum()) == holes.sum()
    assert float(x.max()) == holes.max()


def test_masked_functions(holes):
    a = np.arange(12.0).reshape(3, 4)
    x = da.from_array(a, chunks=2)
    same(da.ma.masked_greater(x, 5), np.ma.masked_greater(a, 5))
    same(da.ma.masked_inside(x, 2, 7), np.ma.masked_inside(a, 2, 7))
    same(da.ma.masked_where(x > 3, x), np.ma.masked_where(a > 3, a))
    same(da.ma.masked_array(x, mask=x < 4), np.ma.masked_array(a, mask=a < 4))
    filled = da.ma.filled(da.ma.masked_greater(x, 5), 0).compute()
    np.testing.assert_array_equal(filled, np.where(a > 5, 0, a))
    np.testing.assert_array_equal(
        da.ma.getmaskarray(masked(holes)).compute(), np.ma.getmaskarray(holes)
    )
    assert int(da.ma.count(masked(holes))) == holes.count()


def test_objects(compare):
    a = np.array([["a", 1], [None, 2.5]], dtype=object)
    x = da.from_array(a, chunks=1)
    assert x.dtype == object
    np.testing.assert_array_equal(x.compute(), a)
    np.testing.assert_array_equal(x[::-1, 0].compute(), a[::-1, 0])
    np.testing.assert_array_equal(x.T.compute(), a.T)
    numbers = np.array([1, 2, 3, 10**30], dtype=object)
    y = da.from_array(numbers, chunks=2)
    np.testing.assert_array_equal((y + 1).compute(), numbers + 1)
    assert y.sum().compute() == numbers.sum()
    assert y.max().compute() == 10**30


def test_text_and_records(compare):
    words = np.array(["pear", "fig", "apple"])
    x = da.from_array(words, chunks=2)
    compare(x, words)
    compare(x == "fig", words == "fig")
    compare(x[[2, 0]], words[[2, 0]])
    records = np.array([(1, 2.0), (3, 4.0)], dtype=[("n", "i4"), ("v", "f8")])
    compare(da.from_array(records, chunks=1)["v"], records["v"])


def test_half_precision(compare):
    a = np.arange(6, dtype="f2")
    x = da.from_array(a, chunks=4)
    compare(x + x, a + a)
    compare(x[::2], a[::2])
    compare(x.astype("f4").sum(), a.astype("f4").sum())


def test_blocks_of_a_type_of_ones_own():
    class Metres(np.lib.mixins.NDArrayOperatorsMixin):
        def __init__(self, values):
            self.values = np.asarray(values)

        shape = property(lambda self: self.values.shape)
        ndim = property(lambda self: self.values.ndim)
        dtype = property(lambda self: self.values.dtype)

        def __getitem__(self, index):
            return Metres(self.values[index])

        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            plain = [x.values if isinstance(x, Metres) else x for x in inputs]
            return Metres(getattr(ufunc, method)(*plain, **kwargs))

        def __array_function__(self, func, types, args, kwargs):
            if func is not np.concatenate:
                return NotImplemented
            return Metres(np.concatenate([x.values for x in args[0]], **kwargs))

    x = da.from_array(Metres(np.arange(5)), chunks=2)
    computed = (x + 1)[1:].compute()
    assert isinstance(computed, Metres)
    np.testing.assert_array_equal(computed.values, [2, 3, 4, 5])
