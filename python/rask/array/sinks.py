"""Blocks written into things that can be assigned by region."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from rask import _core
from rask.array.blockinfo import ArrayInfo
from rask.array.core import Array
from rask.array.creation import asanyarray

__all__ = ["from_npy_stack", "store", "to_hdf5", "to_npy_stack"]


def fused_region(region: Any, place: tuple[slice, ...]) -> tuple:
    """Where a place within a region lies in the whole; integers of the region stay.

    Raises
    ------
    NotImplementedError
        For regions with negative steps.
    """
    if region is None:
        return place
    entries = region if isinstance(region, tuple) else (region,)
    left = iter(place)
    result: list = []
    for entry in entries:
        if isinstance(entry, (int, np.integer)):
            result.append(int(entry))
            continue
        inner = next(left)
        step = entry.step or 1
        if step < 0:
            raise NotImplementedError("regions with negative steps")
        start = entry.start or 0
        result.append(slice(start + inner.start * step, start + inner.stop * step, step))
    return (*result, *left)


class StoreBlock:
    """Writes a block to its place in the target: what the tasks of ``store`` call."""

    __name__ = "store"

    def __init__(self, target: Any, info: ArrayInfo, region: Any, lock: Any, load: bool) -> None:
        self.target, self.info, self.region = target, info, region
        self.lock, self.load = lock, load

    def __call__(self, block: Any, block_id: tuple[int, ...]) -> Any:
        places = self.info.block(block_id)["array-location"]
        index = fused_region(self.region, tuple(slice(start, stop) for start, stop in places))
        target = self.target
        if hasattr(target, "key") and hasattr(target, "compute"):
            target = target.compute()
        with self.lock or nullcontext():
            if getattr(block, "size", 1):
                target[index] = block if hasattr(block, "shape") else np.asarray(block)
            if self.load:
                return target[index]
        return np.zeros((1,) * len(block_id), dtype=bool)


def stored(source: Array, target: Any, lock: Any, region: Any, load: bool = False) -> Array:
    """An array whose blocks are written when it is computed: the blocks as stored, or one ``False`` each."""
    info = ArrayInfo.of(source.shape, source.chunks)
    ind = tuple(range(source.ndim))
    ones = {axis: (1,) * count for axis, count in enumerate(source.numblocks)}
    expr = _core.ArrayExpr.blockwise(
        StoreBlock(target, info, region, lock, load),
        ind,
        [(source._expr, ind)],
        None,
        source.dtype if load else np.dtype(bool),
        "store",
        None,
        None,
        None,
        None if load else ones or None,
        True,
        True,
    )
    return Array(expr)


def _pairs(sources: Any, targets: Any, regions: Any) -> tuple[list, list, list]:
    if isinstance(sources, Array):
        sources, targets = [sources], [targets]
    sources, targets = list(sources), list(targets)
    for source in sources:
        if not isinstance(source, Array):
            raise ValueError(f"All sources must be rask array objects, not {type(source).__name__}")
    if len(sources) != len(targets):
        raise ValueError(
            f"Different number of sources [{len(sources)}] and targets [{len(targets)}]"
        )
    if isinstance(regions, tuple) or regions is None:
        regions = [regions] * len(sources)
    if len(regions) != len(sources):
        raise ValueError(
            f"Different number of sources [{len(sources)}] and targets [{len(targets)}] than "
            f"regions [{len(regions)}]"
        )
    return sources, targets, list(regions)


def _check_fits(source: Array, target: Any, region: Any) -> None:
    shape = getattr(target, "shape", None)
    if region is not None or shape is None or tuple(shape) == source.shape:
        return
    if any(length != length for length in source.shape):
        return
    raise ValueError(
        f"cannot store an array of shape {source.shape} into a target of shape {tuple(shape)}; "
        "regions= says where it goes"
    )


def store(
    sources: Any,
    targets: Any,
    lock: Any = True,
    regions: Any = None,
    compute: bool = True,
    return_stored: bool = False,
    load_stored: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Writes arrays into things that look like arrays, block by block.

    Parameters
    ----------
    sources : Array or sequence of Array
    targets : array-like or sequence of array-like
        Have ``__setitem__`` for tuples of slices: NumPy arrays, Zarr arrays, HDF5 datasets.
    lock : bool or lock
        Held while a block is written; ``True`` makes one for each target, ``False`` for targets
        that bear concurrent writes.
    regions : tuple of slices or sequence of these, optional
        Where in its target each source goes.
    compute : bool
        Whether to write at once; else a ``Delayed`` writes when computed.
    return_stored : bool
        Whether to return arrays read back from the targets.
    load_stored : bool, optional
        Whether those arrays' blocks are loaded while they are written.
    **kwargs
        Of ``compute``.

    Returns
    -------
    None, Delayed, or tuple of Array

    Examples
    --------
    >>> import numpy as np, rask.array as da
    >>> target = np.zeros(4)
    >>> da.ones(4, chunks=2).store(target)
    >>> target
    array([1., 1., 1., 1.])
    """
    from rask.base import compute as compute_all

    sources, targets, regions = _pairs(sources, targets, regions)
    for source, target, region in zip(sources, targets, regions, strict=True):
        _check_fits(source, target, region)
    load = bool(load_stored) if load_stored is not None else return_stored and not compute
    written = [
        stored(source, target, _lock_for(lock), region, load)
        for source, target, region in zip(sources, targets, regions, strict=True)
    ]
    if return_stored:
        if not compute:
            return tuple(written)
        if load:
            from rask.base import persist

            return tuple(persist(*written, **kwargs))
        compute_all(*written, **kwargs)
        return tuple(
            _read_back(source, target, region)
            for source, target, region in zip(sources, targets, regions, strict=True)
        )
    if compute:
        compute_all(*written, **kwargs)
        return None
    return done_when_computed(written)


