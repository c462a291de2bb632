"""Tables from files and objects, and to files."""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from rask import _core
from rask.dataframe.core import DataFrame, Series, make_meta, new_collection

__all__ = [
    "from_delayed", "from_dict", "from_map", "from_pandas", "from_plan", "read_csv", "read_parquet",
    "read_table", "to_csv", "to_parquet",
]  # fmt: skip

# Bytes of a CSV file that one task reads, if nothing else is said.
BLOCK_BYTES = 16 << 20
UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}


def natural_order(path: str) -> list:
    """Sorts ``part.10`` after ``part.9``."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path)]


def find_files(path: Any, ending: str | tuple[str, ...]) -> list[str]:
    """The files of a path, a pattern, a folder, or a list of them."""
    paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    found: list[str] = []
    for one in map(os.fspath, paths):
        if "://" in one:
            scheme, _, rest = one.partition("://")
            if scheme != "file":
                raise NotImplementedError(f"files of {scheme}:// are not read yet: {one}")
            one = rest
        if os.path.isdir(one):
            names = (name for name in os.listdir(one) if not name.startswith(("_", ".")))
            inside = [os.path.join(one, name) for name in names if name.endswith(ending)]
            found.extend(sorted(inside, key=natural_order))
        elif glob.has_magic(one):
            found.extend(sorted(glob.glob(one), key=natural_order))
        elif os.path.exists(one):
            found.append(one)
    if not found:
        raise FileNotFoundError(f"no files at {', '.join(map(os.fspath, paths))}")
    return [os.path.abspath(one) for one in found]


def token_of(*parts: Any, files: list[str]) -> str:
    """A token of a read: the arguments, and each file's size and time of change."""
    from rask.base import tokenize

    stats = [(path, os.stat(path).st_size, os.stat(path).st_mtime_ns) for path in files]
    return tokenize(parts, stats)


def bytes_of(size: Any) -> int | None:
    """A number of bytes, of ``"64MiB"`` too."""
    if size is None or isinstance(size, int):
        return size
    match = re.fullmatch(r"\s*([\d.]+)\s*([a-z]*)\s*", str(size).lower())
    if match is None or match[2] not in UNITS:
        raise ValueError(f"{size!r} is no number of bytes")
    return int(float(match[1]) * UNITS[match[2]])


def read_csv(urlpath: Any, blocksize: Any = "default", lineterminator: Any = None, compression: Any = "infer",
             sample: int = 256_000, sample_rows: int = 10, enforce: bool = False, assume_missing: bool = False,
             storage_options: Any = None, include_path_column: bool = False, **kwargs: Any) -> DataFrame:  # fmt: skip
    """Reads CSV files, in ranges that tasks share out.

    Dtypes are inferred from the beginning of the first file. A value that is not of its column's
    dtype raises an error that names the file, the line and what to pass as ``dtype``.

    Parameters
    ----------
    urlpath : str, path or list
        A file, a pattern such as ``"flights-*.csv"``, or several of them.
    blocksize : int, str or None
        Bytes of a partition; ``None`` for one partition a file.
    sample : int
        Bytes of the first file from which dtypes are inferred.
    assume_missing : bool
        Whether inferred integers are read as floats, so that values may be missing later on.
    **kwargs
        Of ``pandas.read_csv``: ``sep``, ``dtype``, ``usecols``, ``parse_dates``, ``na_values``, …

    Examples
    --------
    >>> import tempfile, os, rask.dataframe as dd
    >>> path = os.path.join(tempfile.mkdtemp(), "numbers.csv")
    >>> _ = open(path, "w").write("a,b\\n1,x\\n2,y\\n")
    >>> dd.read_csv(path).a.sum().compute()
    np.int64(3)
    """
    files = find_files(urlpath, ".csv")
    is_compressed = any(path.endswith((".gz", ".bz2", ".xz", ".zip", ".zst")) for path in files)
    if is_compressed or compression not in ("infer", None) or include_path_column:
        if include_path_column:
            raise NotImplementedError("include_path_column")
        return from_map(pd.read_csv, files, **kwargs)
    options = dict(kwargs)
    if "delimiter" in options:
        options["sep"] = options.pop("delimiter")
    if options.get("header") == "infer":
        options.pop("header")
    for name in ("engine", "low_memory", "memory_map", "encoding"):
        options.pop(name, None)
    if options.get("parse_dates") in (True, False):
        options.pop("parse_dates")
    if isinstance(options.get("na_values"), (str, int, float)):
        options["na_values"] = [options["na_values"]]
    if "na_values" in options:
        options["na_values"] = [str(value) for value in options["na_values"]]
    if "names" in options and "header" not in options:
        options["header"] = None
    index = options.pop("index_col", None)
    block_bytes = BLOCK_BYTES if blocksize == "default" else bytes_of(blocksize)
    if options.get("nrows") is not None:
        files, block_bytes = files[:1], None
    token = token_of(options, block_bytes, sample, files=files)
    expr = _core.Frame.read_csv(files, options, block_bytes, int(sample), token)
    if assume_missing:
        given = options.get("dtype") or {}
        numbers = expr.meta().select_dtypes("int64").columns
        dtypes = {name: "float64" for name in numbers if name not in given} | dict(given)
        options = {**options, "dtype": dtypes}
        expr = _core.Frame.read_csv(files, options, block_bytes, int(sample), token)
    frame = DataFrame(expr)
    if index not in (None, False):
        label = frame.columns[index] if isinstance(index, int) else index
        frame = DataFrame(frame._expr.set_index([label], True))
    return frame


