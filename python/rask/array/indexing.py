"""Reading and assigning parts of arrays."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from rask.array.core import Array

__all__ = ["BlockView", "VIndex", "getitem", "setitem"]


def expanded(index: Any, ndim: int) -> tuple:
    """An index as a full tuple: one entry for each axis, ``None`` for new ones, no ``Ellipsis``.

    Raises
    ------
    IndexError
        When there are more indices than axes.
    """
    entries = index if isinstance(index, tuple) else (index,)
    used = 0
    for entry in entries:
        used += entry_width(entry)
    ellipses = sum(1 for entry in entries if entry is Ellipsis)
    if ellipses > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > ndim:
        raise IndexError(
            f"too many indices for array: array is {ndim}-dimensional, but {used} were indexed"
        )
    fill = (slice(None),) * (ndim - used)
    if not ellipses:
        return (*entries, *fill)
    at = next(number for number, entry in enumerate(entries) if entry is Ellipsis)
    return (*entries[:at], *fill, *entries[at + 1 :])


def entry_width(entry: Any) -> int:
    """How many axes an entry of an index takes."""
    if entry is None or entry is Ellipsis:
        return 0
    if isinstance(entry, (Array, np.ndarray)) and entry.dtype == bool:
        return entry.ndim
    return 1


def cleaned(entry: Any) -> Any:
    """An entry of an index as a slice, an int, ``None``, a NumPy array or a lazy array.

    Raises
    ------
    IndexError
        When it is none of these.
    """
    if entry is None or isinstance(entry, (slice, Array)):
        return entry
    if isinstance(entry, (bool, np.bool_)):
        raise NotImplementedError("indexing by a single True or False")
    if isinstance(entry, (int, np.integer)):
        return int(entry)
    if hasattr(entry, "_rask_family") and hasattr(entry, "to_dask_array"):
        return entry.to_dask_array()
    if isinstance(entry, (list, tuple, np.ndarray, range)) or hasattr(entry, "__array__"):
        values = np.asarray(entry)
        if not values.size and values.dtype.kind == "f":
            values = values.astype(np.intp)
        if values.dtype == bool:
            return values
        if values.dtype.kind not in "iu":
            raise IndexError(
                f"arrays used as indices must be of integer (or boolean) type, not {values.dtype}"
            )
        return int(values) if not values.ndim else values
    try:
        return operator.index(entry)
    except TypeError:
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or "
            f"boolean arrays are valid indices, not {type(entry).__name__}"
        ) from None


def getitem(x: Array, index: Any) -> Array:
    """A part of an array; see ``Array.__getitem__``."""
    if isinstance(index, str) or (
        isinstance(index, list) and index and all(isinstance(field, str) for field in index)
    ):
        return _fields(x, index)
    entries = expanded(
        tuple(cleaned(entry) if entry is not Ellipsis else entry for entry in index)
        if isinstance(index, tuple)
        else (index if index is Ellipsis else cleaned(index)),
        x.ndim,
    )
    entries = _masks_as_positions(entries)
    if any(isinstance(entry, Array) for entry in entries):
        return _lazy_entries(x, entries)
    lists = [entry for entry in entries if isinstance(entry, np.ndarray)]
    if len(lists) > 1 or any(entry.ndim != 1 for entry in lists) or _split_by_slices(entries):
        return _pointwise(x, entries)
    return _basic_and_list(x, entries)


def _split_by_slices(entries: tuple) -> bool:
    """Whether a list has an integer beside it that a slice parts from it: NumPy moves its axis first."""
    if not _has_lists(entries):
        return False
    places = [at for at, entry in enumerate(entries) if isinstance(entry, (int, np.ndarray))]
    return places[-1] - places[0] + 1 != len(places)


def _fields(x: Array, fields: Any) -> Array:
    from rask.array.blocks import map_blocks

    if x.dtype.names is None:
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or "
            "boolean arrays are valid indices"
        )
    missing = [
        f for f in ([fields] if isinstance(fields, str) else fields) if f not in x.dtype.names
    ]
    if missing:
        raise ValueError(f"no field of name {missing[0]}")
    sample = np.zeros((1,) * x.ndim, dtype=x.dtype)[fields]
    inner = tuple((length,) for length in sample.shape[x.ndim :])
    return map_blocks(
        operator.getitem,
        x,
        fields,
        dtype=sample.dtype,
        chunks=x.chunks + inner,
        new_axis=list(range(x.ndim, sample.ndim)) or None,
        token="getitem",
    )


def _masks_as_positions(entries: tuple) -> tuple:
    plain: list = []
    for entry in entries:
        if isinstance(entry, np.ndarray) and entry.dtype == bool:
            plain.append(("mask", entry) if entry.ndim > 1 else entry)
        else:
            plain.append(entry)
    result: list = []
    for entry in plain:
        if isinstance(entry, tuple):
            result.extend(np.nonzero(entry[1]))
        else:
            result.append(entry)
    return tuple(result)


def _axis_positions(entry: np.ndarray, axis: int, length: Any) -> np.ndarray:
    if entry.dtype == bool:
        if length == length and len(entry) != length:
            raise IndexError(
                f"boolean index did not match indexed array along axis {axis}; size of axis is "
                f"{length} but size of corresponding boolean axis is {len(entry)}"
            )
        return np.flatnonzero(entry)
    positions = entry.astype(np.int64)
    if length == length and positions.size:
        low, high = int(positions.min()), int(positions.max())
        if high >= length or low < -length:
            wrong = high if high >= length else low
            raise IndexError(f"index {wrong} is out of bounds for axis {axis} with size {length}")
        positions = np.where(positions < 0, positions + int(length), positions)
    return positions


def _basic_and_list(x: Array, entries: tuple) -> Array:
    basic = tuple(slice(None) if isinstance(entry, np.ndarray) else entry for entry in entries)
    array_axis, result_axis, positions = 0, 0, None
    seen_axis = 0
    for entry in entries:
        if isinstance(entry, np.ndarray):
            positions = _axis_positions(entry, array_axis, x.shape[array_axis])
            seen_axis = result_axis
        elif isinstance(entry, int):
            _check_bounds(entry, array_axis, x.shape[array_axis])
        elif isinstance(entry, slice):
            _check_known(entry, array_axis, x.shape[array_axis])
        array_axis += entry is not None
        result_axis += not isinstance(entry, int)
    expr = x._expr if all(_is_all(entry) for entry in basic) else x._expr.getitem(basic)
    if positions is not None:
        expr = expr.take(positions, seen_axis)
    return x if expr is x._expr else Array(expr)


def _is_all(entry: Any) -> bool:
    return isinstance(entry, slice) and entry == slice(None)


def _check_bounds(entry: int, axis: int, length: Any) -> None:
    if length == length and not -length <= entry < length:
        raise IndexError(f"index {entry} is out of bounds for axis {axis} with size {length}")


def _check_known(entry: slice, axis: int, length: Any) -> None:
    if length != length and not _is_all(entry):
        raise ValueError(
            f"axis {axis} has an unknown length and cannot be sliced; "
            "call compute_chunk_sizes() first"
        )


def _pointwise(x: Array, entries: tuple) -> Array:
    """Several index arrays, or one of several axes, as NumPy: they broadcast against each other."""
    from rask.array.manipulation import moveaxis

    entries = tuple(
        np.asarray(entry) if isinstance(entry, int) and _has_lists(entries) else entry
        for entry in entries
    )
    lists = [at for at, entry in enumerate(entries) if isinstance(entry, np.ndarray)]
    adjacent = lists == list(range(lists[0], lists[-1] + 1))
    basic = tuple(slice(None) if at in lists else entry for at, entry in enumerate(entries))
    without_new = tuple(entry for entry in basic if entry is not None)
    array_axes = np.cumsum([entry is not None for entry in entries]) - 1
    positions: list = [None] * len(without_new)
    for at in lists:
        axis = int(array_axes[at])
        entry = entries[at]
        flat = _axis_positions(
            entry.reshape(-1) if entry.dtype != bool else entry, axis, x.shape[axis]
        )
        positions[axis] = flat if entry.dtype == bool else flat.reshape(entry.shape)
    sliced = _basic_and_list(x, without_new) if any(not _is_all(e) for e in without_new) else x
    shape = np.broadcast_shapes(*[p.shape for p in positions if p is not None])
    picked = sliced.vindex[tuple(slice(None) if p is None else p for p in positions)]
    width = len(shape)
    if adjacent:
        before = sum(1 for entry in basic[: lists[0]] if entry is not None)
        picked = moveaxis(picked, list(range(width)), list(range(before, before + width)))
        kept = basic[: lists[0]], basic[lists[-1] + 1 :]
        index = (*_new_only(kept[0]), *(slice(None),) * width, *_new_only(kept[1]))
    else:
        index = (
            *(slice(None),) * width,
            *_new_only(tuple(e for at, e in enumerate(basic) if at not in lists)),
        )
    return picked[index] if any(entry is None for entry in index) else picked


def _has_lists(entries: tuple) -> bool:
    return any(isinstance(entry, np.ndarray) for entry in entries)


def _new_only(entries: tuple) -> tuple:
    return tuple(None if entry is None else slice(None) for entry in entries)


def _lazy_entries(x: Array, entries: tuple) -> Array:
    """Indices that are lazy arrays: masks select unknown numbers of elements, positions are taken."""
    lazy = [at for at, entry in enumerate(entries) if isinstance(entry, Array)]
    mask = entries[lazy[0]]
    if len(lazy) == 1 and mask.dtype == bool and mask.ndim == x.ndim and len(entries) == 1:
        return _masked(x, mask)
    for at in lazy:
        entry = entries[at]
        before = sum(1 for other in entries[:at] if other is not None)
        if entry.ndim > 1 or (entry.ndim == 0 and entry.dtype == bool):
            raise NotImplementedError(
                "lazy index arrays have one axis, or are masks of the array's own shape"
            )
        rest = tuple(slice(None) if number == at else other for number, other in enumerate(entries))
        picked = (
            _mask_axis(x, entry, before) if entry.dtype == bool else _take_lazy(x, entry, before)
        )
        if entry.ndim == 0:
            rest = tuple(other for number, other in enumerate(entries) if number != at)
        return picked if all(_is_all(other) for other in rest) else picked[rest]
    return x


def _masked(x: Array, mask: Array) -> Array:
    from rask.array.blockwise_calls import blockwise

    for axis, (length, other) in enumerate(zip(x.shape, mask.shape, strict=True)):
        if length == length and other == other and length != other:
            raise IndexError(
                f"boolean index did not match indexed array along axis {axis}; size of axis is "
                f"{length} but size of corresponding boolean axis is {other}"
            )
    if x.ndim > 1:
        x, mask = x.reshape((-1,)), mask.reshape((-1,))
    return blockwise(
        operator.getitem,
        "i",
        x,
        "i",
        mask,
        "i",
        dtype=x.dtype,
        meta=x._meta,
        token="getitem",
        adjust_chunks={"i": lambda length: float("nan")},
    )


def _mask_axis(x: Array, mask: Array, axis: int) -> Array:
    from rask.array.blockwise_calls import blockwise

    length, other = x.shape[axis], mask.shape[0]
    if length == length and other == other and length != other:
        raise IndexError(
            f"boolean index did not match indexed array along axis {axis}; size of axis is "
            f"{length} but size of corresponding boolean axis is {other}"
        )
    axes = tuple(range(x.ndim))
    return blockwise(
        _compress_block,
        axes,
        x,
        axes,
        mask,
        (axis,),
        axis=axis,
        dtype=x.dtype,
        meta=x._meta,
        token="getitem",
        adjust_chunks={axis: lambda length: float("nan")},
    )


def _compress_block(block: Any, mask: Any, axis: int) -> Any:
    return block[(*(slice(None),) * axis, mask)]


def _take_lazy(x: Array, positions: Array, axis: int) -> Array:
    from rask.array.blockwise_calls import blockwise

    axes = tuple(range(x.ndim))
    new = x.ndim
    out = (*axes[:axis], *((new,) if positions.ndim else ()), *axes[axis + 1 :])
    return blockwise(
        _take_block,
        out,
        x,
        axes,
        positions,
        (new,) if positions.ndim else (),
        axis=axis,
        dtype=x.dtype,
        meta=None,
        token="take",
        concatenate=True,
    )


def _take_block(block: Any, positions: Any, axis: int) -> Any:
    return block[(*(slice(None),) * axis, positions)]


class VIndex:
    """Pointwise indexing; see ``Array.vindex``."""

    def __init__(self, array: Array) -> None:
        self._array = array

    def __getitem__(self, index: Any) -> Array:
        x = self._array
        entries = [cleaned(entry) for entry in expanded(index, x.ndim)]
        if any(entry is None for entry in entries):
            raise IndexError("vindex does not support indexing with None (np.newaxis)")
        if any(isinstance(entry, Array) for entry in entries):
            entries = [e.compute() if isinstance(e, Array) else e for e in entries]
        sliced = tuple(entry if isinstance(entry, slice) else slice(None) for entry in entries)
        positions = [None if isinstance(entry, slice) else np.asarray(entry) for entry in entries]
        checked = [
            None
            if entry is None
            else _axis_positions(entry.reshape(-1), axis, x.shape[axis]).reshape(
                entry.shape if entry.dtype != bool else (-1,)
            )
            for axis, entry in enumerate(positions)
        ]
        if all(entry is None for entry in checked):
            return x[sliced]
        try:
            joint = np.broadcast_shapes(*[e.shape for e in checked if e is not None])
        except ValueError:
            shapes = " ".join(str(entry.shape) for entry in checked if entry is not None)
            raise IndexError(
                f"shape mismatch: indexing arrays could not be broadcast together with shapes {shapes}"
            ) from None
        base = x if all(_is_all(entry) for entry in sliced) else x[sliced]
        points = [None if e is None else np.broadcast_to(e, joint) for e in checked]
        return _points(base, points, joint)


def _points(x: Array, points: list, joint: tuple[int, ...]) -> Array:
    """Elements at points of some axes, which become one axis first and are then taken from it."""
    from rask.array.manipulation import moveaxis

    indexed = [axis for axis, places in enumerate(points) if places is not None]
    lengths = tuple(x.shape[axis] for axis in indexed)
    kept = tuple(length for axis, length in enumerate(x.shape) if axis not in indexed)
    front = moveaxis(x, indexed, list(range(len(indexed))))
    flat_places = np.ravel_multi_index([points[axis].ravel() for axis in indexed], lengths)
    if len(indexed) > 1:
        front = front.reshape((int(np.prod(lengths, dtype=np.int64)), *kept))
    taken = Array(front._expr.take(flat_places.astype(np.int64), 0))
    return taken if len(joint) == 1 else taken.reshape((*joint, *kept))


class BlockView:
    """An array as a grid of blocks; see ``Array.blocks``."""

    def __init__(self, array: Array) -> None:
        self._array = array

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of blocks along each axis."""
        return self._array.numblocks

    @property
    def size(self) -> int:
        """Number of blocks."""
        return self._array.npartitions

    def ravel(self) -> list[Array]:
        """Every block as an array, in C order."""
        return [self[place] for place in np.ndindex(self.shape)]

    def __getitem__(self, index: Any) -> Array:
        entries = [cleaned(entry) for entry in expanded(index, self._array.ndim)]
        if any(entry is None or isinstance(entry, Array) for entry in entries):
            raise ValueError("Slicing with np.newaxis or None or an array is not supported")
        if sum(isinstance(entry, np.ndarray) for entry in entries) > 1:
            raise ValueError("Can only slice with a single list")
        ranges = []
        for axis, (entry, count) in enumerate(zip(entries, self.shape, strict=True)):
            if isinstance(entry, int):
                _check_bounds(entry, axis, count)
                ranges.append([entry % count])
            elif isinstance(entry, slice):
                ranges.append(list(range(count))[entry])
            else:
                ranges.append([int(at) for at in _axis_positions(entry, axis, count)])
        return Array(self._array._expr.blocks(ranges))


