"""Function calls that are made later: free-form task graphs from ordinary Python."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rask import _core
from rask._names import process_token
from rask.base import compute, is_rask_collection, lower, persist, tokenize, visualize

__all__ = ["Delayed", "delayed", "delayed_from_plan"]

_counter = iter(range(2**62))


class Delayed(_core.DelayedNode):
    """A call that has not been made; made by `delayed` and by operations on other delayed values.

    Attribute access, method calls, operators and indexing give further delayed values.
    """

    __slots__ = ("_nout",)

    _rask_family = "delayed"

    # ---- what the engines call

    @classmethod
    def _rask_lower(
        cls, collections: list[Delayed], optimize: bool
    ) -> tuple[_core.Plan, list[int]]:
        plan = _core.compile_delayed(collections, _standing_for, _lower_arguments)
        return plan, [1] * len(collections)

    def _rask_finish(self, values: list) -> Any:
        return values[0]

    def _rask_finisher(self) -> Callable[[list], Any]:
        return _only

    def _rask_rebuild(self, plan: _core.Plan) -> Delayed:
        return Delayed(plan, (), None, self.key)

    def __rask_tokenize__(self) -> str:
        return self.key

    # ---- what users call

    @property
    def key(self) -> str:
        """The name of the value, unique unless the call is pure."""
        known = self._key
        if known is not None:
            return known
        name = getattr(self._function, "__name__", type(self._function).__name__)
        return self._set_key(f"{name}-{process_token()}{next(_counter):x}")

    @property
    def dask(self) -> dict:
        """The plain task graph of the value."""
        from rask.base import plan_to_graph

        return plan_to_graph(lower([self])[0])[0]

    def compute(self, **kwargs: Any) -> Any:
        """Make the call, and all calls it needs; parameters as `rask.compute`.

        Examples
        --------
        >>> delayed(sum)([1, delayed(abs)(-2)]).compute()
        3
        """
        return compute(self, traverse=False, **kwargs)[0]

    def persist(self, **kwargs: Any) -> Delayed:
        """Compute and keep the value; parameters as `rask.persist`."""
        return persist(self, traverse=False, **kwargs)[0]

    def visualize(self, **kwargs: Any) -> Any:
        """Draw the graph; parameters as `rask.visualize`."""
        return visualize(self, **kwargs)

    def __repr__(self) -> str:
        return f"Delayed({self.key!r})"

    def __hash__(self) -> int:
        return hash(self.key)

    def __dir__(self) -> list[str]:
        return [*dir(type(self)), "key"]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"Delayed values have no private attribute {name!r}")
        return DelayedAttr(getattr, (self, name))

    def __setattr__(self, name: str, value: Any) -> None:
        raise TypeError("Delayed objects are immutable")

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError("Delayed objects are immutable")

    def __iter__(self) -> Iterator[Delayed]:
        count = _nout(self)
        if count is None:
            raise TypeError(
                "Delayed objects of unspecified length are not iterable; give nout= to delayed()"
            )
        for i in range(count):
            yield Delayed(operator.getitem, (self, i))

    def __len__(self) -> int:
        count = _nout(self)
        if count is None:
            raise TypeError("Delayed objects of unspecified length have no len(); give nout=")
        return count

    def __bool__(self) -> bool:
        raise TypeError("Truth of Delayed objects is not supported; compute() them first")

    def __call__(self, *args: Any, pure: bool | None = None, **kwargs: Any) -> Delayed:
        return call(self, None, pure, None, args, kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        from types import MethodType

        return MethodType(self, instance)

    def __reduce__(self) -> tuple:
        state = (self._function, self._arguments, self._keywords, self.key, self.info)
        return type(self), state


class DelayedLeaf(Delayed):
    """A function wrapped by `delayed`: calling it gives a delayed value."""

    __slots__ = ()

    def __call__(self, *args: Any, pure: bool | None = None, **kwargs: Any) -> Delayed:
        name, default, nout, function = self.info
        return call(function, name, default if pure is None else pure, nout, args, kwargs)

    @property
    def __name__(self) -> str:
        return self.info[3].__name__

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self.info[3].__doc__

    @property
    def __wrapped__(self) -> Any:
        return self.info[3]

    def _rask_rebuild(self, plan: _core.Plan) -> Delayed:
        return Delayed(plan, (), None, self.key)


class DelayedAttr(Delayed):
    """An attribute of a delayed value; calling it calls the method."""

    __slots__ = ()

    def __call__(self, *args: Any, pure: bool | None = None, **kwargs: Any) -> Delayed:
        owner, name = self._arguments
        return call(call_method, name, pure, None, (owner, name, *args), kwargs)


class DelayedFuture(Delayed):
    """The value of a cluster's future, which is its `info`."""

    __slots__ = ()