def _read_back(source: Array, target: Any, region: Any) -> Array:
    from rask.array.sources import from_array

    whole = from_array(target, name=False)
    return (whole if region is None else whole[region]).rechunk(source.chunks)


def _lock_for(lock: Any) -> Any:
    from rask.array.sources import lock_of

    return lock_of(lock)


def done_when_computed(arrays: Sequence[Array]) -> Any:
    """A ``Delayed`` of ``None`` that computes all blocks of the arrays first."""
    from rask.delayed import delayed

    flags = [array.any() if array.ndim else array for array in arrays]
    return delayed(_nothing, pure=False)(flags)


def _nothing(values: Any) -> None:
    """What is left of written blocks."""


def to_hdf5(filename: str, *args: Any, chunks: Any = True, **kwargs: Any) -> None:
    """Writes arrays as datasets of an HDF5 file with h5py.

    Parameters
    ----------
    filename : str
    *args
        A dataset's path and an array, or a dict from paths to arrays.
    chunks : tuple or bool
        Chunks of the dataset; ``True`` for those of the array.
    **kwargs
        Of ``h5py.File.create_dataset``.
    """
    if len(args) == 1 and isinstance(args[0], dict):
        data = args[0]
    elif len(args) == 2 and isinstance(args[0], str) and isinstance(args[1], Array):
        data = {args[0]: args[1]}
    else:
        raise ValueError("Please provide {'/data/path': array} dictionary")
    import h5py

    with h5py.File(filename, mode="a") as file:
        datasets = [
            file.require_dataset(
                path,
                shape=array.shape,
                dtype=array.dtype,
                chunks=array.chunksize if chunks is True else chunks,
                **kwargs,
            )
            for path, array in data.items()
        ]
        store(list(data.values()), datasets)


def to_npy_stack(dirname: str, x: Array, axis: int = 0) -> None:
    """Writes an array as a folder of ``.npy`` files, one a block along an axis.

    Parameters
    ----------
    dirname : str
    x : Array
    axis : int
        The other axes are put into one block each.
    """
    import pickle

    lazy = asanyarray(x)
    chunks = tuple(c if at == axis else (sum(c),) for at, c in enumerate(lazy.chunks))
    lazy = lazy.rechunk(chunks)
    os.makedirs(dirname, exist_ok=True)
    meta = {"chunks": chunks, "dtype": lazy.dtype, "axis": axis}
    with open(os.path.join(dirname, "info"), "wb") as file:
        pickle.dump(meta, file)
    lazy.map_blocks(
        _SaveBlock(os.path.abspath(dirname), axis),
        dtype=bool,
        chunks=(1,) * lazy.ndim,
        token="to_npy_stack",
    ).compute()


class _SaveBlock:
    def __init__(self, folder: str, axis: int) -> None:
        self.folder, self.axis = folder, axis

    def __call__(self, block: Any, block_id: tuple[int, ...] = ()) -> Any:
        np.save(os.path.join(self.folder, f"{block_id[self.axis]}.npy"), block)
        return np.zeros((1,) * block.ndim, dtype=bool)


def from_npy_stack(dirname: str, mmap_mode: str | None = "r") -> Array:
    """Reads an array from a folder that ``to_npy_stack`` wrote.

    Parameters
    ----------
    dirname : str
    mmap_mode : str, optional
        How files are mapped into memory; ``None`` reads them.
    """
    import pickle

    from rask.array.blocks import map_blocks

    with open(os.path.join(dirname, "info"), "rb") as file:
        info = pickle.load(file)
    return map_blocks(
        _LoadBlock(os.path.abspath(dirname), info["axis"], mmap_mode),
        chunks=info["chunks"],
        dtype=info["dtype"],
        token="from_npy_stack",
    )


class _LoadBlock:
    def __init__(self, folder: str, axis: int, mode: str | None) -> None:
        self.folder, self.axis, self.mode = folder, axis, mode

    def __call__(self, block_id: tuple[int, ...] = ()) -> Any:
        path = os.path.join(self.folder, f"{block_id[self.axis]}.npy")
        return np.load(path, mmap_mode=self.mode)  # type: ignore[arg-type]
