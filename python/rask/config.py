"""Configuration: YAML files, environment variables, and `set`, as in Dask.

Later sources win: defaults, ``/etc/rask``, ``{sys.prefix}/etc/rask``, ``~/.config/rask``, the file
or folder in ``$RASK_CONFIG``, variables ``RASK_FOO__BAR=value`` (for ``foo.bar``), and `set`.
Names may be written with hyphens or underscores.
"""

from __future__ import annotations

import ast
import base64
import builtins
import json
import os
import site
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

__all__ = [
    "canonical_name",
    "check_deprecations",
    "collect",
    "collect_env",
    "collect_yaml",
    "config",
    "ensure_file",
    "expand_environment_variables",
    "get",
    "interpret_value",
    "merge",
    "paths_containing_key",
    "pop",
    "refresh",
    "rename",
    "serialize",
    "set",
    "update",
    "update_defaults",
]

no_default = "__no_default__"
ENV_PREFIX = "RASK_"
INHERIT_VARIABLE = "RASK_INTERNAL_INHERIT_CONFIG"


def _find_paths() -> list[str]:
    candidates = [
        os.getenv("RASK_ROOT_CONFIG", "/etc/rask"),
        os.path.join(sys.prefix, "etc", "rask"),
        *(os.path.join(prefix, "etc", "rask") for prefix in site.PREFIXES),
        os.path.join(os.path.expanduser("~"), ".config", "rask"),
    ]
    if "RASK_CONFIG" in os.environ:
        candidates.append(os.environ["RASK_CONFIG"])
    last_wins = dict.fromkeys(reversed(candidates))
    return list(reversed(list(last_wins)))


paths: list[str] = _find_paths()
PATH: str = os.environ.get("RASK_CONFIG", os.path.join(os.path.expanduser("~"), ".config", "rask"))

config: dict[str, Any] = {}
global_config = config
config_lock = threading.Lock()
defaults: list[Mapping[str, Any]] = []
deprecations: dict[str, str | None] = {
    "array.rechunk-threshold": "array.rechunk.threshold",
    "shuffle": "dataframe.shuffle.method",
    "dataframe.shuffle.algorithm": "dataframe.shuffle.method",
    "dataframe.shuffle-compression": "dataframe.shuffle.compression",
    "array.shuffle.chunksize-tolerance": "array.chunk-size-tolerance",
}


def canonical_name(k: str, config: dict) -> str:
    """The spelling of a key that `config` already has, with hyphens or with underscores.

    Examples
    --------
    >>> canonical_name("chunk_size", {"chunk-size": 1})
    'chunk-size'
    """
    if not isinstance(config, Mapping) or k in config:
        return k
    other = k.replace("_", "-") if "_" in k else k.replace("-", "_")
    return other if other in config else k


def update(
    old: dict,
    new: Mapping,
    priority: Literal["old", "new", "new-defaults"] = "new",
    defaults: Mapping | None = None,
) -> dict:
    """Merge nested values of `new` into `old`, in place.

    Parameters
    ----------
    old : dict
    new : Mapping
    priority : {"new", "old", "new-defaults"}
        Whose value stays where both have one. With ``"new-defaults"``, the new one, but only where
        the old one is what `defaults` says.
    defaults : Mapping, optional

    Returns
    -------
    dict
        `old`.

    Examples
    --------
    >>> update({"x": 1, "y": {"a": 2}}, {"x": 2, "y": {"b": 3}})
    {'x': 2, 'y': {'a': 2, 'b': 3}}
    """
    for key, value in new.items():
        key = canonical_name(key, old)
        if isinstance(value, Mapping):
            if not isinstance(old.get(key), dict):
                old[key] = {}
            inner = defaults.get(key) if defaults else None
            update(old[key], value, priority=priority, defaults=inner)
            continue
        is_default = key in old and key in (defaults or {}) and (defaults or {})[key] == old[key]
        if priority == "new" or key not in old or (priority == "new-defaults" and is_default):
            old[key] = value
    return old


def merge(*dicts: Mapping) -> dict:
    """One nested dict of several; later ones win.

    Examples
    --------
    >>> merge({"x": 1, "y": {"a": 2}}, {"y": {"b": 3}})
    {'x': 1, 'y': {'a': 2, 'b': 3}}
    """
    result: dict = {}
    for mapping in dicts:
        update(result, mapping)
    return result


def _load_file(path: str) -> dict | None:
    import yaml

    try:
        with open(path) as file:
            loaded = yaml.safe_load(file)
    except OSError:
        return None
    except Exception as error:
        raise ValueError(f"the configuration file {path!r} is not valid YAML: {error}") from None
    if loaded is not None and not isinstance(loaded, dict):
        raise ValueError(
            f"the configuration file {path!r} must hold a mapping at its top, "
            f"not a {type(loaded).__name__}"
        )
    return loaded


