"""``rask worker``: worker processes of this machine, each with a nanny."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from typing import Any

from rask.distributed._utils import cpu_count
from rask.distributed._worker_options import add_common, import_term, keywords_of, security_of
from rask.distributed._worker_process import run_process

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rask worker", description="Run worker processes, each replaced when it dies."
    )
    add_common(parser)
    add = parser.add_argument
    add("--nworkers", "--nprocs", default="1", help="worker processes: a number, auto, or -1 for as many as there are processors")  # fmt: skip
    add("--nanny", action=argparse.BooleanOptionalAction, default=True, help="replace workers that die")  # fmt: skip
    add("--nanny-port", help="nannies listen on this port, or on those of first:last")
    add("--preload-nanny", action="append", default=[], help="module or file that nannies load")
    add("--worker-class", default="rask.distributed.Worker", help="class of the workers")
    add("--pid-file", help="write the number of this process to this file")
    add("--started-file", help="write the workers' addresses to this file once they have started")
    add("--token", help="the secret itself; a file keeps it out of the list of processes")
    add("--no-token", action="store_true", help="the cluster has no token")
    add("--dashboard", action=argparse.BooleanOptionalAction, help=argparse.SUPPRESS)
    add("--dashboard-address", help=argparse.SUPPRESS)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run workers until they have ended, or a signal comes; the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.token:
        os.environ["RASK_TOKEN"] = options.token
    if options.no_token:
        os.environ.pop("RASK_TOKEN", None)
    try:
        count, threads = _counts(options)
    except ValueError as error:
        parser.error(str(error))
    if count > 1 and not options.nanny:
        parser.error("several workers need nannies: leave --no-nanny out")
    if count > 1 and options.listen_address:
        parser.error("several workers cannot listen at one address: leave --listen-address out")
    if not options.scheduler and not options.scheduler_file:
        parser.error("give the scheduler's address, or --scheduler-file")
    if options.pid_file:
        with open(options.pid_file, "w") as file:
            file.write(str(os.getpid()))
    try:
        keywords = keywords_of(options)
        keywords["nthreads"] = threads
        keywords["security"] = security_of(options)
        if not options.nanny:
            return _run_alone(options, keywords)
        return asyncio.run(_run_nannies(options, keywords, count))
    except (OSError, ValueError, RuntimeError) as error:
        print(f"rask: {error}", file=sys.stderr)
        return 1
    finally:
        if options.pid_file and os.path.exists(options.pid_file):
            os.remove(options.pid_file)


def _counts(options: argparse.Namespace) -> tuple[int, int]:
    """Worker processes, and threads of each."""
    cores = cpu_count()
    if options.nworkers == "auto":
        from rask.distributed.cluster import _share

        return _share(None, options.nthreads or None, processes=True)
    count = int(options.nworkers)
    if count < 0:
        count += cores + 1
    if count <= 0:
        raise ValueError(f"--nworkers={options.nworkers} leaves no worker")
    return count, options.nthreads or max(1, -(-cores // count))


def _run_alone(options: argparse.Namespace, keywords: dict[str, Any]) -> int:
    kind = import_term(options.worker_class)
    return run_process(
        lambda: kind(**keywords),
        supervised=False,
        started=lambda worker: _tell_started(options.started_file, [worker]),
    )


async def _run_nannies(options: argparse.Namespace, keywords: dict[str, Any], count: int) -> int:
    from rask.distributed.nanny import Nanny

    names = [None if options.name is None else options.name] * count
    if options.name is not None and count > 1:
        names = [f"{options.name}-{number}" for number in range(count)]
    port = keywords.pop("port")
    keywords |= {
        "worker_port": port,
        "port": options.nanny_port,
        "preload_nanny": options.preload_nanny,
    }
    if options.worker_class != "rask.distributed.Worker":
        keywords["worker_class"] = options.worker_class
    nannies = [Nanny(**{**keywords, "name": name}) for name in names]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    starting = asyncio.gather(*(nanny.start() for nanny in nannies))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            await starting
            _tell_started(options.started_file, nannies)
            watching = asyncio.gather(*(nanny.workers_ended() for nanny in nannies))
            await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
            watching.cancel()
        else:
            starting.cancel()
    finally:
        stopping.cancel()
        for nanny in nannies:
            nanny._begin_close()
        await asyncio.gather(*(nanny.close() for nanny in nannies), return_exceptions=True)
    return 0


def _tell_started(path: str | None, nannies: list[Any]) -> None:
    for nanny in nannies:
        print(f"worker at: {nanny.worker_address}", file=sys.stderr)
    sys.stderr.flush()
    if path:
        with open(f"{path}.part", "w") as file:
            file.writelines(f"{nanny.worker_address}\n" for nanny in nannies)
        os.replace(f"{path}.part", path)


if __name__ == "__main__":
    raise SystemExit(main())
