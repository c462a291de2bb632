"""Plugins: code of users that runs on workers, on nannies, and beside the scheduler."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import uuid
import zipfile
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

__all__ = [
    "CondaInstall",
    "Environ",
    "InstallPlugin",
    "NannyPlugin",
    "PipInstall",
    "SchedulerPlugin",
    "UploadDirectory",
    "UploadFile",
    "WorkerPlugin",
]

logger = logging.getLogger("rask.distributed.plugins")


class WorkerPlugin:
    """Runs on every worker, from its start to its end.

    Inherit from it, and register an instance with `Client.register_plugin`.

    Attributes
    ----------
    idempotent : bool
        Whether a plugin of the same name that is registered already is kept.

    Examples
    --------
    >>> from rask.distributed import WorkerPlugin
    >>> class Errors(WorkerPlugin):
    ...     def setup(self, worker):
    ...         self.keys = []
    ...     def transition(self, key, start, finish, **kwargs):
    ...         if finish == "error":
    ...             self.keys.append(key)
    """

    idempotent: bool = False

    def setup(self, worker: Any) -> Awaitable[None] | None:
        """Called when the plugin comes to a worker, before the worker runs its first task if the
        worker joined later."""

    def teardown(self, worker: Any) -> Awaitable[None] | None:
        """Called when the worker ends, or when the plugin is removed."""

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        """Called, on a thread of its own, when a task here changes its state.

        Parameters
        ----------
        key : str or tuple
        start, finish : str
            From ``"ready"`` to ``"executing"`` to ``"memory"`` or ``"error"``.
        """


class NannyPlugin:
    """Runs in every nanny: the process that watches a worker process.

    Attributes
    ----------
    idempotent : bool
        Whether a plugin of the same name that is registered already is kept.
    restart : bool
        Whether workers that run are replaced once the plugin has been set up.
    """

    idempotent: bool = False
    restart: bool = False

    def setup(self, nanny: Any) -> Awaitable[None] | None:
        """Called when the plugin comes to a nanny; before the worker starts if the nanny is new."""

    def teardown(self, nanny: Any) -> Awaitable[None] | None:
        """Called when the nanny ends, or when the plugin is removed."""


class SchedulerPlugin:
    """Is told what happens in the scheduler.

    It runs in the helper process beside the scheduler, never in the scheduler itself, which runs no
    code of users: events reach it a moment later, in their order, and ``scheduler`` is a read-only
    view of the scheduler's state.

    Attributes
    ----------
    idempotent : bool
        Whether a plugin of the same name that is registered already is kept.
    watches : bool
        Whether it is told events. One that only starts and closes costs the scheduler nothing.

    Examples
    --------
    >>> from rask.distributed import SchedulerPlugin
    >>> class Counter(SchedulerPlugin):
    ...     def __init__(self):
    ...         self.finished = 0
    ...     def transition(self, key, start, finish, *args, **kwargs):
    ...         if start == "processing" and finish == "memory":
    ...             self.finished += 1
    """

    idempotent: bool = False
    watches: bool = True

    async def start(self, scheduler: Any) -> None:
        """Called when the plugin comes to the helper."""

    async def before_close(self) -> None:
        """Called before `close`."""

    async def close(self) -> None:
        """Called when the scheduler ends, or when the plugin is removed."""

    def update_graph(
        self,
        scheduler: Any,
        *,
        client: str,
        keys: set[Any],
        tasks: list[Any],
        annotations: dict[str, Any],
        priority: dict[Any, Any],
        stimulus_id: str,
        **kwargs: Any,
    ) -> None:
        """Called when a client submits tasks.

        ``keys`` are those that the client wants. ``tasks`` are names of layers: the scheduler keeps
        graphs as layers, and a layer may be a million tasks.
        """

    def restart(self, scheduler: Any) -> None:
        """Called when the cluster is restarted."""

    def transition(
        self, key: Any, start: str, finish: str, *args: Any, stimulus_id: str = "", **kwargs: Any
    ) -> None:
        """Called when a task changes its state.

        Told are ``"waiting"`` to ``"processing"``, ``"processing"`` to ``"memory"``, ``"erred"`` or
        (if it is to be run again) ``"waiting"``, and ``"memory"`` to ``"released"``; with
        ``worker=`` the address, and for values ``nbytes=`` and ``seconds=``.
        """

    def add_worker(self, scheduler: Any, worker: str) -> Awaitable[None] | None:
        """Called when a worker has joined."""

    def remove_worker(
        self, scheduler: Any, worker: str, *, stimulus_id: str = "", **kwargs: Any
    ) -> Awaitable[None] | None:
        """Called when a worker has left."""

    def add_client(self, scheduler: Any, client: str) -> None:
        """Called when a client has connected."""

    def remove_client(self, scheduler: Any, client: str) -> None:
        """Called when a client has left."""

    def valid_workers_downscaling(self, scheduler: Any, workers: list[Any]) -> list[Any]:
        """Not called by Rask: which workers may leave is the scheduler's decision."""
        return workers

    def log_event(self, topic: str, msg: Any) -> None:
        """Called when a client, a worker or a nanny logs an event, once for each of its topics."""