def setitem(x: Array, index: Any, value: Any) -> Array:
    """The array with a part of it replaced by ``value``: what ``x[index] = value`` makes of ``x``."""
    from rask.array.creation import asanyarray
    from rask.array.ufunc import choose_where

    if value is np.ma.masked:
        value = np.ma.masked_all(())
    new = value if np.ndim(value) == 0 and not isinstance(value, Array) else asanyarray(value)
    if isinstance(index, Array) and index.dtype == bool and index.ndim == x.ndim:
        _check_value(new, x.shape)
        return choose_where(index, new, x).astype(x.dtype)
    entries = [
        entry if entry is Ellipsis else cleaned(entry)
        for entry in (index if isinstance(index, tuple) else (index,))
    ]
    entries = list(expanded(tuple(entries), x.ndim))
    if any(entry is None for entry in entries):
        raise NotImplementedError("assigning with np.newaxis in the index")
    entries = [
        entry.compute() if isinstance(entry, Array) and entry.ndim <= 1 else entry
        for entry in entries
    ]
    if any(getattr(entry, "ndim", 1) > 1 for entry in entries):
        (mask,) = entries if len(entries) == 1 else (None,)
        if mask is None or mask.dtype != bool or mask.shape != x.shape:
            raise NotImplementedError(
                "assigning by index arrays of several axes; a mask of the array's own shape works"
            )
        lazy_mask = asanyarray(mask).rechunk(x.chunks)
        return setitem(x, lazy_mask, value)
    return _assigned(x, entries, new)


