"""The state of a whole cluster, written to a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from rask import _core
from rask.distributed._context import key_of

__all__ = ["DumpMethods"]

#: For the answers of workers.
_WORKER_SECONDS = 60.0


class DumpMethods:
    """Part of `Client`."""

    _core: Any
    _either: Callable[..., Any]
    _check_running: Callable[[], None]
    _targets: Callable[..., dict[str, str]]
    _addresses: Callable[..., dict[int, str]]
    _scheduler_story: Callable[..., list[tuple[Any, ...]]]
    _versions_of: Callable[[list[str]], dict[str, Any]]
    _caller: Any
    _events: Any
    _inspector: Any
    security: Any
    scheduler_address: Any

    def dump_cluster_state(
        self,
        filename: str = "rask-cluster-dump",
        write_from_scheduler: bool | None = None,
        exclude: Collection[str] = (),
        format: str = "msgpack",
        **storage_options: Any,
    ) -> Any:
        """Write the state of scheduler and workers to a file, for looking into it later.

        The file holds ``"scheduler"`` (tasks with what they need and where they are, workers, events,
        changes of tasks' states, log lines), ``"workers"`` by address (tasks, steps, log lines,
        configuration) and ``"versions"``. Tokens, passwords and keys are left out. Tasks' functions
        and values are not in it. Read it with `rask.distributed.cluster_dump.DumpArtefact`.

        Parameters
        ----------
        filename : str
            A path, or a URL for `fsspec`; ``.msgpack.gz`` or ``.yaml`` is appended.
        write_from_scheduler : bool, optional
            Whether the file is written on the scheduler's machine, by the helper process there.
            Default: here, also to URLs, since the scheduler has no credentials of yours.
        exclude : collection of str
            Names of entries to leave out, at any depth.
        format : {"msgpack", "yaml"}
        **storage_options
            For `fsspec.open`.
        """
        from rask.distributed.cluster_dump import suffixed

        url = suffixed(str(filename), format)
        excluded = set(exclude)
        self._check_running()
        return self._either(
            self._dump_cluster_state,
            url,
            bool(write_from_scheduler),
            excluded,
            format,
            storage_options,
        )

    def _dump_cluster_state(
        self,
        url: str,
        at_scheduler: bool,
        exclude: set[str],
        format: str,
        storage_options: dict[str, Any],
    ) -> None:
        from rask.distributed import cluster_dump

        if at_scheduler:
            data = cluster_dump.encode(self._cluster_state(exclude), format, self._secrets)
            call = (cluster_dump.write_bytes, (url, data, storage_options), {})
            _core.Runtime(self._core).helper("run", "", _core.Payload(call))
            return
        # Whether the file can be written is known before anything is collected.
        with cluster_dump.opened(url, "wb", **storage_options) as file:
            state = self._cluster_state(exclude)
            file.write(cluster_dump.encode(state, format, self._secrets))

    @property
    def _secrets(self) -> list[str]:
        token = self.security.token
        return [token] if token else []

    def _cluster_state(self, exclude: Collection[str]) -> dict[str, Any]:
        from rask.distributed.cluster_dump import redact, without

        targets = self._targets(None, False)
        calls = {
            address: self._caller.call(address, "dump", "", _core.Payload(None))
            for address in targets
        }
        scheduler = self._scheduler_state()
        workers: dict[str, Any] = {}
        deadline = time.monotonic() + _WORKER_SECONDS
        for address, call in calls.items():
            try:
                workers[address] = call.result(max(0.0, deadline - time.monotonic()))
            except Exception as error:
                workers[address] = repr(error)
        state = {
            "scheduler": scheduler,
            "workers": workers,
            "versions": self._versions_of([]),
        }
        for worker in workers.values():
            if isinstance(worker, dict):
                worker["config"] = redact(worker.get("config", {}))
        return without(state, exclude)

    def _scheduler_state(self) -> dict[str, Any]:
        tasks, figures = self._inspector.dump()
        addresses = self._addresses()
        keys = [str(key_of(task["layer"], task["block"], task["numbered"])) for task in tasks]
        workers, count, clients = self._core.info()
        events: dict[str, list[Any]] = {}
        for topic, seconds, _, message in self._events.of(None):
            events.setdefault(topic, []).append((seconds, message))
        return {
            "type": "Scheduler",
            "id": self.scheduler_address,
            "address": self.scheduler_address,
            "tasks": {
                key: _describe_task(key, task, keys, addresses)
                for key, task in zip(keys, tasks, strict=True)
            },
            "task_count": count,
            "clients": clients,
            "workers": {worker["address"]: dict(worker) for worker in workers},
            "events": events,
            "transition_log": [
                (str(key), start, finish, recommended, stimulus, seconds)
                for key, start, finish, recommended, stimulus, seconds in self._scheduler_story(
                    [], [], True
                )
            ],
            "log": [list(line) for line in self._events.scheduler_logs(0)],
            **figures,
        }


def _describe_task(
    key: str, task: dict[str, Any], keys: list[str], addresses: dict[int, str]
) -> dict[str, Any]:
    where = [addresses.get(number, f"worker {number}") for number in task["workers"]]
    state = task["state"]
    return {
        "key": key,
        "state": state,
        "prefix": task["operation"],
        "group": task["layer"],
        "nbytes": task["nbytes"],
        "priority": task["priority"],
        "retries": task["retries"],
        "suspicious": task["suspicious"],
        "waiting_on": task["missing"] if state == "waiting" else 0,
        "dependencies": [keys[at] for at in task["inputs"]],
        "who_has": where if state == "memory" else [],
        "processing_on": where[0] if state != "memory" and where else None,
        "who_wants": [f"client-{number}" for number in task["clients"]],
        "exception": task["exception"],
    }