def collect_yaml(paths: Sequence[str], *, return_paths: bool = False) -> Iterator[Any]:
    """The contents of YAML files, or of the YAML files in folders, that exist.

    Parameters
    ----------
    paths : sequence of str
    return_paths : bool
        Yield ``(path, contents)`` instead of the contents.
    """
    for path in paths:
        if not os.path.exists(path):
            continue
        files = [path]
        if os.path.isdir(path):
            try:
                names = sorted(os.listdir(path))
            except OSError:
                continue
            endings = (".json", ".yaml", ".yml")
            files = [os.path.join(path, n) for n in names if n.lower().endswith(endings)]
        for file in files:
            loaded = _load_file(file)
            if loaded is not None:
                yield (Path(file), loaded) if return_paths else loaded


def interpret_value(value: str) -> Any:
    """The value a text stands for: a Python literal, YAML's names of None and the booleans, or text.

    Examples
    --------
    >>> interpret_value("1"), interpret_value("true"), interpret_value("yes")
    (1, True, 'yes')
    """
    try:
        return ast.literal_eval(value)
    except (SyntaxError, ValueError):
        names = {"none": None, "null": None, "false": False, "true": True}
        return names.get(value.lower(), value)


def collect_env(env: Mapping[str, str] | None = None) -> dict:
    """Configuration from environment variables: ``RASK_FOO__BAR=1`` is ``{"foo": {"bar": 1}}``.

    Parameters
    ----------
    env : Mapping, optional
        Instead of `os.environ`.
    """
    env = os.environ if env is None else env
    found = deserialize(env[INHERIT_VARIABLE]) if INHERIT_VARIABLE in env else {}
    for name, value in env.items():
        if name.startswith(ENV_PREFIX) and name != INHERIT_VARIABLE:
            key = name[len(ENV_PREFIX) :].lower().replace("__", ".")
            found[key] = interpret_value(value)
    result: dict = {}
    set(found, config=result)
    return result


def collect(paths: list[str] = paths, env: Mapping[str, str] | None = None) -> dict:
    """Configuration from files and environment variables."""
    return merge(*collect_yaml(paths), collect_env(env))


def paths_containing_key(key: str, paths: Sequence[str] = paths) -> Iterator[Path]:
    """The configuration files that set `key`."""
    for path, loaded in collect_yaml(paths, return_paths=True):
        try:
            get(key, config=loaded)
        except KeyError:
            continue
        yield path


def ensure_file(source: str, destination: str | None = None, comment: bool = True) -> None:
    """Copy a file of defaults to where users change theirs, unless there is one.

    Parameters
    ----------
    source : str
    destination : str, optional
        A folder; ``$RASK_CONFIG`` or ``~/.config/rask`` by default.
    comment : bool
        Comment every line out.
    """
    folder = PATH if destination is None else destination
    if os.path.isfile(folder):
        return
    target = os.path.join(folder, os.path.basename(source))
    if os.path.exists(target):
        return
    try:
        os.makedirs(folder, exist_ok=True)
        with open(source) as file:
            lines = list(file)
        if comment:
            lines = [f"# {line}" if line.strip() and line[0] != "#" else line for line in lines]
        temporary = f"{target}.tmp.{os.getpid()}"
        with open(temporary, "w") as file:
            file.writelines(lines)
        os.replace(temporary, target)
    except OSError:
        return


class set:
    """Set configuration values, for good or for the length of a ``with`` block.

    Parameters
    ----------
    arg : Mapping, optional
        Dotted keys and values.
    config : dict, optional
        Instead of the global configuration.
    lock : threading.Lock, optional
    **kwargs
        Further values; ``foo__bar`` stands for ``foo.bar``.

    Examples
    --------
    >>> with set({"array.chunk-size": "64MiB"}):
    ...     get("array.chunk-size")
    '64MiB'
    """

    def __init__(
        self,
        arg: Mapping | None = None,
        config: dict | None = None,
        lock: threading.Lock = config_lock,
        **kwargs: Any,
    ) -> None:
        self.config = global_config if config is None else config
        self._record: list[tuple[str, tuple[str, ...], Any]] = []
        values = dict(arg or {})
        values.update({name.replace("__", "."): value for name, value in kwargs.items()})
        with lock:
            for key, value in values.items():
                self._assign(check_deprecations(key).split("."), value)

    def _assign(self, keys: Sequence[str], value: Any) -> None:
        level, path, record = self.config, (), True
        for key in keys[:-1]:
            key = canonical_name(key, level)
            path = (*path, key)
            if not isinstance(level.get(key), dict):
                if record:
                    self._note(level, key, path)
                level[key], record = {}, False
            level = level[key]
        key = canonical_name(keys[-1], level)
        if record:
            self._note(level, key, (*path, key))
        level[key] = value

    def _note(self, level: dict, key: str, path: tuple[str, ...]) -> None:
        if key in level:
            self._record.append(("replace", path, level[key]))
        else:
            self._record.append(("insert", path, None))

    def __enter__(self) -> dict:
        return self.config

    def __exit__(self, *exc_info: object) -> None:
        for kind, path, value in reversed(self._record):
            level: Any = self.config
            for key in path[:-1]:
                level = level.setdefault(key, {}) if kind == "replace" else level.get(key, {})
            if kind == "replace":
                level[path[-1]] = value
            else:
                level.pop(path[-1], None)


