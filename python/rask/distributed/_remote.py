"""What an `SSHCluster` starts on other machines: ``rask scheduler`` or ``rask worker``, with secrets
that come on standard input, until that is closed."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading

__all__ = ["main"]


def main() -> int:
    """Read the environment, run the program, end when standard input does."""
    given = json.loads(sys.stdin.readline())
    os.environ.update(given["environment"])
    # Through which of its addresses this machine was reached: client, port, server, port.
    reached = os.environ.get("SSH_CONNECTION", "").split()
    print(f"reached at: {reached[2] if len(reached) == 4 else ''}", file=sys.stderr, flush=True)
    threading.Thread(target=_watch, name="rask-stdin", daemon=True).start()
    from rask.cli import main as run

    return run(sys.argv[1:])


def _watch() -> None:
    """Whoever started this is gone, or wants it to end."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    raise SystemExit(main())
