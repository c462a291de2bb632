"""Text files into bags, and bags into text files."""

from __future__ import annotations

import io
from functools import partial
from typing import Any

from rask import _core
from rask.bag import layers
from rask.bag.core import Bag

__all__ = ["read_text", "to_textfiles"]


def read_text(
    urlpath: Any,
    blocksize: int | str | None = None,
    compression: str | None = "infer",
    encoding: str = "utf-8",
    errors: str = "strict",
    linedelimiter: str | None = None,
    collection: bool = True,
    storage_options: dict | None = None,
    files_per_partition: int | None = None,
    include_path: bool = False,
) -> Any:
    """A bag of the lines of text files.

    Parameters
    ----------
    urlpath : str, path or list
        Files, patterns with ``*``, or addresses that fsspec knows.
    blocksize : int or str, optional
        Largest bytes of a partition; files are cut at line ends. By default a partition a file.
    compression : str or None
        ``"infer"`` goes by the name's ending; a compressed file is not cut.
    encoding, errors, linedelimiter : str
        How bytes become lines; as in `open`.
    collection : bool
        Whether to return a bag, or a list of delayed lists.
    storage_options : dict, optional
        For fsspec.
    files_per_partition : int, optional
        How many files make a partition.
    include_path : bool
        Whether items are pairs of line and path.

    Raises
    ------
    FileNotFoundError
        If there is no such file; known before any work.
    ValueError
        If both ``blocksize`` and ``files_per_partition`` are given.
    """
    from fsspec.core import get_fs_token_paths

    from rask.utils import parse_bytes

    if blocksize is not None and files_per_partition is not None:
        raise ValueError("give only one of blocksize= and files_per_partition=")
    filesystem, _, paths = get_fs_token_paths(urlpath, mode="rb", storage_options=storage_options)
    missing = [path for path in paths if not filesystem.exists(path)]
    if missing or not paths:
        raise FileNotFoundError(f"no file is at {missing[0] if missing else urlpath!r}")
    if blocksize is None:
        per = files_per_partition or 1
        groups = [
            [(path, 0, None) for path in paths[i : i + per]] for i in range(0, len(paths), per)
        ]
    else:
        groups = [
            [piece]
            for path in paths
            for piece in cut_file(filesystem, path, parse_bytes(blocksize))
        ]
    options = {"encoding": encoding, "errors": errors, "newline": linedelimiter}
    stamps = [str(filesystem.ukey(path)) for path in paths]
    token = layers.token_of(groups, stamps, options, compression, include_path)
    builder = _core.PlanBuilder()
    function = partial(read_pieces, filesystem, compression, options, include_path)
    args = (_core.PerBlock(groups),)
    name = f"read-text-{token}"
    layer = builder.add_callable(name, [len(groups)], "read-text", function, args, None, [])
    builder.want_all(layer)
    bag = Bag(builder.build())
    return bag if collection else bag.to_delayed()


def cut_file(filesystem: Any, path: str, blocksize: int) -> list[tuple[str, int, int | None]]:
    """Ranges of bytes of a file of at most ``blocksize``."""
    size = filesystem.size(path)
    if size <= blocksize:
        return [(path, 0, None)]
    return [(path, start, min(start + blocksize, size)) for start in range(0, size, blocksize)]


def read_pieces(
    filesystem: Any, compression: str | None, options: dict, include_path: bool, pieces: list
) -> list:
    """The lines that begin in some ranges of files."""
    lines: list = []
    for path, start, stop in pieces:
        found = read_lines(filesystem, compression, options, path, start, stop)
        lines += [(line, path) for line in found] if include_path else found
    return lines


def read_lines(
    filesystem: Any, compression: str | None, options: dict, path: str, start: int, stop: int | None
) -> list[str]:
    """The lines that begin at bytes ``start:stop`` of a file; all of them for ``stop=None``."""
    if stop is None:
        with filesystem.open(path, "rb", compression=compression) as file:
            return decode_lines(file.read(), options)
    delimiter = (options["newline"] or "\n").encode(options["encoding"])
    from fsspec.utils import read_block

    with filesystem.open(path, "rb") as file:
        return decode_lines(read_block(file, start, stop - start, delimiter), options)


def decode_lines(content: bytes, options: dict) -> list[str]:
    """Bytes as lines, each with its end."""
    delimiter = options["newline"]
    text = content.decode(options["encoding"], options["errors"])
    if delimiter in (None, "", "\n", "\r", "\r\n"):
        return list(io.StringIO(text, newline=delimiter))
    parts = text.split(delimiter)
    lines = [part + delimiter for part in parts[:-1]]
    return lines + parts[-1:] if parts[-1] else lines


def to_textfiles(
    b: Bag,
    path: Any,
    name_function: Any = None,
    compression: str | None = "infer",
    encoding: str = "utf-8",
    compute: bool = True,
    storage_options: dict | None = None,
    last_endline: bool = False,
    **kwargs: Any,
) -> Any:
    """Write a text file for each partition, a line for each item.

    Parameters
    ----------
    path : str or list of str
        A directory, a name with ``*`` for the partition's number, or a name for each partition.
    name_function : callable, optional
        What replaces ``*``, of the partition's number.
    compression : str or None
        ``"infer"`` goes by the name's ending.
    compute : bool
        Whether to write now, or return delayed writes.
    last_endline : bool
        Whether the last line of a file ends with a line end.

    Returns
    -------
    list of str or list of Delayed
        The files that were written.
    """
    from rask.base import compute as compute_all

    paths = partition_paths(path, b.npartitions, name_function)
    builder = _core.PlanBuilder()
    blocks = builder.add(b._plan)
    function = partial(write_lines, compression, encoding, storage_options or {}, last_endline)
    args = (_core.INPUT, _core.PerBlock(paths))
    token = layers.token_of(paths, compression, encoding, b)
    layer = builder.add_callable(
        f"to-textfiles-{token}",
        [len(paths)],
        "to-textfiles",
        function,
        args,
        None,
        layers.one_of_each(blocks),
    )
    builder.want_all(layer)
    written = Bag(builder.build())
    if not compute:
        return written.to_delayed()
    compute_all(written, **kwargs)
    return paths


def partition_paths(path: Any, count: int, name_function: Any) -> list[str]:
    """A file name for each partition."""
    if isinstance(path, (list, tuple)):
        if len(path) != count:
            raise ValueError(f"{len(path)} paths for {count} partitions")
        return [str(one) for one in path]
    pattern = str(path)
    if "*" not in pattern:
        pattern = f"{pattern.rstrip('/')}/*.part"
    width = len(str(max(count - 1, 0)))
    name = name_function or (lambda number: str(number).zfill(width))
    return [pattern.replace("*", name(number)) for number in range(count)]


def write_lines(
    compression: str | None,
    encoding: str,
    storage_options: dict,
    last_endline: bool,
    lines: Any,
    path: str,
) -> list:
    """Writes one file; strings as they are, anything else is refused."""
    import fsspec

    mode = "wb" if encoding is None else "wt"
    end = b"\n" if encoding is None else "\n"
    opened: Any = fsspec.open(
        path,
        mode,
        compression=compression,
        encoding=encoding,
        auto_mkdir=True,
        **storage_options,
    )
    with opened as file:
        first = True
        for line in lines:
            if not first:
                file.write(end)
            file.write(line)
            first = False
        if last_endline and not first:
            file.write(end)
    return [path]
