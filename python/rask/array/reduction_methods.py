"""Methods of arrays that make one element of many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rask.array import _lazy as lazy

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

    from rask.array.core import Array

__all__ = ["ReductionMethods"]


class ReductionMethods:
    """``x.sum()`` and the like."""

    __slots__ = ()

    def sum(
        self,
        axis: Any = None,
        dtype: DTypeLike | None = None,
        keepdims: bool = False,
        split_every: Any = None,
        out: Array | None = None,
    ) -> Array:
        """Sum of the elements over axes."""
        return lazy.reductions.sum(self, axis, dtype, keepdims, split_every, out)

    def prod(
        self,
        axis: Any = None,
        dtype: DTypeLike | None = None,
        keepdims: bool = False,
        split_every: Any = None,
        out: Array | None = None,
    ) -> Array:
        """Product of the elements over axes."""
        return lazy.reductions.prod(self, axis, dtype, keepdims, split_every, out)

    def mean(
        self,
        axis: Any = None,
        dtype: DTypeLike | None = None,
        keepdims: bool = False,
        split_every: Any = None,
        out: Array | None = None,
    ) -> Array:
        """Arithmetic mean of the elements over axes."""
        return lazy.moments.mean(self, axis, dtype, keepdims, split_every, out)

    def var(
        self,
        axis: Any = None,
        dtype: DTypeLike | None = None,
        keepdims: bool = False,
        ddof: float = 0,
        split_every: Any = None,
        out: Array | None = None,
    ) -> Array:
        """Variance of the elements over axes, divided by ``n - ddof``."""
        return lazy.moments.var(self, axis, dtype, keepdims, ddof, split_every, out)

    def std(
        self,
        axis: Any = None,
        dtype: DTypeLike | None = None,
        keepdims: bool = False,
        ddof: float = 0,
        split_every: Any = None,
        out: Array | None = None,
    ) -> Array:
        """Standard deviation of the elements over axes."""
        return lazy.moments.std(self, axis, dtype, keepdims, ddof, split_every, out)

    def moment(
        self,
        order: int,
        axis: Any = None,
        dtype: DTypeLike | None = None,
        keepdims: bool = False,
        ddof: float = 0,
        split_every: Any = None,
        out: Array | None = None,
    ) -> Array:
        """Central moment of the given order over axes."""
        return lazy.moments.moment(self, order, axis, dtype, keepdims, ddof, split_every, out)

    def min(
        self,
        axis: Any = None,
        keepdims: bool = False,
        split_every: Any = None,
        out: Array | None = None,
    ) -> Array:
        """Smallest element over axes."""
        return lazy.reductions.min(self, axis, keepdims, split_every, out)

    def max(
        self,
        axis: Any = None,
        keepdims: bool = False,
        split_every: Any = None,
        out: Array | None = None,
    ) -> Array:
        """Largest element over axes."""
        return lazy.reductions.max(self, axis, keepdims, split_every, out)

    def any(
        self,
        axis: Any = None,
        keepdims: bool = False,
        split_every: Any = None,
        out: Array | None = None,
    ) -> Array:
        """Whether any element over axes is true."""
        return lazy.reductions.any(self, axis, keepdims, split_every, out)

    def all(
        self,
        axis: Any = None,
        keepdims: bool = False,
        split_every: Any = None,
        out: Array | None = None,
    ) -> Array:
        """Whether all elements over axes are true."""
        return lazy.reductions.all(self, axis, keepdims, split_every, out)

    def argmin(
        self,
        axis: int | None = None,
        keepdims: bool = False,
        split_every: Any = None,
        out: Array | None = None,
    ) -> Array:
        """Position of the first smallest element along an axis, or of the flattened array."""
        return lazy.positions.argmin(self, axis, keepdims, split_every, out)

    def argmax(
        self,
        axis: int | None = None,
        keepdims: bool = False,
        split_every: Any = None,
        out: Array | None = None,
    ) -> Array:
        """Position of the first largest element along an axis, or of the flattened array."""
        return lazy.positions.argmax(self, axis, keepdims, split_every, out)

    def cumsum(
        self, axis: int | None, dtype: DTypeLike | None = None, out: Any = None, method: Any = None
    ) -> Array:
        """Running sums along an axis."""
        return lazy.cumulative.cumsum(self, axis, dtype, out)

    def cumprod(
        self, axis: int | None, dtype: DTypeLike | None = None, out: Any = None, method: Any = None
    ) -> Array:
        """Running products along an axis."""
        return lazy.cumulative.cumprod(self, axis, dtype, out)

    def trace(
        self, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: DTypeLike | None = None
    ) -> Array:
        """Sum along a diagonal."""
        return lazy.reductions.trace(self, offset, axis1, axis2, dtype)

    def topk(self, k: int, axis: int = -1, split_every: Any = None) -> Array:
        """The ``k`` largest elements along an axis, largest first; smallest if ``k`` is negative."""
        return lazy.searching.topk(self, k, axis, split_every)

    def argtopk(self, k: int, axis: int = -1, split_every: Any = None) -> Array:
        """Positions of the ``k`` largest elements along an axis, largest first."""
        return lazy.searching.argtopk(self, k, axis, split_every)

    def dot(self, other: ArrayLike) -> Array:
        """Dot product as ``numpy.dot``."""
        return lazy.products.dot(self, other)
