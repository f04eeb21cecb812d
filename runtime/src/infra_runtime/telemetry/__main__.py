"""Start the telemetry service: `python -m infra_runtime.telemetry --help` prints the arguments."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
from pathlib import Path

from infra_runtime.host.packages import is_importable
from infra_runtime.host.ports import inherited_sockets
from infra_runtime.telemetry import GRPC_LIBRARY, GRPC_PORT


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra_runtime.telemetry")
    parser.add_argument("--host", default="127.0.0.1", help="the address on which the service listens")
    parser.add_argument(
        "--port",
        type=int,
        action="append",
        default=[],
        help="a port for OTLP over HTTP and the query API; repeat the option for several ports",
    )
    parser.add_argument("--grpc-port", type=int, help="the port for OTLP over gRPC")
    parser.add_argument("--folder", type=Path, required=True, help="the folder of the stored records")
    parser.add_argument("--key-file", type=Path, required=True, help="the file with the key of the clients")
    parser.add_argument("--runs", type=int, default=10, help="the number of runs whose records are kept")
    parser.add_argument(
        "--run-bytes", type=int, default=512 * 2**20, help="the largest size of the records of a run in bytes"
    )
    parser.add_argument("--alert-sink", action="append", default=[], help="the URL of an Alertmanager")
    parser.add_argument(
        "--error-interval",
        type=float,
        default=60.0,
        help="the shortest time in seconds between two alerts about equal errors",
    )
    parser.add_argument(
        "--forward",
        action="append",
        default=[],
        help="the URL of a receiver of spans; repeat the option for several receivers",
    )
    return parser


def main() -> int:
    """Run the service until SIGTERM or SIGINT, and return the exit status."""
    arguments = _arguments().parse_args()
    sockets = inherited_sockets()
    needs_grpc = arguments.grpc_port is not None or GRPC_PORT in sockets
    names = ("opentelemetry.proto", "starlette", "uvicorn", *([GRPC_LIBRARY] if needs_grpc else []))
    if missing_packages := [name for name in names if not is_importable(name)]:
        print(
            f"{sys.executable} does not have {', '.join(missing_packages)}; "
            "install them with `python -m pip install 'pytest-infra[telemetry,telemetry-grpc]'`",
            file=sys.stderr,
        )
        return 1
    from infra_runtime.telemetry.error_alerts import ErrorAlerts
    from infra_runtime.telemetry.limits import Limits
    from infra_runtime.telemetry.server import serve

    # uvicorn sends the signal to its own process again when it ends; the records must be written before the
    # process exits.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        key = arguments.key_file.read_text().strip()
        limits = Limits(runs=arguments.runs, run_bytes=arguments.run_bytes)
        asyncio.run(
            serve(
                sockets or _opened(arguments),
                arguments.folder,
                key,
                limits,
                filter(None, arguments.forward),
                ErrorAlerts(arguments.alert_sink, arguments.error_interval),
            )
        )
    except OSError as error:
        print(f"the telemetry service cannot run: {error}", file=sys.stderr)
        return 1
    return 0


def _opened(arguments: argparse.Namespace) -> dict[str, socket.socket]:
    ports = {f"http{number}": port for number, port in enumerate(arguments.port)}
    if arguments.grpc_port is not None:
        ports[GRPC_PORT] = arguments.grpc_port
    return {name: socket.create_server((arguments.host, port)) for name, port in ports.items()}


if __name__ == "__main__":
    sys.exit(main())
