"""Zarr arrays: local ones through Rask's own reader, the rest through zarr-python."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from rask import _core
from rask.array.chunks import normalize_chunks
from rask.array.core import Array
from rask.array.sinks import done_when_computed, stored
from rask.array.sources import from_array

__all__ = ["from_zarr", "to_zarr"]


def _local_path(url: Any, component: str | None) -> str | None:
    """The directory of a local array, or ``None`` for anything else."""
    if isinstance(url, os.PathLike):
        url = os.fspath(url)
    if not isinstance(url, str):
        return None
    if url.startswith("file://"):
        url = url.removeprefix("file://")
    if "://" in url or "::" in url:
        return None
    return os.path.abspath(os.path.join(url, component) if component else url)


def _native(path: str | None) -> Any:
    """Rask's own reader of a local array, or ``None`` where zarr-python has to serve."""
    if path is None or not os.path.isdir(path):
        return None
    try:
        return _core.ZarrArray(path)
    except (OSError, NotImplementedError):
        return None


def _zarr() -> Any:
    try:
        import zarr
    except ImportError as error:
        raise ImportError("this needs zarr-python: pip install 'zarr>=3'") from error
    return zarr


def from_zarr(
    url: Any,
    component: str | None = None,
    storage_options: dict | None = None,
    chunks: Any = None,
    name: str | None = None,
    inline_array: bool = False,
    **kwargs: Any,
) -> Array:
    """An array read from Zarr.

    Parameters
    ----------
    url : zarr.Array, store, str or path
        What to read. Local arrays of numbers are read by Rask's own reader, off Python's
        interpreter lock, slices of them directly; the rest by zarr-python.
    component : str, optional
        Path of the array inside the store.
    storage_options : dict, optional
        For fsspec.
    chunks : optional
        Blocks; those of the store if not given.
    name : str, optional
        Name of the layer.
    inline_array : bool
        Accepted as in Dask.
    **kwargs
        Of ``zarr.open_array``.

    Raises
    ------
    FileNotFoundError
        When there is no array.

    Examples
    --------
    >>> import rask.array as da
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/x.zarr"
    >>> da.ones((4, 4), chunks=2).to_zarr(path)
    >>> float(da.from_zarr(path).sum())
    16.0
    """
    path = None if storage_options or kwargs else _local_path(url, component)
    if path is not None and not os.path.exists(path):
        raise FileNotFoundError(f"there is no Zarr array at {path}")
    source = _native(path)
    if source is not None:
        return _over_native(source, chunks, name)
    array = _opened(url, component, storage_options, kwargs)
    given = chunks if chunks is not None else (getattr(array, "shards", None) or array.chunks)
    return from_array(
        array, given, name=name or f"from-zarr-{_token(array, given)}", inline_array=inline_array
    )


def _token(*parts: Any) -> str:
    from rask.base import tokenize

    return tokenize(*map(repr, parts), _modified(parts[0]))


def _modified(array: Any) -> Any:
    root = getattr(getattr(array, "store", None), "root", None)
    try:
        return os.stat(os.path.join(root, array.path)).st_mtime_ns if root else id(array)
    except (OSError, TypeError):
        return id(array)


def _over_native(source: Any, chunks: Any, name: str | None) -> Array:
    stored_chunks = normalize_chunks(tuple(source.chunks), source.shape, dtype=source.dtype)
    blocks = (
        stored_chunks
        if chunks is None
        else normalize_chunks(
            chunks, source.shape, dtype=source.dtype, previous_chunks=stored_chunks
        )
    )
    if name is None:
        from rask.base import tokenize

        name = f"from-zarr-{tokenize(source.path, source.stamp, blocks)}"
    return Array(_core.ArrayExpr.from_source(source, blocks, np.dtype(source.dtype), name, None))


def _opened(url: Any, component: str | None, options: dict | None, kwargs: dict) -> Any:
    zarr = _zarr()
    if isinstance(url, zarr.Array):
        return url
    if isinstance(url, zarr.Group):
        return url[component] if component else url
    if isinstance(url, os.PathLike):
        url = os.fspath(url)
    kwargs = dict(kwargs)
    if options:
        kwargs["storage_options"] = options
    return zarr.open_array(store=url, path=component, mode=kwargs.pop("mode", "r"), **kwargs)


def _regular(chunks: tuple) -> tuple[int, ...] | None:
    """The length of the blocks along each axis when they are all alike but for the last."""
    lengths = []
    for axis in chunks:
        if any(length != axis[0] for length in axis[1:-1]) or axis[-1] > axis[0]:
            return None
        lengths.append(max(int(axis[0]), 1))
    return tuple(lengths)


def _check_writable(x: Array) -> None:
    if any(length != length for length in x.shape):
        raise ValueError(
            "Saving a rask array with unknown chunk sizes is not currently supported by Zarr. "
            "Call compute_chunk_sizes() first."
        )