def _assigned(x: Array, entries: list, value: Any) -> Array:
    from rask.array.creation import from_numpy
    from rask.array.ufunc import choose_where

    places, selected = [], []
    for axis, entry in enumerate(entries):
        length = x.shape[axis]
        if length != length and not (isinstance(entry, slice) and _is_all(entry)):
            raise ValueError(
                f"axis {axis} has an unknown length and cannot be assigned by position; "
                "call compute_chunk_sizes() first"
            )
        if isinstance(entry, int):
            _check_bounds(entry, axis, length)
            places.append(np.array([entry % length]))
        elif isinstance(entry, slice):
            places.append(None if _is_all(entry) else np.arange(length)[entry])
            selected.append(axis)
        else:
            places.append(_axis_positions(np.asarray(entry), axis, length))
            selected.append(axis)
    counts = [x.shape[a] if p is None else len(p) for a, p in enumerate(places)]
    spread = _spread(value, places, selected, counts, x)
    if 0 in counts:
        return x
    mask: Any = None
    for axis, positions in enumerate(places):
        if positions is None:
            continue
        flags = np.zeros(x.shape[axis], dtype=bool)
        flags[positions] = True
        lazy = from_numpy(flags, (x.chunks[axis],))
        lazy = lazy[(slice(None), *(None,) * (x.ndim - axis - 1))]
        mask = lazy if mask is None else mask & lazy
    if mask is None:
        from rask.array.manipulation import broadcast_to

        whole = spread if isinstance(spread, Array) else np.asarray(spread)
        return broadcast_to(whole, x.shape, chunks=x.chunks).astype(x.dtype)
    return choose_where(mask, spread, x).astype(x.dtype)