def call_method(obj: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    """The result of a method."""
    return getattr(obj, name)(*args, **kwargs)


def call(
    function: Any, name: str | None, pure: bool | None, nout: int | None, args: tuple, kwargs: dict
) -> Delayed:
    """One delayed call; takes ``dask_key_name`` and ``rask_key_name`` out of the keywords."""
    key = None
    if kwargs:
        key = kwargs.pop("rask_key_name", None) or kwargs.pop("dask_key_name", None)
    if key is None and pure:
        label = name or getattr(function, "__name__", type(function).__name__)
        key = f"{label}-{tokenize(function, args, kwargs, pure=True)}"
    return Delayed(function, args, kwargs or None, key, nout)


def _nout(value: Delayed) -> int | None:
    return value.info if isinstance(value.info, int) else None


def _only(values: list) -> Any:
    return values[0]


def without_futures(values: Iterable[Any]) -> list[Any]:
    """The values, with what stands for them in collections in the place of a cluster's futures."""
    found = list(values)
    places = [at for at, value in enumerate(found) if isinstance(value, _core.Future)]
    if places:
        from rask.distributed._future_plans import plans_of_futures

        futures = [found[at] for at in places]
        for at, future, plan in zip(places, futures, plans_of_futures(futures), strict=True):
            found[at] = DelayedFuture(plan, (), None, str(future.key), future)
    return found


def _standing_for(obj: Any) -> Any:
    """What an argument stands for: itself for a collection, a delayed container, or None."""
    [obj] = without_futures([obj])
    if is_rask_collection(obj):
        return obj
    if hasattr(type(obj), "__dataclass_fields__") and not isinstance(obj, type):
        from dataclasses import fields

        values = {field.name: getattr(obj, field.name) for field in fields(obj) if field.init}
        if any(map(_is_lazy, values.values())):
            return Delayed(type(obj), (), values)
    if isinstance(obj, tuple) and hasattr(obj, "_fields") and any(map(_is_lazy, obj)):
        return Delayed(type(obj), tuple(obj))
    return None


def _is_lazy(value: Any) -> bool:
    return is_rask_collection(value) or isinstance(value, _core.Future)


def _lower_arguments(collections: list) -> tuple[_core.Plan, list[int], list[Callable]]:
    """The joint plan of collections among arguments, and how each is made of its blocks."""
    persisted = [c for c in collections if isinstance(c, Delayed) and is_persisted(c)]
    others = [c for c in collections if not (isinstance(c, Delayed) and is_persisted(c))]
    plans = _plans_of(persisted)
    counts = {id(c): 1 for c in persisted}
    order = [id(c) for c in persisted]
    families: dict[str, list] = {}
    for collection in others:
        families.setdefault(collection._rask_family, []).append(collection)
    for family in families.values():
        plan, sizes = type(family[0])._rask_lower(family, True)
        plans.append(plan)
        counts.update((id(c), size) for c, size in zip(family, sizes, strict=True))
        order += [id(c) for c in family]
    by_id = {id(c): c for c in collections}
    ordered = [by_id[i] for i in order]
    positions = {i: n for n, i in enumerate(order)}
    merged = _core.Plan.merge(plans)
    if [id(c) for c in collections] != order:
        merged = reordered(
            merged, [counts[i] for i in order], [positions[id(c)] for c in collections]
        )
        ordered = collections
    finishers = [
        c._rask_finisher() if hasattr(type(c), "_rask_finisher") else c._rask_finish
        for c in ordered
    ]
    return merged, [counts[id(c)] for c in ordered], finishers


def _plans_of(persisted: list[Delayed]) -> list[_core.Plan]:
    """Plans that can be merged: blocks of one layer that futures stand for are asked for together."""
    made = [c for c in persisted if isinstance(c, DelayedFuture)]
    together = dict(zip(map(id, made), without_futures([c.info for c in made]), strict=True))
    return [together.get(id(c), c)._function for c in persisted]


def reordered(plan: _core.Plan, counts: list[int], order: list[int]) -> _core.Plan:
    """The plan with its groups of wanted blocks in another order."""
    starts = [sum(counts[:n]) for n in range(len(counts))]
    return _core.Plan.merge([plan.slice(starts[n], starts[n] + counts[n]) for n in order])


def is_persisted(value: Delayed) -> bool:
    """Whether the value stands for a block of a plan instead of a call."""
    return isinstance(value._function, _core.Plan)


def delayed(
    obj: Any = None,
    name: str | None = None,
    pure: bool | None = None,
    nout: int | None = None,
    traverse: bool = True,
) -> Any:
    """Wrap a function so that calling it makes a graph, or an object so that using it does.

    Parameters
    ----------
    obj : callable or object
        A function, or a value (containers are searched for collections).
    name : str, optional
        The name in the graph: a prefix for functions, the key for values.
    pure : bool, optional
        Whether equal arguments give equal results, so that equal calls get equal keys.
    nout : int, optional
        How many results a call returns, so that it can be unpacked.
    traverse : bool
        Whether to look for collections inside a container.

    Returns
    -------
    Delayed

    Raises
    ------
    ValueError
        If ``nout`` is not a non-negative integer.

    Examples
    --------
    >>> @delayed
    ... def inc(x):
    ...     return x + 1
    >>> total = inc(1) + inc(2)
    >>> total.compute()
    5
    """
    if nout is not None and (type(nout) is not int or nout < 0):
        raise ValueError(f"nout must be None or a non-negative integer, not {nout!r}")
    if obj is None and name is None:
        from functools import partial

        return partial(delayed, pure=pure, nout=nout, traverse=traverse)
    [obj] = without_futures([obj])
    if isinstance(obj, Delayed):
        return obj
    if is_rask_collection(obj):
        return Delayed(None, (obj,), None, name, nout)
    if callable(obj):
        if pure is None:
            from rask import config

            pure = config.get("delayed_pure", None)
        return DelayedLeaf(None, (obj,), None, None, (name, pure, nout, obj))
    if not traverse:
        return Delayed(_identity, (_Opaque(obj),), None, name, nout)
    if name is None and pure:
        name = f"{type(obj).__name__}-{tokenize(obj, pure=True)}"
    return Delayed(None, (obj,), None, name, nout)


class _Opaque:
    """Hides a container from the search for collections."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def _identity(holder: _Opaque) -> Any:
    return holder.value


def delayed_from_plan(plan: _core.Plan) -> list[Delayed]:
    """One delayed value for each wanted block of a plan; they share the plan."""
    keys = [f"{name}-{block}" for name, block in plan.wanted]
    return [Delayed(plan.slice(n, n + 1), (), None, key) for n, key in enumerate(keys)]


def _binary(function: Callable, reflected: bool = False) -> Callable:
    if reflected:
        return lambda self, other: Delayed(function, (other, self))
    return lambda self, other: Delayed(function, (self, other))


def _unary(function: Callable) -> Callable:
    return lambda self: Delayed(function, (self,))


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor",
              "lshift", "rshift"):  # fmt: skip
    _function = getattr(operator, f"{_name}_" if _name in ("and", "or") else _name)
    setattr(Delayed, f"__{_name}__", _binary(_function))
    setattr(Delayed, f"__r{_name}__", _binary(_function, reflected=True))
for _name in ("eq", "ne", "lt", "le", "gt", "ge", "getitem"):
    setattr(Delayed, f"__{_name}__", _binary(getattr(operator, _name)))
for _name in ("neg", "pos", "invert", "abs"):
    setattr(Delayed, f"__{_name}__", _unary(getattr(operator, _name)))
setattr(Delayed, "__divmod__", _binary(divmod))  # noqa: B010
setattr(Delayed, "__rdivmod__", _binary(divmod, reflected=True))  # noqa: B010
