import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES, arrays, chunks_of, numbers

import rask.array as da

UNARY = [
    "absolute", "arccosh", "arcsin", "arcsinh", "arctan", "cbrt", "ceil", "conj", "cos", "cosh",
    "deg2rad", "exp", "exp2", "expm1", "fabs", "floor", "invert", "isfinite", "isinf", "isnan",
    "log", "log10", "log1p", "log2", "logical_not", "negative", "positive", "rad2deg",
    "reciprocal", "rint", "sign", "signbit", "sin", "sinh", "spacing", "sqrt", "square", "tan",
    "tanh", "trunc",
]  # fmt: skip
BINARY = [
    "add", "arctan2", "bitwise_and", "bitwise_or", "bitwise_xor", "copysign", "divide", "equal",
    "float_power", "floor_divide", "fmax", "fmin", "fmod", "greater", "greater_equal", "heaviside",
    "hypot", "left_shift", "less", "less_equal", "logaddexp", "logaddexp2", "logical_and",
    "logical_or", "logical_xor", "maximum", "minimum", "multiply", "nextafter", "not_equal",
    "power", "remainder", "right_shift", "subtract",
]  # fmt: skip


def numpy_or_error(function, *args):
    with np.errstate(all="ignore"):
        try:
            return function(*args)
        except TypeError:
            return None


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", DTYPES)
def test_unary(compare, name, dtype):
    values = numbers(dtype, (5, 4))
    expected = numpy_or_error(getattr(np, name), values)
    lazy = da.from_array(values, chunks=(2, 3))
    if expected is None:
        with pytest.raises((TypeError, ValueError)):
            getattr(da, name)(lazy).compute()
        return
    with np.errstate(all="ignore"):
        compare(getattr(da, name)(lazy), expected)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("left", ["bool", "int8", "uint8", "int64", "float32", "complex64"])
@pytest.mark.parametrize("right", ["bool", "uint64", "int32", "float64", "complex128"])
def test_binary(compare, name, left, right):
    a, b = numbers(left, (5, 4)), numbers(right, (4,), seed=1)
    expected = numpy_or_error(getattr(np, name), a, b)
    if expected is None:
        with pytest.raises((TypeError, ValueError)):
            getattr(da, name)(da.from_array(a, chunks=2), da.from_array(b, chunks=3)).compute()
        return
    with np.errstate(all="ignore"):
        compare(getattr(da, name)(da.from_array(a, chunks=2), da.from_array(b, chunks=3)), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "scalar", [True, 3, 2.5, 1 + 2j, np.float32(1.5), np.int16(2), np.uint8(3)]
)
@pytest.mark.parametrize(
    "op", [operator.add, operator.mul, operator.truediv, operator.gt, operator.pow]
)
def test_scalars_promote_as_numpy(compare, dtype, scalar, op):
    values = numbers(dtype, (7,))
    for order in (lambda f, a, b: f(a, b), lambda f, a, b: f(b, a)):
        expected = numpy_or_error(order, op, values, scalar)
        if expected is None:
            continue
        with np.errstate(all="ignore"):
            compare(order(op, da.from_array(values, chunks=3), scalar), expected)


def test_integer_scalars_that_do_not_fit_are_refused():
    with pytest.raises(OverflowError):
        (da.ones(3, dtype="u1") + 300).compute()


@given(arrays(dtypes=("int64", "float64")), st.data())
def test_broadcasting(values_and_chunks, data):
    a, chunks = values_and_chunks
    shape = tuple(data.draw(st.sampled_from([1, n])) for n in a.shape)
    shape = shape[data.draw(st.integers(0, len(shape))) :]
    b = numbers("float64", shape, 3)
    lazy = da.from_array(a, chunks=chunks) * da.from_array(b, chunks=data.draw(chunks_of(shape)))
    np.testing.assert_allclose(lazy.compute(), a * b)
    assert lazy.shape == (a * b).shape


@pytest.mark.parametrize(
    "make",
    [
        lambda: da.ones((3, 4)) + da.ones((5,)),
        lambda: da.ones(3) + np.ones(4),
        lambda: np.ones(4) * da.ones(3),
    ],
)
def test_shapes_that_do_not_broadcast_are_refused_at_once(make):
    with pytest.raises(ValueError, match="could not be broadcast together"):
        make()


@pytest.mark.parametrize(
    "op",
    [
        operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
        operator.pow, operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge,
        operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift,
    ],
)  # fmt: skip
def test_operators_with_arrays_on_either_side(compare, op):
    a, b = np.arange(1, 7).reshape(2, 3), np.array([3, 1, 2])
    compare(op(da.from_array(a, chunks=2), b), op(a, b))
    compare(op(a, da.from_array(b, chunks=2)), op(a, b))
    compare(op(da.from_array(a, chunks=1), da.from_array(b, chunks=2)), op(a, b))