def _spread(value: Any, places: list, selected: list[int], counts: list, x: Array) -> Any:
    """The value with its elements at the places of the array that they are assigned to."""
    if not isinstance(value, Array) or not value.ndim:
        return value
    while value.ndim > len(selected) and value.shape[0] == 1:
        value = value[0]
    kept = selected[len(selected) - value.ndim :]
    target = tuple(counts[axis] for axis in selected)
    fits = value.ndim <= len(selected) and all(
        length in (1, counts[axis]) for length, axis in zip(value.shape, kept, strict=True)
    )
    if not fits:
        raise ValueError(
            f"could not broadcast input array from shape {value.shape} into shape {target}"
        )
    index: list = []
    for axis in range(kept[0] if kept else 0, x.ndim):
        index.append(slice(None) if axis in kept else None)
    value = value[tuple(index)]
    first = x.ndim - value.ndim
    for axis in kept:
        positions = places[axis]
        if positions is None or not len(positions) or value.shape[axis - first] == 1:
            continue
        source = np.zeros(x.shape[axis], dtype=np.int64)
        source[positions] = np.arange(len(positions))
        value = Array(value._expr.take(source, axis - first))
    return value


def _check_value(value: Any, shape: tuple) -> None:
    if isinstance(value, Array) and value.ndim and np.broadcast_shapes(value.shape, shape) != shape:
        raise ValueError(
            f"could not broadcast input array from shape {value.shape} into shape {shape}"
        )
