"""Fourier transforms along axes that are put into one block; inside a block they are NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rask.array.blocks import map_blocks
from rask.array.core import Array
from rask.array.creation import asanyarray
from rask.array.joining import checked_axis
from rask.array.manipulation import roll

__all__ = [
    "fft",
    "fft2",
    "fft_wrap",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]


def _transform(
    function: Callable, a: Any, sizes: Any, over: tuple[int, ...], **kwargs: Any
) -> Array:
    lazy = asanyarray(a)
    places = [checked_axis(axis, lazy.ndim) for axis in over]
    whole = lazy.rechunk(dict.fromkeys(places, -1))
    probe = np.ones([lazy.shape[at] if at in places else 1 for at in range(lazy.ndim)], lazy.dtype)
    sample = function(probe, sizes, **kwargs)
    chunks = tuple(
        (sample.shape[at],) if at in places else lengths for at, lengths in enumerate(whole.chunks)
    )
    return map_blocks(
        function, whole, sizes, chunks=chunks, dtype=sample.dtype, token=function.__name__, **kwargs
    )


def fft_wrap(fft_func: Callable, kind: str | None = None, dtype: Any = None) -> Callable:
    """A lazy form of a Fourier transform of NumPy's or SciPy's interface.

    Parameters
    ----------
    fft_func : callable
        ``fft_func(a, n, axis=)`` or ``fft_func(a, s, axes=)``.
    kind : str, optional
        Its name, if that is not ``fft_func.__name__``.
    dtype : dtype, optional
        Accepted as in Dask; the type is found by a trial.
    """
    name = kind or fft_func.__name__
    if name.endswith("n") or name.endswith("2"):
        default = (-2, -1) if name.endswith("2") else None

        def several(a: Any, s: Any = None, axes: Any = default, norm: Any = None) -> Array:
            lazy = asanyarray(a)
            if axes is None:
                axes = range(-len(s), 0) if s is not None else range(lazy.ndim)
            chosen = tuple(axes)
            extra = {} if norm is None else {"norm": norm}
            return _transform(fft_func, lazy, s, chosen, axes=chosen, **extra)

        several.__name__ = name
        several.__doc__ = f"Transform over several axes; see ``numpy.fft.{name}``."
        return several

    def single(a: Any, n: int | None = None, axis: int = -1, norm: Any = None) -> Array:
        extra = {} if norm is None else {"norm": norm}
        return _transform(fft_func, a, n, (axis,), axis=axis, **extra)

    single.__name__ = name
    single.__doc__ = f"Transform along an axis; see ``numpy.fft.{name}``."
    return single


fft = fft_wrap(np.fft.fft)
ifft = fft_wrap(np.fft.ifft)
rfft = fft_wrap(np.fft.rfft)
irfft = fft_wrap(np.fft.irfft)
hfft = fft_wrap(np.fft.hfft)
ihfft = fft_wrap(np.fft.ihfft)
fft2 = fft_wrap(np.fft.fft2)
ifft2 = fft_wrap(np.fft.ifft2)
fftn = fft_wrap(np.fft.fftn)
ifftn = fft_wrap(np.fft.ifftn)
rfft2 = fft_wrap(np.fft.rfft2)
irfft2 = fft_wrap(np.fft.irfft2)
rfftn = fft_wrap(np.fft.rfftn)
irfftn = fft_wrap(np.fft.irfftn)


def fftfreq(n: int, d: float = 1.0, chunks: Any = "auto") -> Array:
    """Frequencies of the elements of a transform; see ``numpy.fft.fftfreq``."""
    from rask.array.sources import from_array

    return from_array(np.fft.fftfreq(int(n), d), chunks=chunks)


def rfftfreq(n: int, d: float = 1.0, chunks: Any = "auto") -> Array:
    """Frequencies of the elements of a real transform; see ``numpy.fft.rfftfreq``."""
    from rask.array.sources import from_array

    return from_array(np.fft.rfftfreq(int(n), d), chunks=chunks)


def _shifted(x: Any, axes: Any, forwards: bool) -> Array:
    lazy = asanyarray(x)
    if axes is None:
        axes = range(lazy.ndim)
    for axis in [axes] if isinstance(axes, int) else axes:
        half = lazy.shape[axis] // 2
        lazy = roll(lazy, half if forwards else -half, axis)
    return lazy


def fftshift(x: Any, axes: Any = None) -> Array:
    """The zero frequency moved to the middle."""
    return _shifted(x, axes, forwards=True)


def ifftshift(x: Any, axes: Any = None) -> Array:
    """What ``fftshift`` does, undone."""
    return _shifted(x, axes, forwards=False)