def kind_of_plugin(plugin: Any) -> str:
    """``"worker"``, ``"nanny"`` or ``"scheduler"``.

    Raises
    ------
    TypeError
        For what is no instance of a plugin class.
    """
    if isinstance(plugin, type):
        raise TypeError("give an instance of a plugin, not the class")
    own = getattr(plugin, "_rask_kind", None)
    if own is not None:
        return own
    for kind, base in (
        ("worker", WorkerPlugin),
        ("nanny", NannyPlugin),
        ("scheduler", SchedulerPlugin),
    ):
        if isinstance(plugin, base):
            return kind
    raise TypeError(
        f"{type(plugin).__name__} is no plugin: inherit from WorkerPlugin, NannyPlugin or "
        "SchedulerPlugin"
    )


def plugin_name(plugin: Any) -> str:
    """The plugin's name, made up if it has none."""
    name = getattr(plugin, "name", None)
    return name if name else f"{type(plugin).__name__}-{uuid.uuid4()}"


class WorkerSetup(WorkerPlugin):
    """Calls a function when a worker starts."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def setup(self, worker: Any) -> Any:
        """Call it."""
        from rask.distributed._calls import takes_argument

        if takes_argument(self._function, "dask_worker"):
            return self._function(dask_worker=worker)
        return self._function()


class UploadFile(WorkerPlugin):
    """Sends a file to the workers, which import it.

    Parameters
    ----------
    filepath : str
        A ``.py`` file, or an ``.egg``, ``.zip`` or ``.pyz`` archive of modules.
    load : bool
        Whether to import it.
    """

    name = "upload_file"

    def __init__(self, filepath: str, load: bool = True) -> None:
        self.filename = os.path.basename(filepath)
        self.load = load
        if load and not self.filename.endswith((".py", ".egg", ".zip", ".pyz")):
            raise ValueError(
                f"cannot import {self.filename!r}: its name ends in none of .py .egg .zip .pyz; "
                "give load=False to send it only"
            )
        with open(filepath, "rb") as file:
            self.data = file.read()

    def setup(self, worker: Any) -> None:
        """Write the file and import it."""
        worker.upload_file(self.filename, self.data, load=self.load)


class Environ(NannyPlugin):
    """Sets environment variables of worker processes, which are replaced for it.

    Parameters
    ----------
    environ : dict
    """

    restart = True

    def __init__(self, environ: dict[str, Any] | None = None) -> None:
        self.environ = {name: str(value) for name, value in (environ or {}).items()}

    def setup(self, nanny: Any) -> None:
        """Set them for the processes to come."""
        nanny.env.update(self.environ)


_MODES = ("all", "scheduler", "workers")


def _is_bytecode(filename: str) -> bool:
    return os.path.splitext(filename)[1] == ".pyc"


class UploadDirectory(SchedulerPlugin):
    """Sends a folder to the hosts of the workers.

    Parameters
    ----------
    path : str
    restart_workers : bool
        Whether to replace worker processes afterwards.
    update_path : bool
        Whether workers can import what is in the folder.
    skip_words : sequence of str
        Names of folders that are left out.
    skip : sequence of callable
        Of a path: whether the file is left out.
    mode : {"workers"}
        The scheduler runs no code of users and takes no files.
    """

    def __init__(
        self,
        path: str,
        restart_workers: bool = False,
        update_path: bool = False,
        skip_words: Iterable[str] = (".git", ".github", ".pytest_cache", "tests", "docs"),
        skip: Sequence[Callable[[str], bool]] = (_is_bytecode,),
        mode: str = "workers",
    ) -> None:
        self._rask_kind = "nanny"
        if mode not in _MODES:
            raise ValueError(f"mode must be one of {', '.join(map(repr, _MODES))}, not {mode!r}")
        if mode == "scheduler":
            raise ValueError(
                "the scheduler runs no code of users and takes no files: mode='workers'"
            )
        path = os.path.abspath(os.path.expanduser(path))
        if not os.path.isdir(path):
            raise NotADirectoryError(path)
        self.path = os.path.basename(path)
        self.restart = restart_workers or update_path  # pyright: ignore[reportAttributeAccessIssue]
        self.update_path = update_path
        self.name = f"upload-directory-{self.path}"
        self.data = _pack_folder(path, frozenset(skip_words), skip)

    def setup(self, nanny: Any) -> None:
        """Unpack the folder where the workers of the nanny run."""
        import io

        with zipfile.ZipFile(io.BytesIO(self.data)) as archive:
            archive.extractall(nanny.local_directory)
        if self.update_path:
            nanny.add_path(os.path.join(nanny.local_directory, self.path))
            nanny.add_path(nanny.local_directory)


def _pack_folder(
    path: str, skip_words: frozenset[str], skip: Sequence[Callable[[str], bool]]
) -> bytes:
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for root, _, names in os.walk(path):
                for name in names:
                    filename = os.path.join(root, name)
                    inside = os.path.relpath(filename, path).split(os.sep)
                    if skip_words.isdisjoint(inside) and not any(s(filename) for s in skip):
                        archive.write(filename, os.path.join(os.path.basename(path), *inside))
        file.seek(0)
        return file.read()


class InstallPlugin(SchedulerPlugin):
    """Installs software for the workers: a function runs on every worker, or in every nanny if
    workers are to be replaced.

    Parameters
    ----------
    install_fn : callable
        Must do no harm when it runs again.
    restart_workers : bool
        Whether to replace worker processes afterwards.
    """

    idempotent = True

    def __init__(self, install_fn: Callable[[], None], restart_workers: bool = False) -> None:
        self._install = install_fn
        self.restart_workers = restart_workers
        self.restart = restart_workers  # pyright: ignore[reportAttributeAccessIssue]
        self.name = f"{type(self).__name__}-{uuid.uuid4()}"

    @property
    def _rask_kind(self) -> str:
        return "nanny" if self.restart_workers else "worker"

    def setup(self, nanny: Any = None, worker: Any = None) -> None:
        """Install, one after the other where several share a host."""
        import fcntl

        lock = os.path.join(tempfile.gettempdir(), f"rask-install-{os.getuid()}.lock")
        with open(lock, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._install()


class PipInstall(InstallPlugin):
    """Installs packages with pip.

    Parameters
    ----------
    packages : list of str
        As in a requirements file; environment variables are filled in where the nanny runs.
    pip_options : list of str, optional
    restart_workers : bool

    Examples
    --------
    >>> client.register_plugin(PipInstall(["scikit-learn"], ["--upgrade"]))  # doctest: +SKIP
    """

    def __init__(
        self,
        packages: list[str],
        pip_options: list[str] | None = None,
        restart_workers: bool = False,
    ) -> None:
        super().__init__(_Pip(list(packages), list(pip_options or [])), restart_workers)


class CondaInstall(InstallPlugin):
    """Installs packages with conda.

    Parameters
    ----------
    packages : list of str
    conda_options : list of str, optional
    restart_workers : bool
    """

    def __init__(
        self,
        packages: list[str],
        conda_options: list[str] | None = None,
        restart_workers: bool = False,
    ) -> None:
        super().__init__(_Conda(list(packages), list(conda_options or [])), restart_workers)


class _Pip:
    def __init__(self, packages: list[str], options: list[str]) -> None:
        self.packages = packages
        self.options = options

    def __call__(self) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write("\n".join(self.packages))
            file.flush()
            command = [sys.executable, "-m", "pip", "install", *self.options, "-r", file.name]
            _run_installer("pip", command)


class _Conda:
    def __init__(self, packages: list[str], options: list[str]) -> None:
        self.packages = packages
        self.options = options

    def __call__(self) -> None:
        import shutil

        program = os.environ.get("CONDA_EXE") or shutil.which("conda")
        if program is None:
            raise RuntimeError("conda install failed: there is no conda program here")
        prefix = ["--prefix", sys.prefix]
        _run_installer(
            "conda", [program, "install", "--yes", *prefix, *self.options, *self.packages]
        )


def _run_installer(name: str, command: list[str]) -> None:
    logger.info("%s", " ".join(command))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = done.stderr.strip() or done.stdout.strip()
        raise RuntimeError(f"{name} install failed with '{reason}'")
