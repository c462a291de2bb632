"""Universal functions: elementwise functions with NumPy's names, broadcasting and promotion."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rask import _core
from rask.array.core import Array
from rask.array.elementwise import apply, check_broadcast, elemwise, handle_out, operands

UFUNC_NAMES = (
    "abs", "absolute", "add", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2",
    "arctanh", "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "cbrt", "ceil", "conj",
    "conjugate", "copysign", "cos", "cosh", "deg2rad", "degrees", "divide", "equal", "exp", "exp2",
    "expm1", "fabs", "float_power", "floor", "floor_divide", "fmax", "fmin", "fmod", "greater",
    "greater_equal", "heaviside", "hypot", "invert", "isfinite", "isinf", "isnan", "ldexp",
    "left_shift", "less", "less_equal", "log", "log10", "log1p", "log2", "logaddexp",
    "logaddexp2", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum", "minimum",
    "mod", "multiply", "negative", "nextafter", "not_equal", "positive", "power", "rad2deg",
    "radians", "reciprocal", "remainder", "right_shift", "rint", "sign", "signbit", "sin", "sinh",
    "spacing", "sqrt", "square", "subtract", "tan", "tanh", "true_divide", "trunc",
)  # fmt: skip

__all__ = [
    *UFUNC_NAMES,
    "angle",
    "around",
    "clip",
    "divmod",
    "fix",
    "frexp",
    "frompyfunc",
    "i0",
    "imag",
    "iscomplex",
    "isclose",
    "isneginf",
    "isnull",
    "isposinf",
    "isreal",
    "modf",
    "nan_to_num",
    "notnull",
    "real",
    "round",
    "sinc",
    "ufunc",
    "where",
]


class ufunc:
    """An elementwise function of lazy arrays that wraps one of NumPy's.

    Parameters
    ----------
    func : numpy.ufunc
        What blocks are given to where no native kernel serves.

    Examples
    --------
    >>> import rask.array as da
    >>> da.sqrt(da.full(2, 9.0)).compute()
    array([3., 3.])
    >>> da.add.outer(da.arange(2), da.arange(2)).compute()
    array([[0, 1],
           [1, 2]])
    """

    _forwarded = frozenset(("nin", "nargs", "nout", "ntypes", "identity", "signature", "types"))

    def __init__(self, func: np.ufunc) -> None:
        if not isinstance(func, np.ufunc):
            raise TypeError(f"must be an instance of `ufunc`, got `{type(func).__name__}")
        self._ufunc = func
        self.__name__ = func.__name__
        self.__doc__ = (
            f"{func.__name__} of arrays, element by element, with NumPy's broadcasting and "
            f"promotion.\n\nSee ``numpy.{func.__name__}``.\n"
        )

    def __getattr__(self, key: str) -> Any:
        if key in self._forwarded:
            return getattr(self._ufunc, key)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {key!r}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._forwarded})

    def __repr__(self) -> str:
        return repr(self._ufunc)

    def __reduce__(self) -> tuple:
        return ufunc, (self._ufunc,)

    def __call__(
        self, *args: Any, out: Any = None, where: Any = True, dtype: Any = None, **kwargs: Any
    ) -> Any:
        if len(args) > self._ufunc.nin:
            if len(args) > self._ufunc.nin + 1 or out is not None:
                raise TypeError(f"{self.__name__}() takes {self._ufunc.nin} arrays")
            *args, out = args  # type: ignore[assignment]
        if len(args) != self._ufunc.nin:
            raise TypeError(
                f"{self.__name__}() takes {self._ufunc.nin} positional arguments but {len(args)} "
                "were given"
            )
        if where is not True:
            call = functools.partial(self._ufunc, dtype=dtype) if dtype else self._ufunc
            return elemwise(call, *args, out=out, where=where, name=self.__name__, **kwargs)
        return handle_out(out, apply(self.__name__, self._ufunc, tuple(args), dtype, **kwargs))

    def outer(self, A: Any, B: Any, **kwargs: Any) -> Array:
        """The function of every pair of an element of ``A`` and one of ``B``."""
        from rask.array.creation import asanyarray

        if self._ufunc.nin != 2:
            raise ValueError("outer product only supported for binary functions")
        a, b = asanyarray(A), asanyarray(B)
        return self(a[(..., *(None,) * b.ndim)], b, **kwargs)


if TYPE_CHECKING:

    def __getattr__(name: str) -> ufunc: ...


def _make_all() -> None:
    for name in UFUNC_NAMES:
        globals()[name] = ufunc(getattr(np, name))


_make_all()


def binary(name: str, left: Any, right: Any) -> Any:
    """What an operator of two operands gives; ``NotImplemented`` for operands of other kinds."""
    for other in (left, right):
        if not isinstance(other, Array) and _defers_to(other):
            return NotImplemented
    return apply(name, getattr(np, name), (left, right))


def _defers_to(other: Any) -> bool:
    if isinstance(other, (np.ndarray, np.generic)):
        return False
    if getattr(other, "__array_ufunc__", 0) is None:
        return True
    return type(other).__module__.split(".")[0] in ("xarray",) or (
        getattr(other, "_rask_family", None) == "frame"
    )


def elementwise_function(name: str, func: Callable, doc: str, dtype: Any = None) -> Callable:
    """A lazy function of the name and meaning of an elementwise function of NumPy."""

    def call(*args: Any, **kwargs: Any) -> Array:
        out = kwargs.pop("out", None)
        return handle_out(out, elemwise(func, *args, name=name, dtype=dtype, **kwargs))

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"{doc}\n\nSee ``numpy.{name}``.\n"
    return call


angle = elementwise_function("angle", np.angle, "Angle of complex numbers, in radians.")
fix = elementwise_function("fix", np.fix, "Elements rounded towards zero.")
i0 = elementwise_function("i0", np.i0, "Modified Bessel function of the first kind, order 0.")
iscomplex = elementwise_function("iscomplex", np.iscomplex, "Where the imaginary part is not 0.")
isreal = elementwise_function("isreal", np.isreal, "Where the imaginary part is 0.")
isneginf = elementwise_function("isneginf", np.isneginf, "Where elements are minus infinity.")
isposinf = elementwise_function("isposinf", np.isposinf, "Where elements are plus infinity.")
nan_to_num = elementwise_function(
    "nan_to_num", np.nan_to_num, "Elements with nan and infinities replaced by numbers."
)
sinc = elementwise_function("sinc", np.sinc, "Normalized sinc of the elements.")


def real(x: Any) -> Any:
    """Real parts of the elements."""
    if not isinstance(x, Array):
        return np.real(x)
    return elemwise(np.real, x, name="real") if x.dtype.kind in "cO" else x


def imag(x: Any) -> Any:
    """Imaginary parts of the elements."""
    if not isinstance(x, Array):
        return np.imag(x)
    return elemwise(np.imag, x, name="imag")


def round(a: Any, decimals: int = 0) -> Array:
    """Elements rounded to ``decimals`` places, halves to even."""
    (lazy,) = operands((a,))
    if decimals == 0 and lazy.dtype.kind == "f":
        return apply("rint", np.rint, (lazy,))
    if decimals >= 0 and lazy.dtype.kind in "iu":
        return lazy
    return elemwise(functools.partial(np.round, decimals=decimals), lazy, name="round")


around = round


def clip(a: Any, min: Any = None, max: Any = None, *, out: Any = None, **kwargs: Any) -> Array:
    """Elements limited to ``[min, max]``; a bound of ``None`` does not limit.

    Parameters
    ----------
    a : array-like
    min, max : array-like, optional
        ``a_min``, ``a_max`` are accepted as well.

    Examples
    --------
    >>> import rask.array as da
    >>> da.arange(5).clip(1, 3).compute()
    array([1, 1, 2, 3, 3])
    """
    min = kwargs.pop("a_min", min)
    max = kwargs.pop("a_max", max)
    if kwargs:
        raise TypeError(f"clip() got an unexpected keyword argument {next(iter(kwargs))!r}")
    (lazy,) = operands((a,))
    limited = lazy
    if min is not None:
        limited = apply("maximum", np.maximum, (limited, min))
    if max is not None:
        limited = apply("minimum", np.minimum, (limited, max))
    return handle_out(out, limited)


def choose_where(condition: Any, x: Any, y: Any) -> Array:
    """Elements of ``x`` where the condition holds, of ``y`` elsewhere."""
    given = operands((condition, x, y))
    check_broadcast([value for value in given if isinstance(value, Array)])
    exprs = [value._expr if isinstance(value, Array) else value for value in given]
    native = _core.ArrayExpr.where(*exprs)
    if native is not None:
        return Array(native)
    return elemwise(np.where, *given, name="where")


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Elements of ``x`` where the condition holds, of ``y`` elsewhere.

    Parameters
    ----------
    condition : array-like
    x, y : array-like, optional
        With neither, the positions where the condition holds, as ``nonzero``.

    Examples
    --------
    >>> import rask.array as da
    >>> x = da.arange(4, chunks=2)
    >>> da.where(x > 1, x, -1).compute()
    array([-1, -1,  2,  3])
    """
    from rask.array.creation import asanyarray
    from rask.array.searching import nonzero

    if (x is None) != (y is None):
        raise ValueError("either both or neither of x and y should be given")
    if x is None:
        return nonzero(condition)
    if not any(isinstance(value, Array) for value in (condition, x, y)):
        condition = asanyarray(condition)
    return choose_where(condition, x, y)


