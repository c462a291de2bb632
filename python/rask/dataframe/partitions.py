"""Python functions called on partitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from rask import _core
from rask._pending import LastAsKeywords, is_pending, split_keywords

if TYPE_CHECKING:
    from rask.dataframe.collection import FrameBase

__all__ = ["AlignedOperator", "CallByName", "map_partitions", "new_collection"]


class CallByName:
    """A method of pandas objects, by name."""

    def __init__(self, name: str) -> None:
        self.name = self.__name__ = name

    def __call__(self, part: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(part, self.name)(*args, **kwargs)


class AlignedOperator:
    """An operator on pandas objects, which align by index."""

    def __init__(self, symbol: str, reflected: bool) -> None:
        self.symbol = symbol
        self.reflected = reflected
        self.__name__ = "align"

    def __call__(self, left: Any, right: Any) -> Any:
        import operator

        functions = {
            "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
            "//": operator.floordiv, "%": operator.mod, "**": operator.pow, "&": operator.and_,
            "|": operator.or_, "^": operator.xor, "==": operator.eq, "!=": operator.ne,
            "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
        }  # fmt: skip
        if self.reflected:
            left, right = right, left
        return functions[self.symbol](left, right)


class PartitionCall:
    """Calls a function with the partitions as pandas objects of the right kind."""

    def __init__(self, func: Callable, args: tuple, kwargs: dict, shapes: list) -> None:
        self.func, self.args, self.kwargs, self.shapes = func, args, kwargs, shapes

    def __call__(self, *parts: Any) -> Any:
        given = iter(parts)
        arguments = [
            shape_part(kind, next(given)) if kind else argument
            for kind, argument in zip(self.shapes, self.args, strict=True)
        ]
        result = self.func(*arguments, **self.kwargs)
        if not isinstance(result, (pd.DataFrame, pd.Series, pd.Index)):
            result = pd.Series([result])
        return result


def shape_part(kind: str, part: Any) -> Any:
    """A partition as a frame, a series or an index; a value as it is."""
    if kind == "value":
        return part
    if kind == "frame":
        return part.to_frame() if isinstance(part, pd.Series) else part
    column = part.iloc[:, 0] if isinstance(part, pd.DataFrame) else part
    return pd.Index(column, name=column.name) if kind == "index" else column


def kind_of(collection: FrameBase) -> str:
    """What the partitions of a collection are."""
    from rask.dataframe.core import DataFrame, Index

    if isinstance(collection, DataFrame):
        return "frame"
    return "index" if isinstance(collection, Index) else "series"


def shape_of(argument: Any, in_partitions: bool) -> str:
    """What a function is given of an argument: partitions of a kind, a value that is not there yet
    as a whole, or (empty) the argument itself."""
    from rask.dataframe.collection import FrameBase

    if in_partitions and isinstance(argument, FrameBase):
        return kind_of(argument)
    return "value" if is_pending(argument) else ""


def value_frame(value: Any) -> Any:
    """A frame whose one partition is the value of a delayed object or of a collection."""
    from rask.base import lower
    from rask.dataframe.core import DataFrame
    from rask.delayed import delayed

    plan, _ = lower([delayed(value)])
    return DataFrame(_core.Frame.from_plan(plan, pd.DataFrame()))


def new_collection(expr: _core.Frame, meta: Any = None) -> Any:
    """The collection of a native frame, of the kind that the example is."""
    from rask.dataframe.core import DataFrame, Index, Series

    if isinstance(meta, pd.Index):
        return Index(expr)
    return DataFrame(expr) if meta is None or isinstance(meta, pd.DataFrame) else Series(expr)


def make_meta(meta: Any, func: Callable | None = None) -> Any:
    """An empty pandas object of an example: an object, a collection, ``(name, dtype)``, a dict."""
    if hasattr(meta, "_expr"):
        return meta._meta
    if isinstance(meta, (pd.DataFrame, pd.Series)):
        return meta.iloc[:0]
    if isinstance(meta, pd.Index):
        return meta[:0]
    if isinstance(meta, tuple) and len(meta) == 2:
        return pd.Series([], name=meta[0], dtype=meta[1])
    if isinstance(meta, dict):
        meta = list(meta.items())
    if isinstance(meta, list):
        return pd.DataFrame({name: pd.Series([], dtype=dtype) for name, dtype in meta})
    return pd.Series([meta]).iloc[:0]


def map_partitions(func: Callable, *args: Any, meta: Any = None, **kwargs: Any) -> Any:
    """Calls a function with the partitions of collections as pandas objects.

    Parameters
    ----------
    func : callable
    *args
        Collections of equal numbers of partitions (or of one), and other arguments; of delayed
        values and of futures, also among keyword arguments, their values.
    meta : pandas object, optional
        An empty example of the result; without it the function is tried on empty partitions.
    **kwargs
        Handed on.

    Examples
    --------
    >>> import pandas as pd, rask.dataframe as dd
    >>> frame = dd.from_pandas(pd.DataFrame({"a": [1, 2, 3]}), npartitions=2)
    >>> dd.map_partitions(len, frame).compute().tolist()
    [2, 1]
    """
    from rask.base import tokenize
    from rask.dataframe.collection import FrameBase
    from rask.delayed import without_futures

    collections = [arg for arg in args if isinstance(arg, FrameBase)]
    if not collections:
        raise TypeError("map_partitions needs a collection")
    kwargs, pending = split_keywords(kwargs)
    args = tuple(without_futures([*args, *pending.values()]))
    called = LastAsKeywords(func, tuple(pending)) if pending else func
    firsts = set(range(len(args) - len(pending)))
    shapes = [shape_of(arg, at in firsts) for at, arg in enumerate(args)]
    plain = tuple(None if kind else arg for arg, kind in zip(args, shapes, strict=True))
    call = PartitionCall(called, plain, kwargs, shapes)
    if meta is None or (isinstance(meta, str) and meta == "__no_default__"):
        if "value" in shapes:
            raise ValueError(
                f"{getattr(func, '__name__', func)!r} cannot be tried out, since arguments of it are "
                "not computed yet: pass meta="
            )
        meta = infer_meta(call, collections, func)
    else:
        meta = make_meta(meta)
    name = getattr(func, "__name__", type(func).__name__).replace("<lambda>", "lambda")
    inputs = [
        value_frame(arg) if kind == "value" else arg
        for arg, kind in zip(args, shapes, strict=True)
        if kind
    ]
    token = tokenize(name, func, plain, kwargs, tuple(pending), list(map(frame_token, inputs)))
    first, *rest = [frame._expr for frame in inputs]
    expr = first.map_partitions(name, call, rest, meta, token, None)
    return new_collection(expr, meta)


def frame_token(collection: FrameBase) -> list:
    """What a collection's partitions are called."""
    plan, _ = collection._rask_lower([collection])
    return plan.wanted


def infer_meta(call: PartitionCall, collections: list, func: Callable) -> Any:
    try:
        return make_meta(call(*[collection._meta for collection in collections]))
    except Exception as error:
        raise ValueError(
            f"the result of {getattr(func, '__name__', func)!r} is not known: trying it on empty "
            f"partitions raised {type(error).__name__}: {error}; pass meta="
        ) from error