def read_table(urlpath: Any, **kwargs: Any) -> DataFrame:
    """Reads files of values separated by tabs; see ``read_csv``."""
    return read_csv(urlpath, **{"sep": "\t", **kwargs})


def read_parquet(path: Any, columns: Any = None, filters: Any = None, categories: Any = None, index: Any = None,
                 storage_options: Any = None, dtype_backend: Any = None, calculate_divisions: bool = False,
                 ignore_metadata_file: bool = False, split_row_groups: Any = "infer", blocksize: Any = "default",
                 engine: str = "auto", **kwargs: Any) -> DataFrame:  # fmt: skip
    """Reads Parquet files; only the columns and row groups that are needed.

    Parameters
    ----------
    path : str, path or list
        A file, a folder, a pattern, or several of them.
    columns : list of labels, or a label
        The columns wanted; a label alone gives a series.
    filters : list of (column, operator, value)
        Conditions that all have to hold; row groups that cannot match are not read.
    split_row_groups : bool
        Whether each row group becomes a partition, instead of each file.

    Examples
    --------
    >>> import tempfile, pandas as pd, rask.dataframe as dd
    >>> folder = tempfile.mkdtemp()
    >>> dd.from_pandas(pd.DataFrame({"a": [1, 2]}), npartitions=1).to_parquet(folder)
    >>> len(dd.read_parquet(folder))
    2
    """
    files = find_files(path, (".parquet", ".parq", ".pq"))
    split = split_row_groups is True
    token = token_of("read_parquet", split, files=files)
    frame = DataFrame(_core.Frame.read_parquet(files, split, token))
    for condition in filters or ():
        if isinstance(condition, list):
            raise NotImplementedError("filters: alternatives (a list of lists)")
        frame = frame[condition_of(frame, *condition)]
    if index is not None and index is not False:
        labels = index if isinstance(index, list) else [index]
        frame = DataFrame(frame._expr.set_index(labels, True))
    if columns is None:
        return frame
    return frame[columns]


def condition_of(frame: DataFrame, label: Any, symbol: str, value: Any) -> Series:
    """A filter in pyarrow's form as a condition."""
    if symbol == "in":
        return frame[label].isin(value)
    if symbol == "not in":
        return ~frame[label].isin(value)
    return frame[label]._binary({"=": "=="}.get(symbol, symbol), value, False)