def isnull(values: Any) -> Array:
    """Where elements are missing: nan, NaT or ``None``, as ``pandas.isnull``."""
    (lazy,) = operands((values,))
    if lazy.dtype.kind == "f":
        return apply("isnan", np.isnan, (lazy,))
    import pandas as pd

    return elemwise(pd.isnull, lazy, name="isnull", dtype="bool")


def notnull(values: Any) -> Array:
    """Where elements are not missing."""
    return ~isnull(values)


def isclose(
    arr1: Any, arr2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Array:
    """Where two arrays agree within tolerances; see ``numpy.isclose``."""
    call = functools.partial(np.isclose, rtol=rtol, atol=atol, equal_nan=equal_nan)
    return elemwise(call, arr1, arr2, name="isclose", dtype="bool")


def _call_part(*blocks: Any, function: Callable, number: int) -> Any:
    return function(*blocks)[number]


def _two(func: Callable, name: str, args: tuple) -> tuple[Array, Array]:
    one = [np.ones((1,), dtype=a.dtype) if isinstance(a, Array) else a for a in operands(args)]
    with np.errstate(all="ignore"):
        dtypes = [part.dtype for part in func(*one)]
    first, second = (
        elemwise(_call_part, *args, function=func, number=number, name=name, dtype=dtypes[number])
        for number in range(2)
    )
    return first, second


def frexp(x: Any) -> tuple[Array, Array]:
    """Mantissas and exponents of the elements."""
    return _two(np.frexp, "frexp", (x,))


def modf(x: Any) -> tuple[Array, Array]:
    """Fractional and integral parts of the elements."""
    return _two(np.modf, "modf", (x,))


def divmod(x: Any, y: Any) -> tuple[Array, Array]:
    """Quotients and remainders."""
    return (
        apply("floor_divide", np.floor_divide, (x, y)),
        apply("remainder", np.remainder, (x, y)),
    )


def frompyfunc(func: Callable, nin: int, nout: int) -> ufunc:
    """A ufunc of lazy arrays from a Python function of scalars; its blocks hold objects."""
    if nout > 1:
        raise NotImplementedError("frompyfunc with more than one output")
    return ufunc(np.frompyfunc(func, nin, nout))
