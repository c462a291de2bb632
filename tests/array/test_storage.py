import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunks_of, numbers

import rask.array as da

zarr = pytest.importorskip("zarr")


def test_store(compare):
    a = np.arange(24.0).reshape(4, 6)
    x = da.from_array(a, chunks=(2, 4))
    target, other = np.zeros_like(a), np.zeros_like(a)
    assert x.store(target) is None
    np.testing.assert_array_equal(target, a)
    da.store([x, x + 1], [target, other])
    np.testing.assert_array_equal(other, a + 1)
    large = np.zeros((10, 10))
    da.store(x, large, regions=(slice(2, 6), slice(1, 7)))
    np.testing.assert_array_equal(large[2:6, 1:7], a)
    stepped = np.zeros((8, 6))
    da.store(x, stepped, regions=(slice(0, 8, 2), slice(None)))
    np.testing.assert_array_equal(stepped[::2], a)
    flat = np.zeros((3, 4, 6))
    da.store(x, flat, regions=(1, slice(None), slice(None)))
    np.testing.assert_array_equal(flat[1], a)


def test_storing_later_and_reading_back(compare):
    a = np.arange(10)
    x = da.from_array(a, chunks=4)
    target = np.zeros(10, dtype=int)
    later = da.store(x, target, compute=False)
    assert not target.any()
    later.compute()
    np.testing.assert_array_equal(target, a)
    (back,) = da.store([x * 2], [target], return_stored=True)
    compare(back, a * 2)


def test_stores_that_cannot_be_are_refused():
    x = da.ones(4, chunks=2)
    with pytest.raises(ValueError, match="rask array"):
        da.store([np.ones(4)], [np.zeros(4)])
    with pytest.raises(ValueError, match="Different number"):
        da.store([x, x], [np.zeros(4)])
    with pytest.raises(ValueError, match="cannot store"):
        da.store(x, np.zeros(5))


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "int64", "uint16", "float32", "float64", "complex64", "complex128"]
)
def test_zarr_round_trip(compare, tmp_path, dtype):
    a = numbers(dtype, (7, 9))
    path = tmp_path / "x.zarr"
    assert da.from_array(a, chunks=(3, 4)).to_zarr(path) is None
    compare(da.from_zarr(path), a)
    assert da.from_zarr(path).chunks == ((3, 3, 1), (4, 4, 1))
    np.testing.assert_array_equal(zarr.open_array(str(path), mode="r")[:], a)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_arrays_that_zarr_wrote(compare, tmp_path, zarr_format):
    a = np.arange(60.0).reshape(6, 10)
    path = str(tmp_path / "x.zarr")
    stored = zarr.create_array(
        path, shape=a.shape, chunks=(4, 3), dtype=a.dtype, zarr_format=zarr_format
    )
    stored[:] = a
    compare(da.from_zarr(path), a)
    compare(da.from_zarr(stored), a)
    compare(da.from_zarr(path, chunks=(2, 5)), a)


@given(st.data())
def test_slices_of_zarr_arrays(tmp_path, data):
    shape = (7, 5)
    a = np.arange(35).reshape(shape)
    path = str(tmp_path / "x.zarr")
    da.from_array(a, chunks=(3, 2)).to_zarr(path, overwrite=True)
    index = tuple(data.draw(st.slices(n)) for n in shape)
    lazy = da.from_zarr(path, chunks=data.draw(chunks_of(shape)))
    np.testing.assert_array_equal(lazy[index].compute(), a[index])
    np.testing.assert_array_equal((lazy + 1)[index].compute(), a[index] + 1)


def test_other_zarr_types(compare, tmp_path):
    when = np.array(["2020-01-01", "2021-05-05"], dtype="M8[ns]")
    da.from_array(when, chunks=1).to_zarr(str(tmp_path / "when.zarr"), zarr_format=2)
    compare(da.from_zarr(str(tmp_path / "when.zarr")), when)


def test_components_and_groups(compare, tmp_path):
    a = np.arange(6)
    path = str(tmp_path / "group.zarr")
    root = zarr.open_group(path, mode="w")
    da.from_array(a, chunks=4).to_zarr(path, component="inner/x")
    compare(da.from_zarr(path, component="inner/x"), a)
    np.testing.assert_array_equal(root["inner/x"][:], a)


def test_memory_stores(compare):
    a = np.arange(6)
    store = zarr.storage.MemoryStore()
    da.from_array(a, chunks=4).to_zarr(store)
    compare(da.from_zarr(store), a)


def test_regions_of_zarr_arrays(tmp_path):
    stored = zarr.create_array(str(tmp_path / "x.zarr"), shape=(10, 10), chunks=(3, 3), dtype="f8")
    x = da.ones((4, 5), chunks=2)
    x.to_zarr(stored, region=(slice(2, 6), slice(4, 9)))
    expected = np.zeros((10, 10))
    expected[2:6, 4:9] = 1
    np.testing.assert_array_equal(stored[:], expected)
    with pytest.raises(ValueError, match="region"):
        x.to_zarr(str(tmp_path / "y.zarr"), region=(slice(0, 4), slice(0, 5)))


def test_mistakes_with_zarr_are_refused(tmp_path):
    x = da.ones(6, chunks=4)
    path = str(tmp_path / "x.zarr")
    x.to_zarr(path)
    with pytest.raises(FileExistsError, match="overwrite"):
        x.to_zarr(path)
    x.to_zarr(path, overwrite=True)
    with pytest.raises(ValueError, match="irregular"):
        da.ones(6, chunks=((1, 4, 1),)).to_zarr(str(tmp_path / "y.zarr"))
    with pytest.raises(ValueError, match="unknown chunk sizes"):
        x[x > 0].to_zarr(str(tmp_path / "z.zarr"))
    with pytest.raises(FileNotFoundError):
        da.from_zarr(str(tmp_path / "missing.zarr"))


def test_zarr_written_later(compare, tmp_path):
    path = str(tmp_path / "x.zarr")
    later = da.arange(10, chunks=4).to_zarr(path, compute=False)
    later.compute()
    compare(da.from_zarr(path), np.arange(10))
    back = da.arange(5, chunks=2).to_zarr(str(tmp_path / "y.zarr"), return_stored=True)
    compare(back, np.arange(5))


def test_npy_stacks(compare, tmp_path):
    a = np.arange(24).reshape(6, 4)
    da.to_npy_stack(str(tmp_path / "stack"), da.from_array(a, chunks=(2, 2)), axis=0)
    compare(da.from_npy_stack(str(tmp_path / "stack")), a)


def test_delayed_blocks(compare):
    import rask

    @rask.delayed
    def load(n):
        return np.full(3, n)

    x = da.concatenate([da.from_delayed(load(n), (3,), dtype="i8") for n in range(3)])
    compare(x, np.repeat([0, 1, 2], 3))
    blocks = da.arange(6, chunks=4).to_delayed()
    assert blocks.shape == (2,)
    np.testing.assert_array_equal(blocks[1].compute(), [4, 5])


def test_persist(compare):
    calls = []

    def count(block):
        calls.append(len(block))
        return block

    x = da.arange(6, chunks=3).map_blocks(count, dtype="i8").persist()
    before = len(calls)
    compare(x + 1, np.arange(6) + 1)
    compare(x.sum(), np.arange(6).sum())
    assert len(calls) == before


def test_several_results_at_once():
    import rask

    x = da.arange(10, chunks=3)
    total, mean, doubled = rask.compute(x.sum(), x.mean(), x * 2)
    assert total == 45
    assert mean == 4.5
    np.testing.assert_array_equal(doubled, np.arange(10) * 2)