def from_pandas(
    data: Any, npartitions: int | None = None, sort: bool = True, chunksize: int | None = None
) -> Any:
    """Cuts a pandas object into partitions.

    Parameters
    ----------
    data : pandas.DataFrame or pandas.Series
    npartitions : int
        The number of partitions (1, if nothing is said).
    sort : bool
        Whether rows are sorted by index first.
    chunksize : int
        Rows of a partition, in place of ``npartitions``.

    Examples
    --------
    >>> import pandas as pd, rask.dataframe as dd
    >>> dd.from_pandas(pd.Series([1, 2, 3]), npartitions=3).npartitions
    3
    """
    from rask.base import tokenize

    if not isinstance(data, (pd.DataFrame, pd.Series)):
        raise TypeError("Input must be a pandas DataFrame or Series.")
    if npartitions is not None and chunksize is not None:
        raise ValueError("Exactly one of npartitions and chunksize must be specified.")
    if sort and not data.index.is_monotonic_increasing:
        data = data.sort_index(kind="stable")
    rows = len(data)
    if chunksize is not None:
        npartitions = max(1, -(-rows // chunksize))
    count = max(1, min(npartitions or 1, rows or 1))
    borders = [-(-i * rows // count) for i in range(count + 1)]
    parts = [data.iloc[start:stop] for start, stop in itertools.pairwise(borders)]
    expr = _core.Frame.from_tables(parts, tokenize(data, count))
    return new_collection(expr, data)


def from_dict(
    data: dict, npartitions: int, orient: str = "columns", dtype: Any = None, columns: Any = None
) -> DataFrame:
    """A frame of a dict of columns, in partitions."""
    frame = pd.DataFrame.from_dict(data, orient=orient, dtype=dtype, columns=columns)  # pyright: ignore[reportArgumentType]
    return from_pandas(frame, npartitions=npartitions)


def from_plan(plan: Any, meta: Any, divisions: Any = None) -> Any:
    """A collection over the wanted blocks of a plan, which are pandas objects like ``meta``."""
    meta = make_meta(meta)
    return new_collection(_core.Frame.from_plan(plan, meta), meta)


def from_delayed(
    dfs: Any,
    meta: Any = None,
    divisions: Any = None,
    prefix: str = "from-delayed",
    verify_meta: bool = True,
) -> Any:
    """A collection whose partitions are delayed pandas objects.

    Parameters
    ----------
    dfs : list of Delayed or Future
    meta : pandas object, optional
        An empty example; without it the first partition is computed.
    """
    from rask.base import lower
    from rask.delayed import without_futures

    dfs = without_futures(dfs if isinstance(dfs, (list, tuple)) else [dfs])
    if not dfs:
        raise TypeError("Must supply at least one delayed object")
    meta = make_meta(dfs[0].compute() if meta is None else meta)
    plan, _ = lower(dfs)
    return from_plan(plan, meta)


def from_map(func: Callable, *iterables: Iterable, args: tuple = (), meta: Any = None, divisions: Any = None,
             label: Any = None, token: Any = None, enforce_metadata: bool = True, **kwargs: Any) -> Any:  # fmt: skip
    """A collection whose partitions a function makes of the elements of iterables.

    Examples
    --------
    >>> import pandas as pd, rask.dataframe as dd
    >>> dd.from_map(lambda n: pd.DataFrame({"a": range(n)}), [1, 2]).a.sum().compute()
    np.int64(1)
    """
    from rask.delayed import delayed

    make = delayed(func)
    parts = [make(*items, *args, **kwargs) for items in zip(*iterables, strict=True)]
    return from_delayed(parts, meta=meta)


def write_parts(frame: DataFrame, paths: list[str], kind: str, options: dict, compute: bool) -> Any:
    """Writes partition ``i`` to path ``i``."""
    written = DataFrame(frame._expr.write(paths, kind, options))
    if not compute:
        return written
    written.compute()
    return None


def to_parquet(df: DataFrame, path: Any, compression: Any = "snappy", write_index: bool = True, append: bool = False,
               overwrite: bool = False, partition_on: Any = None, compute: bool = True, name_function: Any = None,
               write_metadata_file: Any = None, engine: str = "auto", **kwargs: Any) -> Any:  # fmt: skip
    """Writes each partition to ``path/part.<number>.parquet``.

    Parameters
    ----------
    df : DataFrame
    path : str or path
        A folder; it is made if it is not there.
    compression : {"snappy", "zstd", "lz4", None}
    write_index : bool
    overwrite : bool
        Whether Parquet files in the folder are removed first.
    compute : bool
        Whether to write now, or to give a collection that writes when it is computed.
    """
    if append or partition_on is not None:
        raise NotImplementedError("to_parquet with append or partition_on")
    path = os.path.abspath(os.fspath(path))
    if os.path.isfile(path):
        raise FileExistsError(f"{path} is a file; partitions are written to a folder")
    os.makedirs(path, exist_ok=True)
    name = name_function or (lambda number: f"part.{number}.parquet")
    paths = [os.path.join(path, name(number)) for number in range(df.npartitions)]
    if overwrite:
        for old in find_old(path):
            os.remove(old)
    options = {"compression": compression, "write_index": write_index}
    return write_parts(df, paths, "parquet", options, compute)


def find_old(path: str) -> list[str]:
    """The Parquet files in a folder."""
    return [os.path.join(path, name) for name in os.listdir(path) if name.endswith(".parquet")]


def to_csv(df: DataFrame, filename: Any, single_file: bool = False, encoding: str = "utf-8", mode: str = "wt",
           name_function: Any = None, compression: Any = None, compute: bool = True, header_first_partition_only: Any = None,
           **kwargs: Any) -> Any:  # fmt: skip
    """Writes each partition to a CSV file.

    Parameters
    ----------
    df : DataFrame
    filename : str or path
        ``"export-*.csv"``, the star standing for the number; or a folder, for files ``0.part`` …
    single_file : bool
        Whether all rows go to one file.
    **kwargs
        Of ``pandas.DataFrame.to_csv``: ``sep``, ``index``, ``header``, ``na_rep``, …

    Returns
    -------
    list of str
        The files written.
    """
    if compression is not None:
        raise NotImplementedError("to_csv with compression")
    filename = os.path.abspath(os.fspath(filename))
    if single_file:
        df, paths = df.repartition(npartitions=1), [filename]
    else:
        name = name_function or str
        if "*" not in filename:
            os.makedirs(filename, exist_ok=True)
            filename = os.path.join(filename, "*.part")
        paths = [filename.replace("*", name(number)) for number in range(df.npartitions)]
    written = write_parts(df, paths, "csv", kwargs, compute)
    return paths if compute else written