def get(
    key: str, default: Any = no_default, config: dict | None = None, override_with: Any = None
) -> Any:
    """The value of a dotted key.

    Parameters
    ----------
    key : str
    default : Any, optional
        What to return for a key that is not set; KeyError without one.
    config : dict, optional
        Instead of the global configuration.
    override_with : Any, optional
        Returned as it is unless it is None.

    Examples
    --------
    >>> get("array.rechunk.threshold")
    4
    >>> get("no.such.key", default=1)
    1
    """
    if override_with is not None:
        return override_with
    result: Any = global_config if config is None else config
    for part in key.split("."):
        try:
            result = result[canonical_name(part, result)]
        except (TypeError, IndexError, KeyError):
            if default is no_default:
                raise KeyError(key) from None
            return default
    return result


def pop(key: str, default: Any = no_default, config: dict = config) -> Any:
    """Remove a dotted key and return its value (or `default`; KeyError without one)."""
    *parents, last = key.split(".")
    level: Any = config
    try:
        for part in parents:
            level = level[canonical_name(part, level)]
        return level.pop(canonical_name(last, level))
    except (TypeError, IndexError, KeyError, AttributeError):
        if default is no_default:
            raise KeyError(key) from None
        return default


def update_defaults(
    new: Mapping, config: dict = config, defaults: list[Mapping] = defaults
) -> None:
    """Add defaults: they hold now, unless something else was set, and after `refresh`."""
    current = merge(*defaults)
    defaults.append(new)
    update(config, new, priority="new-defaults", defaults=current)


def refresh(
    config: dict | None = None,
    defaults: list[Mapping] = defaults,
    paths: list[str] = paths,
    env: Mapping[str, str] | None = None,
) -> None:
    """Read defaults, files and environment variables again; values from `set` are lost."""
    config = global_config if config is None else config
    config.clear()
    for mapping in defaults:
        update(config, mapping, priority="old")
    update(config, collect(paths=paths, env=env))
    rename(config=config)


def expand_environment_variables(config: Any) -> Any:
    """Replace ``$VARIABLE`` in the texts of nested mappings and lists.

    Examples
    --------
    >>> expand_environment_variables({"path": "$HOME"})["path"] == os.environ["HOME"]
    True
    """
    if isinstance(config, Mapping):
        return {key: expand_environment_variables(value) for key, value in config.items()}
    if isinstance(config, str):
        return os.path.expandvars(config)
    if isinstance(config, (list, tuple, builtins.set)):
        return type(config)(expand_environment_variables(value) for value in config)
    return config


def rename(
    deprecations: Mapping[str, str | None] = deprecations, config: dict = config
) -> dict[str, str | None]:
    """Move the values of old keys to their new names; returns what was found."""
    found: dict[str, str | None] = {}
    for old, new in deprecations.items():
        try:
            value = pop(old, config=config)
        except KeyError:
            continue
        found[old] = new
        if new:
            set({new: value}, config=config)
    return found


def check_deprecations(key: str, deprecations: Mapping[str, str | None] = deprecations) -> str:
    """The name that a key has now; warns of an old name, raises ValueError for a removed one."""
    old = key.replace("_", "-")
    if old not in deprecations:
        return key
    new = deprecations[old]
    if not new:
        raise ValueError(f"the configuration key {key!r} was removed")
    message = f"the configuration key {key!r} is deprecated; use {new!r} instead"
    warnings.warn(message, FutureWarning, stacklevel=3)
    return new


def serialize(data: Any) -> str:
    """Configuration as text for an environment variable."""
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode()


def deserialize(data: str) -> Any:
    """What `serialize` wrote."""
    return json.loads(base64.urlsafe_b64decode(data.encode()).decode())


def _initialize() -> None:
    loaded = _load_file(os.path.join(os.path.dirname(__file__), "rask.yaml"))
    update_defaults(loaded or {})


refresh()
_initialize()
