"""The lazy array that a user holds: ``Array`` over a native expression."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from rask import _core
from rask.array import _lazy as lazy
from rask.array.operators import Operators
from rask.array.reduction_methods import ReductionMethods

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from rask.array.indexing import BlockView, VIndex

__all__ = ["Array"]

Shape = tuple[int, ...]
Chunks = tuple[tuple[int, ...], ...]


class Array(Operators, ReductionMethods):
    """A large array in many blocks, computed when asked for.

    Arrays are made by the functions of this package (``from_array``, ``ones``, ``from_zarr``, …)
    and by operations on other arrays. They follow NumPy's interface and promotion rules; nothing is
    computed until ``compute``, ``persist``, ``store`` or a conversion to a NumPy array.

    Parameters
    ----------
    expr : rask._core.ArrayExpr
        What the array is: a node of the native expression graph.

    Examples
    --------
    >>> import rask.array as da
    >>> x = da.ones((4, 6), chunks=(2, 3))
    >>> (x + 1).sum(axis=0).compute()
    array([8., 8., 8., 8., 8., 8.])
    """

    __slots__ = ("__dict__", "__weakref__", "_expr")

    _rask_family = "array"
    __array_priority__ = 11

    def __init__(self, expr: _core.ArrayExpr) -> None:
        if not isinstance(expr, _core.ArrayExpr):
            raise TypeError(
                f"an Array is made from an expression, not from {type(expr).__name__}; "
                "use rask.array.from_array, from_delayed or asarray"
            )
        self._expr = expr

    # ---- what the engines call

    @classmethod
    def _rask_lower(cls, collections: list[Array], optimize: bool = True) -> tuple[Any, list[int]]:
        return _core.ArrayExpr.to_plan([array._expr for array in collections], optimize)

    def _rask_finish(self, values: list) -> Any:
        return lazy.assemble.assemble(values, self.chunks, self.dtype)

    def _rask_finisher(self) -> Callable[[list], Any]:
        return functools.partial(lazy.assemble.assemble, chunks=self.chunks, dtype=self.dtype)

    def __reduce__(self) -> tuple:
        from rask.distributed._sharing import reduce_collection

        return reduce_collection(self)

    def _rask_rebuild(self, plan: Any) -> Array:
        return Array(
            _core.ArrayExpr.from_plan(plan, self.chunks, self.dtype, self.name, self._expr.meta)
        )

    @classmethod
    def _from_plan(cls, plan: Any, chunks: Chunks, dtype: Any, meta: Any = None) -> Array:
        """An array whose blocks, in C order, are the wanted blocks of a plan."""
        foreign = None if meta is None or type(meta) is np.ndarray else meta
        return cls(_core.ArrayExpr.from_plan(plan, chunks, np.dtype(dtype), None, foreign))

    def __rask_tokenize__(self) -> str:
        return self.name

    # ---- what it is

    @property
    def name(self) -> str:
        """Name of the layer that makes the array's blocks; equal names mean equal values."""
        return self._expr.name

    @cached_property
    def chunks(self) -> Chunks:
        """Lengths of the blocks along each axis; ``nan`` where they are not known."""
        return self._expr.chunks

    @property
    def shape(self) -> Shape:
        """Lengths of the axes; ``nan`` where a length is not known before computing."""
        return self._expr.shape

    @property
    def dtype(self) -> np.dtype:
        """Type of the elements."""
        return self._expr.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._expr.ndim

    @property
    def _meta(self) -> Any:
        meta = self._expr.meta
        return np.empty((0,) * self.ndim, dtype=self.dtype) if meta is None else meta

    @property
    def numblocks(self) -> Shape:
        """Number of blocks along each axis."""
        return tuple(len(lengths) for lengths in self.chunks)

    @property
    def npartitions(self) -> int:
        """Number of blocks."""
        return int(np.prod(self.numblocks, dtype=np.int64))

    @property
    def chunksize(self) -> Shape:
        """Lengths of the largest block along each axis."""
        return tuple(max(lengths) for lengths in self.chunks)

    @property
    def size(self) -> int:
        """Number of elements."""
        return lazy.chunks.product(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.itemsize

    @property
    def blocks(self) -> BlockView:
        """The array seen as a grid of blocks: ``x.blocks[0, 1:]`` is the array of those blocks.

        Examples
        --------
        >>> import rask.array as da
        >>> da.arange(10, chunks=4).blocks[1:].compute()
        array([4, 5, 6, 7, 8, 9])
        """
        return lazy.indexing.BlockView(self)

    @property
    def partitions(self) -> BlockView:
        """Alias of ``blocks``."""
        return self.blocks

    @property
    def vindex(self) -> VIndex:
        """Pointwise indexing by several lists: ``x.vindex[[0, 1], [2, 3]]`` has two elements.

        Indexed axes come first in the result, as in Dask.
        """
        return lazy.indexing.VIndex(self)

    @property
    def dask(self) -> Any:
        """The graph as a mapping from key to task, for inspection by Dask's tools."""
        return self.to_dask().__dask_graph__()

    @property
    def A(self) -> Array:
        """The array itself."""
        return self

    @property
    def T(self) -> Array:
        """The array with its axes reversed."""
        return self.transpose()

    @property
    def real(self) -> Array:
        """Real parts of the elements."""
        return lazy.ufunc.real(self)

    @property
    def imag(self) -> Array:
        """Imaginary parts of the elements."""
        return lazy.ufunc.imag(self)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of unsized object")
        length = self.shape[0]
        if length != length:
            raise ValueError(
                "the length of axis 0 is not known before computing; "
                "call compute_chunk_sizes() first"
            )
        return int(length)

    def __repr__(self) -> str:
        label = self.name.rsplit("-", 1)[0]
        chunktype = f"{type(self._meta).__module__.split('.')[0]}.{type(self._meta).__name__}"
        return (
            f"rask.array<{label}, shape={self.shape}, dtype={self.dtype}, "
            f"chunksize={self.chunksize}, chunktype={chunktype}>"
        )

    def _repr_html_(self) -> str:
        return lazy.html.array_html(self)

    def to_svg(self, size: int = 500) -> str:
        """A drawing of the array's blocks as SVG text.

        Parameters
        ----------
        size : int
            Length of the longest side in pixels.
        """
        return lazy.html.array_svg(self.chunks, size)

    # ---- computing

    def compute(self, **kwargs: Any) -> Any:
        """Computes the array: a NumPy array (or an array of the blocks' type), or a scalar.

        Parameters
        ----------
        **kwargs
            As of ``rask.compute``: ``scheduler``, ``optimize_graph``, options of the engine.
        """
        from rask.base import compute

        (result,) = compute(self, traverse=False, **kwargs)
        return result

    def persist(self, **kwargs: Any) -> Array:
        """Computes the blocks and keeps them: the same array over finished blocks.

        Parameters
        ----------
        **kwargs
            As of ``rask.persist``.
        """
        from rask.base import persist

        (result,) = persist(self, traverse=False, **kwargs)
        return result

    def visualize(self, filename: str | None = "mydask", **kwargs: Any) -> Any:
        """Draws the graph; see ``rask.visualize``."""
        from rask.base import visualize

        return visualize(self, filename=filename, **kwargs)

    def compute_chunk_sizes(self) -> Array:
        """Computes the array's unknown block lengths, in place, and returns the array.

        Examples
        --------
        >>> import numpy as np, rask.array as da
        >>> x = da.arange(6, chunks=3)
        >>> x[x > 1].compute_chunk_sizes().chunks
        ((1, 3),)
        """
        sizes = lazy.chunks.measured_chunks(self)
        self._replace(Array(self._expr.with_chunks(sizes)))
        return self

    def _replace(self, other: Array) -> None:
        self._expr = other._expr
        self.__dict__.pop("chunks", None)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("a lazy array cannot be converted to a NumPy array without a copy")
        return np.asarray(self.compute(), dtype=dtype)

    def _scalar(self, convert: Callable[[Any], Any]) -> Any:
        if self.size > 1:
            raise TypeError("only length-1 arrays can be converted to Python scalars")
        return convert(np.asarray(self.compute()).reshape(())[()])

    def __bool__(self) -> bool:
        if self.size > 1:
            raise ValueError(
                f"The truth value of a {type(self).__name__} with more than one element is "
                "ambiguous. Use a.any() or a.all()."
            )
        return bool(self.compute())

    def __int__(self) -> int:
        return self._scalar(int)

    def __float__(self) -> float:
        return self._scalar(float)

    def __complex__(self) -> complex:
        return self._scalar(complex)

    def __index__(self) -> int:
        return self._scalar(operator.index)

    def __iter__(self) -> Iterator[Array]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        for position in range(len(self)):
            yield self[position]

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        import rask.array

        return rask.array

    # ---- NumPy's protocols

    def __array_ufunc__(self, numpy_ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return lazy.protocol.array_ufunc(numpy_ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return lazy.protocol.array_function(func, types, args, kwargs)

    # ---- indexing

    def __getitem__(self, index: Any) -> Array:
        return lazy.indexing.getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._replace(lazy.indexing.setitem(self, index, value))

    # ---- as an object

    def __hash__(self) -> int:
        return hash(self.name)

    def __copy__(self) -> Array:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Array:
        copied = self.copy()
        memo[id(self)] = copied
        return copied

    # ---- elementwise methods

    def astype(
        self, dtype: DTypeLike, *, casting: str = "unsafe", copy: bool = True, **kwargs: Any
    ) -> Array:
        """The array with its elements cast to ``dtype``.

        Parameters
        ----------
        dtype : dtype
            Type of the result's elements.
        casting : {"no", "equiv", "safe", "same_kind", "unsafe"}
            Which casts are allowed; a ``TypeError`` names one that is not.
        copy : bool
            Accepted for NumPy's sake; lazy arrays share what they can.
        """
        return lazy.elementwise.astype(self, dtype, casting, **kwargs)

    def view(self, dtype: DTypeLike | None = None, order: str = "C") -> Array:
        """The same bytes seen as elements of another type."""
        return lazy.manipulation.view(self, dtype, order)

    def clip(self, min: Any = None, max: Any = None) -> Array:
        """Elements limited to ``[min, max]``."""
        return lazy.ufunc.clip(self, min, max)

    def conj(self) -> Array:
        """Complex conjugates of the elements."""
        return lazy.ufunc.conj(self)

    def round(self, decimals: int = 0) -> Array:
        """Elements rounded to ``decimals`` places."""
        return lazy.ufunc.round(self, decimals=decimals)

    def copy(self) -> Array:
        """The same array; assigning into one leaves the other as it is."""
        return Array(self._expr)

    # ---- shape methods

    def rechunk(
        self,
        chunks: Any = "auto",
        threshold: int | None = None,
        block_size_limit: int | None = None,
        balance: bool = False,
        method: str | None = None,
    ) -> Array:
        """The same array in other blocks. See ``rask.array.rechunk``."""
        return lazy.chunks.rechunk(self, chunks, threshold, block_size_limit, balance, method)

    def transpose(self, *axes: Any) -> Array:
        """The array with its axes permuted; reversed when none are given."""
        if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
            return lazy.manipulation.transpose(self, axes[0])
        return lazy.manipulation.transpose(self, axes or None)

    def swapaxes(self, axis1: int, axis2: int) -> Array:
        """The array with two axes exchanged."""
        return lazy.manipulation.swapaxes(self, axis1, axis2)

    def reshape(self, *shape: Any, merge_chunks: bool = True, limit: Any = None) -> Array:
        """The same elements in C order in another shape."""
        if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)):
            shape = tuple(shape[0])
        return lazy.manipulation.reshape(self, shape, merge_chunks=merge_chunks, limit=limit)

    def ravel(self) -> Array:
        """The elements in C order along one axis."""
        return self.reshape((-1,))

    flatten = ravel

    def squeeze(self, axis: Any = None) -> Array:
        """The array without its axes of length one."""
        return lazy.manipulation.squeeze(self, axis)

    def repeat(self, repeats: int, axis: int | None = None) -> Array:
        """Each element ``repeats`` times along an axis."""
        return lazy.manipulation.repeat(self, repeats, axis=axis)

    def shuffle(self, indexer: list[list[int]], axis: int, chunks: str = "auto") -> Array:
        """The array with its elements along an axis in the order of ``indexer``."""
        return lazy.manipulation.shuffle(self, indexer, axis, chunks)

    def choose(self, choices: Any) -> Array:
        """Elements of ``choices`` selected by this array of numbers."""
        return lazy.searching.choose(self, choices)

    def nonzero(self) -> tuple[Array, ...]:
        """Positions of the elements that are not zero, one array an axis."""
        return lazy.searching.nonzero(self)

    # ---- Python functions on blocks

    def map_blocks(self, func: Callable, *args: Any, **kwargs: Any) -> Array:
        """Calls ``func`` on every block. See ``rask.array.map_blocks``."""
        return lazy.blocks.map_blocks(func, self, *args, **kwargs)

    def map_overlap(
        self,
        func: Callable,
        depth: Any,
        boundary: Any = None,
        trim: bool = True,
        **kwargs: Any,
    ) -> Array:
        """Calls ``func`` on every block extended by its neighbours. See ``rask.array.map_overlap``."""
        return lazy.overlap.map_overlap(
            func, self, depth=depth, boundary=boundary, trim=trim, **kwargs
        )

    # ---- conversions

    def store(self, target: Any, **kwargs: Any) -> Any:
        """Writes the blocks into ``target``. See ``rask.array.store``."""
        return lazy.sinks.store([self], [target], **kwargs)

    def to_zarr(self, *args: Any, **kwargs: Any) -> Any:
        """Writes a Zarr array. See ``rask.array.to_zarr``."""
        return lazy.zarr_io.to_zarr(self, *args, **kwargs)

    def to_hdf5(self, filename: str, datapath: str, **kwargs: Any) -> None:
        """Writes an HDF5 dataset with h5py. See ``rask.array.to_hdf5``."""
        return lazy.sinks.to_hdf5(filename, datapath, self, **kwargs)

    def to_delayed(self, optimize_graph: bool = True) -> np.ndarray:
        """The blocks as an object array of ``Delayed``, one a block."""
        return lazy.delayed_io.to_delayed(self, optimize_graph)

    def to_dask_dataframe(self, columns: Any = None, index: Any = None, meta: Any = None) -> Any:
        """A data frame of the array's columns, one partition a block of rows."""
        from rask.dataframe import from_dask_array

        return from_dask_array(self, columns=columns, index=index, meta=meta)

    def to_dask(self) -> Any:
        """An object with Dask's collection protocol, for engines that run Dask's graphs."""
        from rask.dask import to_dask

        return to_dask(self)

    def to_backend(self, backend: str | None = None, **kwargs: Any) -> Array:
        """The array with its blocks moved to another array library (``"numpy"`` or ``"cupy"``)."""
        return lazy.manipulation.to_backend(self, backend, **kwargs)


_ELSEWHERE = {
    "BlockView": "indexing",
    "apply_infer_dtype": "metas",
    "asanyarray": "creation",
    "asarray": "creation",
    "atop": "blockwise_calls",
    "blockwise": "blockwise_calls",
    "broadcast_to": "manipulation",
    "concatenate": "joining",
    "elemwise": "elementwise",
    "from_array": "sources",
    "from_delayed": "delayed_io",
    "from_zarr": "zarr_io",
    "getter": "sources",
    "map_blocks": "blocks",
    "normalize_chunks": "chunks",
    "stack": "joining",
    "store": "sinks",
    "to_zarr": "zarr_io",
    "unify_chunks": "chunks",
}


def __getattr__(name: str) -> Any:
    """Functions that programs written for Dask take from this module."""
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(getattr(lazy, _ELSEWHERE[name]), name)
