"""Start the log forwarder: `python -m infra_runtime.logs --help` prints the arguments."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path

from infra_runtime.host.packages import is_importable

#: the environment variable with the address of the server; the address contains the password
URL = "INFRA_LOG_STREAM"


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m infra_runtime.logs",
        description=f"The address of the NATS server is in the variable {URL}.",
    )
    parser.add_argument("--folder", type=Path, required=True, help="the folder with the logs")
    parser.add_argument(
        "--exclude", action="append", default=[], help="a service whose lines are not forwarded"
    )
    parser.add_argument(
        "--max-age", type=float, required=True, help="the seconds for which the stream keeps a line"
    )
    parser.add_argument(
        "--max-bytes", type=int, required=True, help="the largest size of the stream in bytes"
    )
    return parser


def main() -> int:
    """Forward lines until SIGTERM or SIGINT, and return the exit status."""
    arguments = _arguments().parse_args()
    if not is_importable("nats.aio"):
        print(
            f"{sys.executable} does not have nats-py; "
            "install it with `python -m pip install 'pytest-infra[nats]'`",
            file=sys.stderr,
        )
        return 1
    from infra_runtime.logs.forwarding import Settings, forward
    from infra_runtime.logs.stream import Limits

    settings = Settings(
        url=os.environ[URL],
        folder=arguments.folder,
        excluded=frozenset(arguments.exclude),
        limits=Limits(age=arguments.max_age, bytes=arguments.max_bytes),
    )
    asyncio.run(_until_signal(forward(settings)))
    return 0


async def _until_signal(coroutine: Coroutine[None, None, None]) -> None:
    task = asyncio.ensure_future(coroutine)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    sys.exit(main())
