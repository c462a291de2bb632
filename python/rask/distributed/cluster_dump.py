"""The state of a whole cluster in a file, and reading it."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from rask.distributed._msgpack import packb, unpackb

__all__ = ["DumpArtefact", "load_cluster_dump", "redact", "without"]

_SECRET = re.compile(r"token|password|passwd|secret|credential|tls|private", re.IGNORECASE)
_REDACTED = "<redacted>"


def suffixed(url: str, format: str) -> str:
    """The name of the file.

    Raises
    ------
    ValueError
        For other formats than ``"msgpack"`` and ``"yaml"``.
    """
    suffixes = {"msgpack": ".msgpack.gz", "yaml": ".yaml"}
    if format not in suffixes:
        raise ValueError(f"Unsupported format {format!r}. Possible values are 'msgpack' or 'yaml'.")
    return url if url.endswith(suffixes[format]) else url + suffixes[format]


def encode(state: Any, format: str, secrets: Collection[str] = ()) -> bytes:
    """The content of the file, without `secrets` wherever they stand in a text."""
    data = _encode(state, format)
    # Hardly ever is one in it: looking is cheaper than going through everything.
    if any(secret.encode() in data for secret in secrets):
        data = _encode(hide(state, secrets), format)
    return gzip.compress(data, compresslevel=4) if format == "msgpack" else data


def _encode(state: Any, format: str) -> bytes:
    if format == "msgpack":
        return packb(state)
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return yaml.dump(_plain(state), Dumper=dumper).encode()


def _plain(value: Any) -> Any:
    """What YAML knows."""
    if isinstance(value, dict):
        known = (str, int, float, bool, type(None))
        return {
            key if isinstance(key, known) else str(key): _plain(item) for key, item in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    known = (str, int, float, bool, bytes, type(None))
    return value if isinstance(value, known) else repr(value)


@contextlib.contextmanager
def opened(url: str, mode: str, **storage_options: Any) -> Iterator[IO[Any]]:
    """A file, here or wherever `fsspec` finds it."""
    if "://" not in url:
        with open(os.path.expanduser(url), mode) as file:
            yield file
        return
    import fsspec

    with fsspec.open(url, mode, **storage_options) as file:
        yield file  # pyright: ignore[reportReturnType]


def write_bytes(url: str, data: bytes, storage_options: dict[str, Any]) -> str:
    """Write a file; its path."""
    with opened(url, "wb", **storage_options) as file:
        file.write(data)
    return url if "://" in url else os.path.abspath(os.path.expanduser(url))


def without(value: Any, names: Collection[str]) -> Any:
    """The nesting of dicts and lists without entries of these names."""
    if not names:
        return value
    if isinstance(value, dict):
        return {key: without(item, names) for key, item in value.items() if key not in names}
    if isinstance(value, (list, tuple)):
        return type(value)([without(item, names) for item in value])
    return value


def redact(value: Any, name: str = "") -> Any:
    """The nesting of dicts and lists without what is secret: values of entries whose names tell of
    tokens, passwords or keys."""
    if isinstance(value, dict):
        return {key: redact(item, str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(item, name) for item in value]
    if value is not None and value != "" and _SECRET.search(name):
        return _REDACTED
    return value


def hide(value: Any, secrets: Collection[str]) -> Any:
    """The nesting without these texts."""
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, _REDACTED)
        return value
    if isinstance(value, dict):
        return {hide(key, secrets): hide(item, secrets) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [hide(item, secrets) for item in value]
    return value


def load_cluster_dump(url: str, **kwargs: Any) -> dict[str, Any]:
    """Read what `Client.dump_cluster_state` wrote.

    Parameters
    ----------
    url : str
        Ends in ``.msgpack.gz`` or ``.yaml``.
    **kwargs
        For `fsspec.open`, where it is a URL.

    Raises
    ------
    ValueError
        For other names.
    """
    if url.endswith(".msgpack.gz"):
        with opened(url, "rb", **kwargs) as file:
            return unpackb(gzip.decompress(file.read()))
    if url.endswith(".yaml"):
        import yaml

        with opened(url, "rb", **kwargs) as file:
            return yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    raise ValueError(f"url ({url}) must have a .msgpack.gz or .yaml suffix")


class DumpArtefact(Mapping[str, Any]):
    """A dump to look into.

    Parameters
    ----------
    state : dict
        As `load_cluster_dump` gives it.

    Examples
    --------
    >>> dump = DumpArtefact.from_url("dump.msgpack.gz")  # doctest: +SKIP
    >>> dump.scheduler_tasks_in_state("memory")  # doctest: +SKIP
    """

    def __init__(self, state: dict[str, Any]) -> None:
        self.dump = state

    @classmethod
    def from_url(cls, url: str, **kwargs: Any) -> DumpArtefact:
        """See `load_cluster_dump`."""
        return cls(load_cluster_dump(url, **kwargs))

    def __getitem__(self, key: str) -> Any:
        return self.dump[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.dump)

    def __len__(self) -> int:
        return len(self.dump)

    def scheduler_tasks_in_state(self, state: str | None = None) -> list[dict[str, Any]]:
        """The scheduler's tasks that are in a state; all by default."""
        return _in_state(state, self.dump["scheduler"]["tasks"])

    def worker_tasks_in_state(self, state: str | None = None) -> list[dict[str, Any]]:
        """The tasks that are in a state on any worker; all by default."""
        tasks: list[dict[str, Any]] = []
        for worker in self.dump["workers"].values():
            if isinstance(worker, dict) and "tasks" in worker:
                tasks += _in_state(state, worker["tasks"])
        return tasks

    def scheduler_story(self, *key_or_stimulus_id: str) -> dict[str, list[tuple[Any, ...]]]:
        """What the scheduler remembers of tasks, or of what followed from stimuli: by key."""
        return _stories(key_or_stimulus_id, [self.dump["scheduler"]["transition_log"]])

    def worker_story(self, *key_or_stimulus_id: str) -> dict[str, list[tuple[Any, ...]]]:
        """What workers remember of tasks: by key."""
        workers = self.dump["workers"].values()
        logs = [one["log"] for one in workers if isinstance(one, dict) and "log" in one]
        return _stories(key_or_stimulus_id, logs)

    def missing_workers(self) -> list[str]:
        """Addresses of workers that the scheduler knew and that did not answer."""
        answers = self.dump["workers"]
        there = self.dump["scheduler"]["workers"]
        return [one for one in there if not isinstance(answers.get(one), dict)]

    def to_yamls(
        self,
        root_dir: str | Path | None = None,
        worker_expand_keys: Collection[str] = ("config", "log", "logs", "tasks"),
        scheduler_expand_keys: Collection[str] = (
            "events",
            "extensions",
            "log",
            "task_groups",
            "tasks",
            "transition_log",
            "workers",
        ),
    ) -> None:
        """Write a folder of YAML files for the scheduler, and one for each worker.

        Parameters
        ----------
        root_dir : path, optional
            Default: the current folder.
        worker_expand_keys, scheduler_expand_keys : collection of str
            What gets a file of its own; the rest goes to ``general.yaml``.
        """
        root = Path(root_dir) if root_dir else Path.cwd()
        for worker in self.dump["workers"].values():
            if isinstance(worker, dict) and "id" in worker:
                _write_yamls(root / str(worker["id"]), worker, worker_expand_keys)
        _write_yamls(root / "scheduler", self.dump["scheduler"], scheduler_expand_keys)


def _in_state(state: str | None, tasks: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [task for task in tasks.values() if state is None or task["state"] == state]


def _stories(wanted: tuple[str, ...], logs: list[Any]) -> dict[str, list[tuple[Any, ...]]]:
    names = {str(name) for name in wanted}
    stories: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for log in logs:
        for line in log:
            if any(isinstance(part, str) and part in names for part in line):
                stories[line[0]].append(tuple(line))
    return dict(stories)


def _write_yamls(folder: Path, state: dict[str, Any], expanded: Collection[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: value for name, value in state.items() if name in expanded}
    files["general"] = {name: value for name, value in state.items() if name not in expanded}
    for name, value in files.items():
        (folder / f"{name}.yaml").write_bytes(encode(value, "yaml"))
