"""Random arrays: the same seed gives the same numbers in whatever blocks.

A generator has a seed; each call of one of its methods takes the next of its streams. The native
distributions (uniform, normal, integers and what follows from them) make every element from its own
place in the stream, so that any block or slice can be made alone. The others call
``numpy.random.Generator`` on pieces of the array that depend on its shape only, each with a
generator of its own, and are then cut into the blocks asked for.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rask import _core
from rask.array.chunks import normalize_chunks
from rask.array.core import Array
from rask.array.creation import asanyarray, shape_tuple

__all__ = ["Generator", "RandomState", "default_rng"]

#: Elements of the pieces that distributions without a native kernel are made in.
_PIECE_BYTES = 4 * 2**20

_DISTRIBUTIONS = (
    "beta", "binomial", "chisquare", "exponential", "f", "gamma", "geometric", "gumbel",
    "hypergeometric", "laplace", "logistic", "lognormal", "logseries", "negative_binomial",
    "noncentral_chisquare", "noncentral_f", "normal", "pareto", "poisson", "power", "rayleigh",
    "standard_cauchy", "standard_exponential", "standard_gamma", "standard_normal", "standard_t",
    "triangular", "uniform", "vonmises", "wald", "weibull", "zipf",
)  # fmt: skip

_PARAMETERS = {
    "beta": ("a", "b"), "binomial": ("n", "p"), "chisquare": ("df",), "exponential": ("scale",),
    "f": ("dfnum", "dfden"), "gamma": ("shape", "scale"), "geometric": ("p",),
    "gumbel": ("loc", "scale"), "hypergeometric": ("ngood", "nbad", "nsample"),
    "laplace": ("loc", "scale"), "logistic": ("loc", "scale"), "lognormal": ("mean", "sigma"),
    "logseries": ("p",), "negative_binomial": ("n", "p"), "noncentral_chisquare": ("df", "nonc"),
    "noncentral_f": ("dfnum", "dfden", "nonc"), "normal": ("loc", "scale"), "pareto": ("a",),
    "poisson": ("lam",), "power": ("a",), "rayleigh": ("scale",), "standard_cauchy": (),
    "standard_exponential": (), "standard_gamma": ("shape",), "standard_normal": (),
    "standard_t": ("df",), "triangular": ("left", "mode", "right"), "uniform": ("low", "high"),
    "vonmises": ("mu", "kappa"), "wald": ("mean", "scale"), "weibull": ("a",), "zipf": ("a",),
}  # fmt: skip

_DEFAULTS = {
    "exponential": {"scale": 1.0}, "gamma": {"scale": 1.0}, "gumbel": {"loc": 0.0, "scale": 1.0},
    "laplace": {"loc": 0.0, "scale": 1.0}, "logistic": {"loc": 0.0, "scale": 1.0},
    "lognormal": {"mean": 0.0, "sigma": 1.0}, "normal": {"loc": 0.0, "scale": 1.0},
    "poisson": {"lam": 1.0}, "rayleigh": {"scale": 1.0}, "uniform": {"low": 0.0, "high": 1.0},
}  # fmt: skip


class Streams:
    """A seed and a count of the streams taken from it."""

    def __init__(self, seed: Any) -> None:
        if isinstance(seed, np.random.SeedSequence):
            sequence = seed
        elif isinstance(seed, (np.random.BitGenerator, np.random.Generator)):
            bits = seed.bit_generator if isinstance(seed, np.random.Generator) else seed
            sequence = bits.seed_seq  # type: ignore[attr-defined]
        else:
            sequence = np.random.SeedSequence(seed)
        self._words = tuple(int(word) for word in sequence.generate_state(2, np.uint64))
        self._count = itertools.count()
        self._lock = threading.Lock()

    def __getstate__(self) -> tuple:
        with self._lock:
            at = next(self._count)
            self._count = itertools.count(at)
        return self._words, at

    def __setstate__(self, state: tuple) -> None:
        self._words, at = state
        self._count, self._lock = itertools.count(at), threading.Lock()

    def take(self) -> tuple[int, int, int]:
        """The key of the next stream."""
        with self._lock:
            first, second = self._words
            return first, second, next(self._count)


def _result_shape(size: Any, parameters: Sequence[Any]) -> tuple[int, ...]:
    shapes = [np.shape(p) if not isinstance(p, Array) else p.shape for p in parameters]
    joint = np.broadcast_shapes(*shapes) if shapes else ()
    if size is None:
        return joint
    shape = shape_tuple(size)
    if np.broadcast_shapes(joint, shape) != shape:
        raise ValueError(f"parameters of shape {joint} do not broadcast to size {shape}")
    return shape


def _native(
    name: str, parameters: tuple, key: tuple, shape: tuple, chunks: Any, dtype: np.dtype
) -> Array | None:
    blocks = normalize_chunks(chunks, shape, dtype=dtype)
    expr = _core.ArrayExpr.random(name, list(parameters), key, shape, blocks, dtype)
    return None if expr is None else Array(expr)


class _DrawPiece:
    """Draws one piece of an array: what the blocks of distributions without a kernel call."""

    def __init__(self, method: str, key: tuple, kwargs: dict) -> None:
        self.method, self.key, self.kwargs = method, key, kwargs
        self.__name__ = method

    def __call__(self, *parameters: Any, block_info: Any = None) -> Any:
        piece = block_info[None]
        seed = np.random.SeedSequence([*self.key, *piece["chunk-location"]])
        generator = np.random.Generator(np.random.Philox(seed))
        draw = getattr(generator, self.method)
        return draw(*parameters, size=piece["chunk-shape"], **self.kwargs)


def _pieces(
    method: str, parameters: tuple, key: tuple, shape: tuple, chunks: Any, kind: Any, **kwargs: Any
) -> Array:
    """Draws by NumPy, piece by piece."""
    from rask.array.blocks import map_blocks
    from rask.array.manipulation import broadcast_to

    pieces = normalize_chunks("auto", shape, limit=_PIECE_BYTES, dtype=np.dtype(float))
    arrays = [
        broadcast_to(asanyarray(p), shape).rechunk(pieces)
        if np.ndim(p) or isinstance(p, Array)
        else p
        for p in parameters
    ]
    drawn = map_blocks(
        _DrawPiece(method, key, kwargs), *arrays, chunks=pieces, dtype=kind, token=method
    )
    blocks = normalize_chunks(chunks, shape, dtype=kind)
    return drawn if drawn.chunks == blocks else drawn.rechunk(blocks)


def _plain(parameters: Sequence[Any]) -> bool:
    return all(np.ndim(p) == 0 and not isinstance(p, Array) for p in parameters)


class Generator:
    """A source of random arrays, as ``numpy.random.Generator``.

    The same seed and the same calls give the same numbers, in whatever blocks. They are not the
    numbers that NumPy gives for the seed.

    Parameters
    ----------
    bit_generator : BitGenerator, SeedSequence, int or None
        Where the seed comes from.

    Examples
    --------
    >>> import rask.array as da
    >>> first = da.random.default_rng(42).normal(size=(6, 6), chunks=2)
    >>> second = da.random.default_rng(42).normal(size=(6, 6), chunks=3)
    >>> bool((first == second).all().compute())
    True
    """

    def __init__(self, bit_generator: Any = None) -> None:
        self._streams = Streams(bit_generator)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(Philox)"

    def _draw(
        self, name: str, parameters: tuple, size: Any, chunks: Any, dtype: Any = None, **kwargs: Any
    ) -> Array:
        shape = _result_shape(size, parameters)
        key = self._streams.take()
        if _plain(parameters) and not kwargs:
            checked = getattr(np.random.Generator(np.random.Philox(0)), name)(*parameters, size=1)
            found = _native(name, parameters, key, shape, chunks, np.dtype(dtype or checked.dtype))
            if found is not None:
                return found
        kind = np.dtype(dtype or _kind_of(name))
        return _pieces(name, parameters, key, shape, chunks, kind, **kwargs)

    def random(
        self,
        size: Any = None,
        dtype: Any = np.float64,
        out: Any = None,
        chunks: Any = "auto",
        **kwargs: Any,
    ) -> Array:
        """Uniform numbers of ``[0, 1)``.

        Parameters
        ----------
        size : int or tuple of int, optional
        dtype : dtype
            ``float64`` or ``float32``.
        chunks : int, tuple, dict or str
        """
        shape = _result_shape(size, ())
        key = self._streams.take()
        found = _native("random", (), key, shape, chunks, np.dtype(dtype))
        if found is not None:
            return found
        return _pieces("random", (), key, shape, chunks, dtype, dtype=np.dtype(dtype))

    def integers(
        self,
        low: Any,
        high: Any = None,
        size: Any = None,
        dtype: Any = np.int64,
        endpoint: bool = False,
        chunks: Any = "auto",
        **kwargs: Any,
    ) -> Array:
        """Integers of ``[low, high)``, or of ``[0, low)`` when one is given.

        Parameters
        ----------
        low, high : int or array-like
        size : int or tuple of int, optional
        dtype : dtype
        endpoint : bool
            Whether ``high`` is included.
        chunks : int, tuple, dict or str
        """
        if high is None:
            low, high = 0, low
        parameters = (low, high)
        shape = _result_shape(size, parameters)
        key = self._streams.take()
        kind = np.dtype(dtype)
        if _plain(parameters):
            np.random.Generator(np.random.Philox(0)).integers(low, high, 1, kind, endpoint)
            limits = (int(low), int(high) + bool(endpoint))
            found = _native("integers", limits, key, shape, chunks, kind)
            if found is not None:
                return found
        return _pieces(
            "integers", parameters, key, shape, chunks, kind, dtype=kind, endpoint=endpoint
        )

    def choice(
        self,
        a: Any,
        size: Any = None,
        replace: bool = True,
        p: Any = None,
        axis: int = 0,
        shuffle: bool = True,
        chunks: Any = "auto",
    ) -> Array:
        """Elements of ``a`` (or of ``range(a)``) at random.

        Parameters
        ----------
        a : int or array-like
        size : int or tuple of int, optional
        replace : bool
            Whether elements may come again; if not, the result is made in one block.
        p : array-like, optional
            Probabilities.
        """
        if axis != 0:
            raise NotImplementedError("choice along another axis than 0")
        pool = np.asarray(a.compute() if isinstance(a, Array) else a)
        weights = None if p is None else np.asarray(p.compute() if isinstance(p, Array) else p)
        length = int(pool) if not pool.ndim else len(pool)
        if pool.ndim > 1:
            raise ValueError("a must be one dimensional")
        if length <= 0:
            raise ValueError("a must be greater than 0 unless no samples are taken")
        if weights is not None:
            if weights.shape != (length,):
                raise ValueError("a and p must have the same size")
            if not math.isclose(float(weights.sum()), 1.0, abs_tol=1e-8):
                raise ValueError("probabilities do not sum to 1")
        shape = _result_shape(size, ())
        kind = pool.dtype if pool.ndim else np.dtype(np.int64)
        source = pool if pool.ndim else length
        key = self._streams.take()
        if not replace:
            if math.prod(shape) > length:
                raise ValueError("Cannot take a larger sample than population when 'replace=False'")
            return _whole("choice", (source,), key, shape, chunks, kind, replace=False, p=weights)
        if weights is None:
            places = _native("integers", (0, length), key, shape, chunks, np.dtype(np.int64))
            if places is not None:
                return places if not pool.ndim else places.map_blocks(_Pick(pool), dtype=kind)
        return _pieces("choice", (), key, shape, chunks, kind, a=source, p=weights)

    def permutation(self, x: Any) -> Array:
        """The elements of ``x`` along its first axis (or ``range(x)``) in random order."""
        key = self._streams.take()
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(list(key))))
        lazy = asanyarray(np.arange(x) if isinstance(x, (int, np.integer)) else x)
        return lazy[generator.permutation(len(lazy))]

    def multinomial(
        self, n: Any, pvals: Any, size: Any = None, chunks: Any = "auto", **kwargs: Any
    ) -> Array:
        """How often each outcome occurs in ``n`` experiments: outcomes are the last axis."""
        return self._outcomes("multinomial", (n, np.asarray(pvals)), len(pvals), size, chunks)

    def multivariate_hypergeometric(
        self,
        colors: Any,
        nsample: int,
        size: Any = None,
        method: str = "marginals",
        chunks: Any = "auto",
        **kwargs: Any,
    ) -> Array:
        """How many of each color are among ``nsample`` drawn ones: colors are the last axis."""
        return self._outcomes(
            "multivariate_hypergeometric",
            (np.asarray(colors), nsample),
            len(colors),
            size,
            chunks,
            method=method,
        )

    def _outcomes(
        self, name: str, parameters: tuple, count: int, size: Any, chunks: Any, **kwargs: Any
    ) -> Array:
        shape = () if size is None else shape_tuple(size)
        key = self._streams.take()
        if not shape:
            return self._outcomes_of(name, parameters, count, (1,), key, kwargs)[0]
        drawn = self._outcomes_of(name, parameters, count, shape, key, kwargs)
        blocks = normalize_chunks(chunks, shape, dtype=np.int64)
        return drawn.rechunk((*blocks, (count,)))

    def _outcomes_of(
        self, name: str, parameters: tuple, count: int, shape: tuple, key: tuple, kwargs: dict
    ) -> Array:
        from rask.array.blocks import map_blocks

        pieces = normalize_chunks(
            "auto", shape, limit=_PIECE_BYTES // max(count, 1) + 8, dtype=float
        )
        draw = _DrawOutcomes(name, key, kwargs)
        return map_blocks(draw, *parameters, chunks=(*pieces, (count,)), dtype=np.int64, token=name)


class _Pick:
    def __init__(self, pool: np.ndarray) -> None:
        self.pool = pool

    def __call__(self, places: np.ndarray) -> np.ndarray:
        return self.pool[places]


class _DrawOutcomes(_DrawPiece):
    def __call__(self, *parameters: Any, block_info: Any = None) -> Any:
        piece = block_info[None]
        seed = np.random.SeedSequence([*self.key, *piece["chunk-location"]])
        generator = np.random.Generator(np.random.Philox(seed))
        draw = getattr(generator, self.method)
        return draw(*parameters, size=piece["chunk-shape"][:-1], **self.kwargs)


def _whole(
    method: str, parameters: tuple, key: tuple, shape: tuple, chunks: Any, kind: Any, **kwargs: Any
) -> Array:
    """Draws by NumPy in one piece."""
    from rask.array.blocks import map_blocks

    one = tuple((length,) for length in shape)
    drawn = map_blocks(
        _DrawPiece(method, key, kwargs), *parameters, chunks=one, dtype=kind, token=method
    )
    return drawn.rechunk(normalize_chunks(chunks, shape, dtype=kind))


def _kind_of(name: str) -> np.dtype:
    whole = (
        "binomial",
        "geometric",
        "hypergeometric",
        "logseries",
        "negative_binomial",
        "poisson",
        "zipf",
    )
    return np.dtype(np.int64 if name in whole else np.float64)


class RandomState(Generator):
    """A source of random arrays, with the methods of ``numpy.random.RandomState``.

    Parameters
    ----------
    seed : int, optional
    RandomState : type, optional
        Accepted as in Dask.
    """

    def __init__(self, seed: Any = None, RandomState: Any = None) -> None:
        super().__init__(seed)

    def seed(self, seed: Any = None) -> None:
        """Starts again from a seed."""
        self._streams = Streams(seed)

    def randint(
        self,
        low: Any,
        high: Any = None,
        size: Any = None,
        chunks: Any = "auto",
        dtype: Any = "l",
        **kwargs: Any,
    ) -> Array:
        """Integers of ``[low, high)``, or of ``[0, low)``."""
        return self.integers(low, high, size, np.dtype(dtype), chunks=chunks)

    def random_integers(
        self, low: Any, high: Any = None, size: Any = None, chunks: Any = "auto", **kwargs: Any
    ) -> Array:
        """Integers of ``[low, high]``, or of ``[1, low]``."""
        if high is None:
            low, high = 1, low
        return self.integers(low, high, size, endpoint=True, chunks=chunks)

    def random_sample(self, size: Any = None, chunks: Any = "auto", **kwargs: Any) -> Array:
        """Uniform numbers of ``[0, 1)``."""
        return self.random(size=size, chunks=chunks)

    def tomaxint(self, size: Any = None, chunks: Any = "auto", **kwargs: Any) -> Array:
        """Integers of ``[0, 2**63)``."""
        return self.integers(0, np.iinfo(np.int64).max, size, chunks=chunks)


def _method(name: str) -> Callable:
    names = _PARAMETERS[name]
    defaults = _DEFAULTS.get(name, {})

    def draw(
        self: Generator, *args: Any, size: Any = None, chunks: Any = "auto", **kwargs: Any
    ) -> Array:
        if len(args) > len(names) + 1:
            raise TypeError(f"{name}() takes {', '.join(names)}, size and chunks")
        given = dict(zip((*names, "size"), args, strict=False))
        size = given.pop("size", size)
        for parameter in names:
            if parameter in kwargs:
                given[parameter] = kwargs.pop(parameter)
        missing = [p for p in names if p not in given and p not in defaults]
        if missing:
            raise TypeError(f"{name}() missing required argument: {missing[0]!r}")
        if kwargs.keys() - {"dtype"}:
            raise TypeError(f"{name}() got an unexpected keyword argument {next(iter(kwargs))!r}")
        parameters = tuple(given.get(p, defaults.get(p)) for p in names)
        return self._draw(name, parameters, size, chunks, kwargs.get("dtype"))

    draw.__name__ = name
    draw.__qualname__ = f"Generator.{name}"
    draw.__doc__ = (
        f"Numbers of the distribution of ``numpy.random.Generator.{name}``.\n\n"
        "Parameters\n----------\n"
        + "".join(f"{p} : number or array-like\n" for p in names)
        + "size : int or tuple of int, optional\nchunks : int, tuple, dict or str\n"
    )
    return draw


for _name in _DISTRIBUTIONS:
    setattr(Generator, _name, _method(_name))


def default_rng(seed: Any = None) -> Generator:
    """A generator with a seed, or with one of the operating system's when none is given."""
    if isinstance(seed, Generator):
        return seed
    return Generator(seed)


_shared: RandomState | None = None

_MODULE_FUNCTIONS = (
    *_DISTRIBUTIONS, "choice", "multinomial", "permutation", "randint", "random", "random_integers",
    "random_sample", "seed",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    global _shared
    if name not in _MODULE_FUNCTIONS:
        raise AttributeError(f"module 'rask.array.random' has no attribute {name!r}")
    if _shared is None:
        _shared = RandomState()
    return getattr(_shared, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_FUNCTIONS})
