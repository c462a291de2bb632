"""Python's operators on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rask.array import _lazy as lazy

if TYPE_CHECKING:
    from rask.array.core import Array

__all__ = ["Operators"]


class Operators:
    """What Python calls for ``x + y`` and the like."""

    __slots__ = ()

    def __neg__(self) -> Array:
        return lazy.ufunc.negative(self)

    def __pos__(self) -> Array:
        return lazy.ufunc.positive(self)

    def __abs__(self) -> Array:
        return lazy.ufunc.absolute(self)

    def __invert__(self) -> Array:
        return lazy.ufunc.invert(self)

    def __add__(self, other: Any) -> Array:
        return lazy.ufunc.binary("add", self, other)

    def __radd__(self, other: Any) -> Array:
        return lazy.ufunc.binary("add", other, self)

    def __sub__(self, other: Any) -> Array:
        return lazy.ufunc.binary("subtract", self, other)

    def __rsub__(self, other: Any) -> Array:
        return lazy.ufunc.binary("subtract", other, self)

    def __mul__(self, other: Any) -> Array:
        return lazy.ufunc.binary("multiply", self, other)

    def __rmul__(self, other: Any) -> Array:
        return lazy.ufunc.binary("multiply", other, self)

    def __truediv__(self, other: Any) -> Array:
        return lazy.ufunc.binary("divide", self, other)

    def __rtruediv__(self, other: Any) -> Array:
        return lazy.ufunc.binary("divide", other, self)

    def __floordiv__(self, other: Any) -> Array:
        return lazy.ufunc.binary("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Array:
        return lazy.ufunc.binary("floor_divide", other, self)

    def __mod__(self, other: Any) -> Array:
        return lazy.ufunc.binary("remainder", self, other)

    def __rmod__(self, other: Any) -> Array:
        return lazy.ufunc.binary("remainder", other, self)

    def __divmod__(self, other: Any) -> tuple[Array, Array]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Array, Array]:
        return other // self, other % self

    def __pow__(self, other: Any) -> Array:
        return lazy.ufunc.binary("power", self, other)

    def __rpow__(self, other: Any) -> Array:
        return lazy.ufunc.binary("power", other, self)

    def __lshift__(self, other: Any) -> Array:
        return lazy.ufunc.binary("left_shift", self, other)

    def __rlshift__(self, other: Any) -> Array:
        return lazy.ufunc.binary("left_shift", other, self)

    def __rshift__(self, other: Any) -> Array:
        return lazy.ufunc.binary("right_shift", self, other)

    def __rrshift__(self, other: Any) -> Array:
        return lazy.ufunc.binary("right_shift", other, self)

    def __and__(self, other: Any) -> Array:
        return lazy.ufunc.binary("bitwise_and", self, other)

    def __rand__(self, other: Any) -> Array:
        return lazy.ufunc.binary("bitwise_and", other, self)

    def __or__(self, other: Any) -> Array:
        return lazy.ufunc.binary("bitwise_or", self, other)

    def __ror__(self, other: Any) -> Array:
        return lazy.ufunc.binary("bitwise_or", other, self)

    def __xor__(self, other: Any) -> Array:
        return lazy.ufunc.binary("bitwise_xor", self, other)

    def __rxor__(self, other: Any) -> Array:
        return lazy.ufunc.binary("bitwise_xor", other, self)

    def __eq__(self, other: Any) -> Array:  # type: ignore[override]
        return lazy.ufunc.binary("equal", self, other)

    def __ne__(self, other: Any) -> Array:  # type: ignore[override]
        return lazy.ufunc.binary("not_equal", self, other)

    def __lt__(self, other: Any) -> Array:
        return lazy.ufunc.binary("less", self, other)

    def __le__(self, other: Any) -> Array:
        return lazy.ufunc.binary("less_equal", self, other)

    def __gt__(self, other: Any) -> Array:
        return lazy.ufunc.binary("greater", self, other)

    def __ge__(self, other: Any) -> Array:
        return lazy.ufunc.binary("greater_equal", self, other)

    def __matmul__(self, other: Any) -> Array:
        return lazy.products.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Array:
        return lazy.products.matmul(other, self)