def test_unary_operators(compare):
    a = np.array([-3, 0, 4])
    x = da.from_array(a, chunks=2)
    compare(-x, -a)
    compare(+x, +a)
    compare(abs(x), abs(a))
    compare(~x, ~a)
    quotient, rest = divmod(x, 2)
    compare(quotient, a // 2)
    compare(rest, a % 2)


def test_numpy_ufuncs_stay_lazy(compare):
    a = np.linspace(0.1, 0.9, 7)
    x = da.from_array(a, chunks=3)
    assert isinstance(np.sin(x), da.Array)
    compare(np.sin(x), np.sin(a))
    compare(np.add(a, x), a + a)
    compare(np.hypot(x, 2.0), np.hypot(a, 2.0))
    compare(np.add.outer(x, x), np.add.outer(a, a))
    compare(np.add.reduce(x), np.add.reduce(a))
    whole, fraction = np.modf(x * 10)
    compare(whole, np.modf(a * 10)[0])
    compare(fraction, np.modf(a * 10)[1])
    with pytest.raises(TypeError, match="accumulate"):
        np.add.accumulate(x)


def test_where_and_clip(compare):
    a = np.arange(12).reshape(3, 4)
    x = da.from_array(a, chunks=2)
    compare(da.where(x > 5, x, -x), np.where(a > 5, a, -a))
    compare(da.where(x > 5, x, 0.5), np.where(a > 5, a, 0.5))
    compare(da.where(x > 5, 1, 2), np.where(a > 5, 1, 2))
    compare(x.clip(2, 7), a.clip(2, 7))
    compare(da.clip(x, None, 7), np.clip(a, None, 7))
    compare(np.clip(x, 2, 7), np.clip(a, 2, 7))


def test_functions_of_one_array(compare):
    a = np.array([-1.5, np.nan, np.inf, 0.25, -np.inf])
    x = da.from_array(a, chunks=2)
    for name in (
        "isneginf",
        "isposinf",
        "nan_to_num",
        "sinc",
        "fix",
        "i0",
        "angle",
        "iscomplex",
        "isreal",
    ):
        with np.errstate(all="ignore"):
            compare(getattr(da, name)(x), getattr(np, name)(a))
    compare(da.isnull(x), np.isnan(a))
    compare(da.notnull(x), ~np.isnan(a))
    mantissa, _exponent = da.frexp(x)
    compare(mantissa, np.frexp(a)[0])
    z = np.array([1 + 2j, 3 - 1j])
    compare(da.from_array(z).real, z.real)
    compare(da.from_array(z).imag, z.imag)
    compare(da.from_array(z).conj(), z.conj())


def test_rounding(compare):
    a = np.array([1.25, -2.675, 0.5, 1.5])
    x = da.from_array(a, chunks=2)
    compare(x.round(), a.round())
    compare(da.round(x, 2), a.round(2))
    compare(da.around(da.arange(20, chunks=3), -1), np.arange(20).round(-1))


@pytest.mark.parametrize("before", DTYPES)
@pytest.mark.parametrize("after", ["bool", "int8", "uint16", "float32", "float64", "complex128"])
def test_astype(compare, before, after):
    values = numbers(before, (4, 3))
    with np.errstate(all="ignore"):
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compare(da.from_array(values, chunks=2).astype(after), values.astype(after))


def test_casts_that_are_not_allowed_are_refused():
    with pytest.raises(TypeError, match="Cannot cast"):
        da.ones(3).astype("i4", casting="safe")


def test_ufunc_arguments(compare):
    a = np.arange(6.0)
    x, out = da.from_array(a, chunks=2), da.zeros(6, chunks=3)
    result = da.add(x, 1, out=out)
    assert result is out
    compare(out, a + 1)
    compare(da.add(x, 1, dtype="f4"), np.add(a, 1, dtype="f4"))
    kept = da.full(6, -1.0)
    compare(da.add(x, 1, out=kept, where=x > 2), np.where(a > 2, a + 1, -1.0))
    compare(da.frompyfunc(lambda v: v + 1, 1, 1)(x), np.frompyfunc(lambda v: v + 1, 1, 1)(a))
    with pytest.raises(TypeError):
        da.sin(x, x, x)


def test_closeness():
    x = da.ones(5, chunks=2)
    assert bool(da.allclose(x, x + 1e-9))
    assert not da.isclose(x, x + 1).any().compute()


def test_datetimes(compare):
    when = np.array(["2020-01-01", "2020-02-03", "NaT"], dtype="M8[D]")
    x = da.from_array(when, chunks=2)
    compare(x + np.timedelta64(3, "D"), when + np.timedelta64(3, "D"))
    compare(x - x[0], when - when[0])
    compare(x > np.datetime64("2020-01-15"), when > np.datetime64("2020-01-15"))
    compare(x.astype("M8[ns]"), when.astype("M8[ns]"))
