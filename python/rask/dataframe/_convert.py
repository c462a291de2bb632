"""Between pandas objects and Arrow record batches, for the native engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

__all__ = ["assemble", "find_numbers", "of_numbers", "to_batch", "to_pandas"]


def of_numbers(columns: dict[str, np.ndarray], index: Any, name: Any, copy: bool) -> pd.DataFrame:
    """The pandas frame of arrays of numbers, or of copies of them.

    The index is an array, or a range's start, stop and step.
    """
    if isinstance(index, tuple):
        labels: pd.Index = pd.RangeIndex(*index, name=name)
    else:
        labels = pd.Index(index, name=name, copy=False)
    return pd.DataFrame(columns, index=labels, copy=copy)


def to_pandas(batch: pa.RecordBatch, labels: list, names: list) -> pd.DataFrame:
    """The pandas frame of a record batch that carries pandas' metadata."""
    frame = pa.Table.from_batches([batch]).to_pandas()
    if any(isinstance(label, tuple) for label in labels):
        frame.columns = pd.MultiIndex.from_tuples(labels)
    elif list(frame.columns) != labels:
        frame.columns = labels
    if list(frame.index.names) != names:
        frame.index.names = names
    return frame


def find_numbers(value: Any) -> tuple[list, list, Any, Any] | None:
    """Labels and arrays of a frame of NumPy's numbers, its index and that one's name.

    The index is a tuple of a range's start and step, or an array. ``None`` if there is anything else
    in the frame, which then has to go through Arrow's conversion.
    """
    if type(value) is not pd.DataFrame:
        return None
    labels = list(value.columns)
    if not labels or not all(type(label) is str for label in labels) or not value.columns.is_unique:
        return None
    arrays = columns_of(value)
    if not all(is_plain(array.dtype) for array in arrays):
        return None
    index: Any = value.index
    if type(index) is pd.RangeIndex:
        index = (index.start, index.step)
    elif type(index) is pd.Index and is_plain(index.dtype) and index.name not in labels:
        index = np.ascontiguousarray(index.to_numpy())
    else:
        return None
    return labels, [np.ascontiguousarray(array) for array in arrays], index, value.index.name


def columns_of(frame: pd.DataFrame) -> list[Any]:
    """The arrays of the columns, without a series around each where pandas has a way."""
    find = getattr(frame, "_iter_column_arrays", None)
    if find is not None:
        return list(find())
    return [column.array for _, column in frame.items()]


def is_plain(dtype: Any) -> bool:
    """Whether it is a NumPy number that the engine holds as it is."""
    if not isinstance(dtype, np.dtype) or dtype.kind not in "iuf" or not dtype.isnative:
        return False
    return dtype.kind != "f" or dtype.itemsize in (4, 8)


def to_batch(value: Any) -> tuple[pa.RecordBatch, list | None]:
    """A record batch of a pandas object, and its labels where they are not strings."""
    if isinstance(value, pd.Index):
        value = value.to_frame()
    if isinstance(value, pd.Series):
        value = value.to_frame(name=value.name)
    if isinstance(value, pa.Table):
        value = value.to_pandas()
    if not isinstance(value, pd.DataFrame):
        raise TypeError(f"expected a pandas object, got {type(value).__name__}")
    labels = list(value.columns)
    if not all(isinstance(label, str) for label in labels) or len(set(labels)) < len(labels):
        value = value.set_axis([f"column {i}" for i in range(len(labels))], axis=1)
    else:
        labels = None
    try:
        table = pa.Table.from_pandas(plain_text(value)).combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise TypeError(f"columns of mixed Python objects have no native form: {error}") from error
    batches = table.to_batches()
    batch = batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
    return batch, labels


def plain_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Empty columns of objects as text: what they are for the engine's schema."""
    if len(frame):
        return frame
    frame = frame.copy(deep=False)
    for i, dtype in enumerate(frame.dtypes):
        if dtype == "object":
            frame.isetitem(i, frame.iloc[:, i].astype("str"))
        elif isinstance(dtype, pd.CategoricalDtype) and not len(dtype.categories):
            texts = pd.Index([], dtype="str")
            frame.isetitem(i, pd.Categorical([], categories=texts, ordered=dtype.ordered))
    return frame


def assemble(parts: list) -> Any:
    """One pandas object of those of the partitions."""
    if len(parts) == 1:
        return parts[0]
    filled = [part for part in parts if len(part)] or parts[:1]
    return filled[0] if len(filled) == 1 else pd.concat(filled)