def to_zarr(
    arr: Array,
    url: Any,
    component: str | None = None,
    storage_options: dict | None = None,
    overwrite: bool = False,
    region: tuple | None = None,
    compute: bool = True,
    return_stored: bool = False,
    **kwargs: Any,
) -> Any:
    """Writes an array to Zarr.

    Parameters
    ----------
    arr : Array
        Its blocks become the store's chunks: all alike, but for the last along an axis.
    url : zarr.Array, store, str or path
        Where to write. Local paths are written by Rask's own writer.
    component : str, optional
        Path of the array inside the store.
    storage_options : dict, optional
        For fsspec.
    overwrite : bool
        Whether an array that is there is replaced; an error otherwise.
    region : tuple of slices, optional
        Where in the existing ``zarr.Array`` that ``url`` is.
    compute : bool
        Whether to write at once; else a ``Delayed`` writes when computed.
    return_stored : bool
        Whether to return the array read back.
    **kwargs
        Of ``zarr.create_array``: compressors, attributes, ``zarr_format``, ….

    Raises
    ------
    ValueError
        For blocks that Zarr cannot have, or of unknown lengths.
    """
    _check_writable(arr)
    if region is not None and isinstance(url, (str, os.PathLike)):
        raise ValueError("Cannot use `region` keyword when url is not a `zarr.Array`.")
    if region is not None or _is_array(url):
        return _into_existing(arr, url, region, compute, return_stored)
    lengths = _regular(arr.chunks)
    if lengths is None:
        raise ValueError(
            "Attempt to save array to zarr with irregular chunking, please call `arr.rechunk(...)` "
            f"first: blocks are {arr.chunks}"
        )
    path = _local_path(url, component) if not storage_options else None
    native_type = arr.dtype.kind in "biufc" and arr.dtype.itemsize <= 16 and arr.dtype.isnative
    if (
        path is not None
        and native_type
        and not kwargs
        and arr.ndim
        and arr.dtype.name != "longdouble"
    ):
        target = _create_native(arr, path, lengths, overwrite)
    else:
        target = _create_by_zarr(arr, url, component, storage_options, lengths, overwrite, kwargs)
    written = stored(arr, target, None, None)
    if compute:
        written.compute()
        return from_zarr(path or target) if return_stored else None
    if return_stored:
        return stored(arr, target, None, None, load=True)
    return done_when_computed([written])


def _is_array(url: Any) -> bool:
    return hasattr(url, "shape") and hasattr(url, "__setitem__")


def _create_native(arr: Array, path: str, lengths: tuple, overwrite: bool) -> Any:
    _make_room(path, overwrite)
    fill = np.zeros((), dtype=arr.dtype)
    return _core.ZarrArray.create(path, arr.shape, lengths, arr.dtype.name, fill.tobytes())


def _make_room(path: str, overwrite: bool) -> None:
    import shutil

    markers = ("zarr.json", ".zarray", ".zgroup")
    if not any(os.path.exists(os.path.join(path, marker)) for marker in markers):
        return
    if not overwrite:
        raise FileExistsError(
            f"there is a Zarr array or group at {path} already; overwrite=True replaces it"
        )
    shutil.rmtree(path)


def _create_by_zarr(
    arr: Array,
    url: Any,
    component: str | None,
    options: dict | None,
    lengths: tuple,
    overwrite: bool,
    kwargs: dict,
) -> Any:
    zarr = _zarr()
    store: Any = os.fspath(url) if isinstance(url, os.PathLike) else url
    if options:
        kwargs = {**kwargs, "storage_options": options}
    if isinstance(store, zarr.Group):
        group = store
        store, component = group.store_path.store, "/".join(filter(None, (group.path, component)))
    return zarr.create_array(
        store=store,
        name=component,
        shape=arr.shape,
        chunks=lengths,
        dtype=arr.dtype,
        overwrite=overwrite,
        **kwargs,
    )


def _into_existing(arr: Array, target: Any, region: Any, compute: bool, return_stored: bool) -> Any:
    from rask.array.sinks import store
    from rask.array.sources import lock_of

    where = region
    if where is not None:
        where = region if isinstance(region, tuple) else (region,)
        where = tuple(
            slice(*entry.indices(length)) if isinstance(entry, slice) else entry
            for entry, length in zip(where, target.shape, strict=False)
        )
        arr = _aligned(arr, target, where)
    elif tuple(target.shape) == arr.shape:
        arr = arr.rechunk(tuple(getattr(target, "shards", None) or target.chunks))
    else:
        raise ValueError(
            f"cannot write an array of shape {arr.shape} to a Zarr array of shape {target.shape}; "
            "region= says where it goes"
        )
    return store(
        arr,
        target,
        lock=lock_of(False),
        regions=where,
        compute=compute,
        return_stored=return_stored,
    )


def _aligned(arr: Array, target: Any, region: tuple) -> Array:
    """Blocks that end where the target's chunks end, so that no two write to one chunk."""
    sizes = getattr(target, "shards", None) or target.chunks
    chunks, axis = [], 0
    for entry, size, length in zip(region, sizes, target.shape, strict=False):
        if isinstance(entry, (int, np.integer)):
            continue
        start, stop, step = entry.indices(length)
        if step < 0:
            raise NotImplementedError("regions with negative steps")
        places = np.arange(start, stop, step) // size
        chunks.append(tuple(int(n) for n in np.unique(places, return_counts=True)[1]) or (0,))
        axis += 1
    chunks += [arr.chunks[at] for at in range(axis, arr.ndim)]
    for at, lengths in enumerate(chunks):
        if sum(lengths) != arr.shape[at]:
            raise ValueError(
                f"region has {sum(lengths)} elements along axis {at}, the array {arr.shape[at]}"
            )
    return arr.rechunk(tuple(chunks))
