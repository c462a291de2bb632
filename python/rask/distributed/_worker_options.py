"""The command line of worker processes, and of ``rask worker``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from rask.distributed._utils import cpu_count
from rask.distributed.security import Security

__all__ = ["EXTRA_OPTIONS", "add_common", "keywords_of", "security_of", "worker_of_arguments"]

#: A worker process finds what does not fit a command line here: pickled, in base 64.
EXTRA_OPTIONS = "RASK_INTERNAL_WORKER_OPTIONS"


def add_common(parser: argparse.ArgumentParser) -> None:
    """Options that worker processes and ``rask worker`` share."""
    add = parser.add_argument
    add("scheduler", nargs="?", help="the scheduler's address, as in tcp://host:8786")
    add("--scheduler-file", help="read the address from this file instead")
    add("--name", help="unique among the workers; a number is appended if there are several")
    add("--nthreads", type=int, default=0, help="threads of each worker process")
    add("--memory-limit", default="auto", help="4GiB, 0.5, auto, or 0 for no limit")
    add("--resources", default="", help="GPU=2,MEM=1e9: amounts that tasks may ask for")
    add("--local-directory", help="where each worker's folder, and spilled data, go")
    add("--host", help="listen on this address")
    add("--interface", help="listen on the address of this network interface, as in eth0")
    add("--protocol", choices=("tcp", "tls"), help="tcp or tls")
    add("--worker-port", help="listen on this port, or on one of first:last")
    add("--listen-address", "--listen", dest="listen_address", help="as in tcp://0.0.0.0:9000")
    add("--contact-address", help="the address that others are told; must be the listen address")
    add("--death-timeout", help="how long to look for the scheduler, as in 60s")
    add("--lifetime", help="end after so long, as in 2h, with data moved elsewhere")
    add("--lifetime-stagger", help="make the lifetime so much longer or shorter at random")
    add(
        "--lifetime-restart",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="start another worker when the lifetime is over",
    )
    add("--preload", action="append", default=[], help="module or file to load at the start")
    add("--preload-argv", action="append", default=[], help="one argument of the preloads")
    add("--token-file", help="file with the secret that every connection must know")
    add("--tls-ca-file", help="certificate authority, PEM")
    add("--tls-cert", help="certificate, PEM")
    add("--tls-key", help="private key, PEM")


def parse_resources(text: str) -> list[tuple[str, float]]:
    """``"GPU=2,MEM=1e9"`` as pairs."""
    pairs = [entry.split("=", 1) for entry in text.replace(" ", ",").split(",") if entry]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"resources are written NAME=AMOUNT,NAME=AMOUNT; got {text!r}")
    return [(name, float(amount)) for name, amount in pairs]


def security_of(options: argparse.Namespace) -> Security:
    """Token and certificates that options or environment give."""
    token = os.environ.get("RASK_TOKEN")
    if options.token_file or options.tls_ca_file:
        return Security(
            token=None if options.token_file else token,
            token_file=options.token_file,
            **({} if options.tls_ca_file is None else {"tls_ca_file": options.tls_ca_file}),
            **{
                f"tls_{role}_{part}": value
                # Tasks of the worker that use a client show the same certificate.
                for role in ("worker", "client")
                for part, value in (("cert", options.tls_cert), ("key", options.tls_key))
                if value is not None
            },
        )
    given = Security.from_environment("worker")
    return Security(token=token) if given.token is None and token else given


def keywords_of(options: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of `Worker` and `Nanny`."""
    if options.listen_address and (options.host or options.worker_port):
        raise SystemExit("give --listen-address, or --host and --worker-port")
    if options.contact_address and options.contact_address != options.listen_address:
        raise SystemExit("--contact-address must be the same as --listen-address")
    return {
        "scheduler_ip": options.scheduler,
        "scheduler_file": options.scheduler_file,
        "name": options.name or None,
        "nthreads": options.nthreads or None,
        "memory_limit": options.memory_limit,
        "resources": dict(parse_resources(options.resources)),
        "local_directory": options.local_directory,
        "host": options.listen_address or options.host,
        "interface": options.interface,
        "protocol": options.protocol,
        "port": options.worker_port,
        "death_timeout": options.death_timeout,
        "lifetime": options.lifetime,
        "lifetime_stagger": options.lifetime_stagger,
        "lifetime_restart": options.lifetime_restart,
        "preload": options.preload,
        "preload_argv": options.preload_argv,
    }


def worker_of_arguments(arguments: list[str] | None) -> tuple[Callable[[], Any], bool]:
    """What makes the worker that a process is started for, and whether a nanny supervises it."""
    parser = argparse.ArgumentParser(prog="python -m rask.distributed.worker")
    add_common(parser)
    parser.add_argument("--nanny", default="", help="where the nanny takes calls")
    parser.add_argument("--supervised", action="store_true")
    options = parser.parse_args(arguments)
    keywords = keywords_of(options)
    keywords["nthreads"] = keywords["nthreads"] or cpu_count()
    keywords["security"] = security_of(options)
    keywords["nanny"] = options.nanny
    keywords["supervised"] = options.supervised

    def make() -> Any:
        from rask import config
        from rask.distributed.worker import Worker

        extra = _extra_options()
        config.update(config.config, extra.pop("config", {}))
        kind = extra.pop("worker_class", None) or Worker
        if isinstance(kind, str):
            kind = import_term(kind)
        worker = kind(**{**keywords, **extra})
        if options.nanny:
            _report(worker)
        return worker

    return make, options.supervised


def _extra_options() -> dict[str, Any]:
    text = os.environ.pop(EXTRA_OPTIONS, None)
    if not text:
        return {}
    import base64

    from rask import _pickle

    return _pickle.loads_bytes(base64.b64decode(text))


def _report(worker: Any) -> None:
    """Tell the nanny, once the worker has started, where it is."""
    from rask import _core

    start = worker._start

    def start_and_report() -> None:
        start()
        body = {"address": worker.address, "pid": os.getpid(), "name": worker.name}
        call = worker._caller.call(worker.nanny, "started", "", _core.Payload(body))
        call.result(10.0)

    worker._start = start_and_report


def import_term(name: str) -> Any:
    """The object of a dotted name, as in ``"package.module.Class"``.

    Names of Dask's classes mean Rask's.
    """
    import importlib

    known = ("Worker", "Nanny", "Scheduler")
    module, _, attribute = name.rpartition(".")
    if attribute in known and module in ("dask.distributed", "distributed", "rask.distributed"):
        module = f"rask.distributed.{attribute.lower()}"
    if not module:
        raise ValueError(f"{name!r} names no module: write package.module.Class")
    return getattr(importlib.import_module(module), attribute)
