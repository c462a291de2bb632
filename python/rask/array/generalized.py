"""Functions of core dimensions called on blocks: generalized ufuncs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from rask.array.blockwise_calls import blockwise
from rask.array.chunks import unify_chunks
from rask.array.core import Array
from rask.array.creation import asanyarray
from rask.array.manipulation import moveaxis
from rask.array.metas import label_of

__all__ = ["apply_gufunc", "as_gufunc", "gufunc"]

_NAME = r"\w+"
_DIMENSIONS = rf"\((?:{_NAME}(?:,{_NAME})*,?)?\)"
_SIGNATURE = re.compile(
    rf"^{_DIMENSIONS}(?:,{_DIMENSIONS})*->(?:{_DIMENSIONS}(?:,{_DIMENSIONS})*)?$"
)


def parsed_signature(signature: str) -> tuple[list[tuple[str, ...]], Any]:
    """Core dimensions of the inputs and of the outputs (a list of them, or one).

    Raises
    ------
    ValueError
        When the text is no signature.
    """
    text = re.sub(r"\s+", "", signature)
    if not _SIGNATURE.match(text):
        raise ValueError(f"Not a valid gufunc signature: {text}")
    left, right = text.split("->")

    def dimensions(side: str) -> list[tuple[str, ...]]:
        return [tuple(re.findall(_NAME, part)) for part in re.findall(_DIMENSIONS, side)]

    outputs = dimensions(right)
    single = len(outputs) == 1 and not right.endswith(",")
    return dimensions(left), outputs[0] if single else outputs


def _input_axes(
    axes: Any, axis: Any, inputs: list, outputs: list, keepdims: bool
) -> tuple[list, list]:
    if axes is not None and axis is not None:
        raise ValueError("Only one of `axis` or `axes` keyword arguments should be given")
    if axis is not None:
        if any(len(dims) > 1 for dims in inputs):
            raise ValueError("`axis` is only for functions of one core dimension")
        axes = [(axis,) if dims else () for dims in inputs]
        axes += [(axis,) if dims or keepdims else () for dims in outputs]
    if axes is None:
        axes = [tuple(range(-len(dims), 0)) for dims in inputs]
        axes += [tuple(range(-len(dims), 0)) for dims in outputs]
    axes = [entry if isinstance(entry, tuple) else (entry,) for entry in axes]
    if len(axes) == len(inputs):
        axes = axes + [tuple(range(-len(dims), 0)) for dims in outputs]
    if len(axes) != len(inputs) + len(outputs):
        raise ValueError(
            "`axes` has to match either the number of inputs or the number of inputs and outputs"
        )
    return axes[: len(inputs)], axes[len(inputs) :]


def apply_gufunc(
    func: Callable,
    signature: str,
    *args: Any,
    axes: Any = None,
    axis: int | None = None,
    keepdims: bool = False,
    output_dtypes: Any = None,
    output_sizes: dict | None = None,
    vectorize: bool | None = None,
    allow_rechunk: bool = False,
    meta: Any = None,
    **kwargs: Any,
) -> Any:
    """Calls a function of core dimensions on blocks of the other dimensions.

    Parameters
    ----------
    func : callable
        Takes arrays whose last axes are the core dimensions, and broadcasts over the others.
    signature : str
        ``"(i),(i,j)->(j)"``.
    *args : array-like
    axes : list of tuples of int, optional
        Where the core dimensions are in each input (and output).
    axis : int, optional
        The same for functions of one core dimension.
    keepdims : bool
        Whether core dimensions that the output lacks stay with length one.
    output_dtypes : dtype or list of dtypes, optional
        Found by calling the function on arrays of ones otherwise.
    output_sizes : dict, optional
        Lengths of core dimensions that no input has.
    vectorize : bool
        Whether the function takes single vectors and is to be looped.
    allow_rechunk : bool
        Whether core dimensions in several blocks are put into one; an error otherwise.
    meta : optional
        Empty block, or a tuple of them.
    **kwargs
        Passed to ``func``.

    Examples
    --------
    >>> import numpy as np, rask.array as da
    >>> x = da.ones((4, 3), chunks=(2, 3))
    >>> da.apply_gufunc(lambda v: v.sum(axis=-1), "(i)->()", x).compute()
    array([3., 3., 3., 3.])
    """
    inputs, outputs = parsed_signature(signature)
    several = isinstance(outputs, list)
    all_outputs = outputs if several else [outputs]
    if len(inputs) != len(args):
        raise ValueError(
            f"According to `signature`, `func` requires {len(inputs)} arguments, but {len(args)} given"
        )
    if keepdims and any(all_outputs):
        raise ValueError("`keepdims` can only be used for outputs without core dimensions")
    input_axes, output_axes = _input_axes(axes, axis, inputs, all_outputs, keepdims)
    arrays = [asanyarray(array) for array in args]
    arrays = [
        moveaxis(array, where, tuple(range(-len(where), 0))) if where else array
        for array, where in zip(arrays, input_axes, strict=True)
    ]
    sizes = _core_sizes(arrays, inputs, output_sizes or {})
    arrays = [_whole_core(a, d, allow_rechunk) for a, d in zip(arrays, inputs, strict=True)]
    loops = max((a.ndim - len(d) for a, d in zip(arrays, inputs, strict=True)), default=0)
    loop_names = tuple(f"__loop{number}__" for number in range(loops))
    indices = [
        (*loop_names[loops - (a.ndim - len(d)) :], *d) for a, d in zip(arrays, inputs, strict=True)
    ]
    pairs = [part for pair in zip(arrays, indices, strict=True) for part in pair]
    _, arrays = unify_chunks(*pairs)
    pairs = [part for pair in zip(arrays, indices, strict=True) for part in pair]
    if vectorize:
        func = np.vectorize(func, signature=signature)
    dtypes = _output_dtypes(func, arrays, inputs, sizes, output_dtypes, meta, kwargs, several)
    results = []
    for number, dims in enumerate(all_outputs):
        result = blockwise(
            _Output(func, number if several else None),
            (*loop_names, *dims),
            *pairs,
            dtype=dtypes[number],
            new_axes={dim: sizes[dim] for dim in dims if dim not in {d for i in inputs for d in i}}
            or None,
            concatenate=True,
            token=label_of(func),
            **kwargs,
        )
        where = output_axes[number]
        if keepdims:
            count = len(where) or len(input_axes[0])
            result = result[(..., *(None,) * count)]
            where = where or input_axes[0]
        if where:
            result = moveaxis(result, tuple(range(-len(where), 0)), where)
        results.append(result)
    return tuple(results) if several else results[0]


class _Output:
    def __init__(self, func: Callable, number: int | None) -> None:
        self.func, self.number = func, number
        self.__name__ = label_of(func)

    def __call__(self, *blocks: Any, **kwargs: Any) -> Any:
        value = self.func(*blocks, **kwargs)
        return value if self.number is None else value[self.number]


def _core_sizes(arrays: list[Array], inputs: list, given: dict) -> dict[str, Any]:
    sizes = dict(given)
    for array, dims in zip(arrays, inputs, strict=True):
        if array.ndim < len(dims):
            raise ValueError(
                f"an input of {array.ndim} axes has not the core dimensions ({','.join(dims)})"
            )
        for dim, length in zip(dims, array.shape[array.ndim - len(dims) :], strict=True):
            if sizes.setdefault(dim, length) != length and length == length:
                raise ValueError(
                    f"Dimension `'{dim}'` with different lengths in arrays: {sizes[dim]} and {length}"
                )
    return sizes


def _whole_core(array: Array, dims: tuple[str, ...], allow_rechunk: bool) -> Array:
    first = array.ndim - len(dims)
    split = [at for at in range(first, array.ndim) if len(array.chunks[at]) > 1]
    if split and not allow_rechunk:
        raise ValueError(
            f"Core dimension `'{dims[split[0] - first]}'` consists of multiple chunks. To fix, rechunk "
            "into a single chunk along this dimension or set `allow_rechunk=True`, but beware that "
            "this may increase memory usage significantly."
        )
    return array.rechunk(dict.fromkeys(split, -1)) if split else array


def _output_dtypes(
    func: Callable,
    arrays: list,
    inputs: list,
    sizes: dict,
    given: Any,
    meta: Any,
    kwargs: dict,
    several: bool,
) -> list[Any]:
    if given is not None:
        return list(given) if isinstance(given, (tuple, list)) else [given]
    if meta is not None:
        parts = meta if isinstance(meta, tuple) else (meta,)
        return [getattr(part, "dtype", part) for part in parts]
    ones = [
        np.ones((1,) * (a.ndim - len(d)) + tuple(int(sizes[dim]) for dim in d), dtype=a.dtype)
        for a, d in zip(arrays, inputs, strict=True)
    ]
    with np.errstate(all="ignore"):
        sample = func(*ones, **kwargs)
    return [np.asarray(part).dtype for part in (sample if several else [sample])]


class gufunc:
    """A function of core dimensions that takes lazy arrays.

    Parameters
    ----------
    pyfunc : callable
    **kwargs
        As of ``apply_gufunc``: ``signature``, ``vectorize``, ``axes``, ``output_dtypes``, ….

    Examples
    --------
    >>> import numpy as np, rask.array as da
    >>> mean = da.gufunc(lambda v: np.mean(v, axis=-1), signature="(i)->()", output_dtypes=float)
    >>> mean(da.ones((2, 3))).compute()
    array([1., 1.])
    """

    def __init__(
        self,
        pyfunc: Callable,
        *,
        signature: str | None = None,
        vectorize: bool = False,
        axes: Any = None,
        axis: Any = None,
        keepdims: bool = False,
        output_sizes: Any = None,
        output_dtypes: Any = None,
        allow_rechunk: bool = False,
        meta: Any = None,
    ) -> None:
        if signature is None:
            raise ValueError("gufunc needs a signature")
        self.pyfunc, self.signature = pyfunc, signature
        self.__name__ = label_of(pyfunc)
        self.__doc__ = pyfunc.__doc__
        self._options = {
            "vectorize": vectorize,
            "axes": axes,
            "axis": axis,
            "keepdims": keepdims,
            "output_sizes": output_sizes,
            "output_dtypes": output_dtypes,
            "allow_rechunk": allow_rechunk,
            "meta": meta,
        }

    def __call__(self, *args: Any, allow_rechunk: bool | None = None, **kwargs: Any) -> Any:
        options = dict(self._options)
        if allow_rechunk is not None:
            options["allow_rechunk"] = allow_rechunk
        return apply_gufunc(self.pyfunc, self.signature, *args, **options, **kwargs)


def as_gufunc(signature: str | None = None, **kwargs: Any) -> Callable[[Callable], gufunc]:
    """A decorator that makes a ``gufunc`` of a function."""

    def decorate(pyfunc: Callable) -> gufunc:
        return gufunc(pyfunc, signature=signature, **kwargs)

    return decorate
