"""Start the dashboard: `python -m infra_runtime.dashboard --help` prints the arguments."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from infra_runtime.errors import InfraError
from infra_runtime.host.packages import is_importable
from infra_runtime.host.ports import LOOPBACK, inherited_sockets


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra_runtime.dashboard")
    parser.add_argument("--name", required=True, help="the name of the service")
    parser.add_argument("--port", type=int, required=True, help="the port of the service")
    parser.add_argument("--data", type=Path, required=True, help="the data directory of the stack")
    parser.add_argument("--root", type=Path, required=True, help="the folder of the stack file")
    parser.add_argument(
        "--folder", type=Path, required=True, help="the folder of the key, the sessions and the audit log"
    )
    return parser


def main() -> int:
    """Run the dashboard until SIGTERM or SIGINT, and return the exit status."""
    arguments = _arguments().parse_args()
    missing_packages = [
        name for name in ("jinja2", "prometheus_client", "starlette", "uvicorn") if not is_importable(name)
    ]
    if missing_packages:
        print(
            f"{sys.executable} does not have {', '.join(missing_packages)}; "
            "install them with `python -m pip install 'pytest-infra[web]'`",
            file=sys.stderr,
        )
        return 1
    from infra_runtime.dashboard.server import serve

    os.umask(0o077)
    # uvicorn sends the signal to its own process again when it ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        sockets = [*inherited_sockets().values()] or [socket.create_server((LOOPBACK, arguments.port))]
        asyncio.run(
            serve(
                sockets,
                name=arguments.name,
                port=arguments.port,
                data=arguments.data,
                root=arguments.root,
                folder=arguments.folder,
            )
        )
    except (OSError, InfraError) as error:
        print(f"the dashboard cannot run: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
