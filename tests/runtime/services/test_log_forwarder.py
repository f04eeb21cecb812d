"""The log forwarder with a real NATS server: the stream has each line of the log files once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import infra_runtime as infra
from fakes.command_line import INFRA
from fakes.engine import spec_of
from fakes.stacks import until
from infra_runtime.engines.local.stack import Stack
from infra_runtime.logs import files
from infra_runtime.logs.line import Line
from infra_runtime.logs.selection import Selection

PATIENCE = 180.0
PROGRAM = "import time; print('ready', flush=True); time.sleep(600)"
FILE = f"""
use = ["nats", "api"]
[services.log-forwarder]
[services.api]
command = ["${{bin.python}}", "-I", "-S", "-c", "{PROGRAM}"]
"""
#: unusual lines of a log
UNUSUAL = b"caf\xe9\n\x00\x01\xff\xfe\n\x1b[31mERROR\x1b[0m: red\r\n\n" + b"x" * 2_000_000 + b"\n"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """NATS, the forwarder and a service of the user, which the tests share."""
    folder = tmp_path_factory.mktemp("forwarding")
    (folder / "infra.toml").write_text(FILE, encoding="utf-8")
    names, data = ("api", "log-forwarder"), folder / "data"
    with infra.start(*names, directory=folder, data=data, environment="test") as stack:
        # The service itself writes one line. The lines of the tests must come after this line.
        until(lambda: b"ready" in (data / "logs" / "api.log").read_bytes(), PATIENCE)
        yield stack


@pytest.fixture
def logs(stack: Stack) -> Path:
    """Return the folder with the logs."""
    return Path(stack.data) / "logs"


def log_of(service: str, logs: Path) -> Callable[[bytes], None]:
    """Return a function that appends to the log of a service, as the service does."""

    def write(content: bytes) -> None:
        with (logs / f"{service}.log").open("ab") as file:
            file.write(content)

    return write


def streamed(stack: Stack, services: Sequence[str] = ("api",), since: float = 0.0) -> list[Line]:
    from infra_runtime.logs.stream import Reader

    with contextlib.closing(Reader(stack["log-forwarder"]["url"])) as reader:
        return list(reader.merged(services, since))


def await_line(stack: Stack, text: str) -> list[Line]:
    """Wait until this text is the newest line of the service in the stream; return the service's lines."""
    until(lambda: asyncio.run(newest(stack["log-forwarder"]["url"])) == text, PATIENCE)
    return streamed(stack)


async def newest(url: str) -> str:
    """Return the newest line of the service in the stream; empty without stream or server."""
    from nats.errors import Error

    from infra_runtime.logs import stream

    with contextlib.suppress(Error, OSError):
        client = await stream.connect(url)
        try:
            line = await stream.last(client.jetstream(), "api")
        finally:
            await client.close()
        return line.text if line else ""
    return ""


def test_the_password_of_the_server_is_not_an_argument() -> None:
    spec = spec_of("log-forwarder")

    assert spec.env["INFRA_LOG_STREAM"] == "${nats.url}"
    assert not [word for word in spec.command if "nats.url" in word]
    assert {"--exclude=nats", "--exclude=telemetry", "--exclude=log-forwarder"} <= set(spec.command)


@pytest.mark.real("nats", "log-forwarder")
def test_the_stream_has_the_lines_of_the_files(stack: Stack, logs: Path) -> None:
    write = log_of("api", logs)
    for number in range(300):
        level = "error" if number % 3 == 0 else "info"
        record = {"event": f"e{number}", "level": level, "correlation_id": f"c-{number % 5}"}
        write(json.dumps(record).encode() + b"\n")
    write(UNUSUAL)
    write(b"first end\n")

    from_stream = await_line(stack, "first end")

    from_files = list(files.lines(logs, "api"))
    assert from_stream == from_files
    chosen = Selection(level="error", correlation="c-0")
    assert list(chosen.entries(from_stream)) == list(chosen.entries(from_files))
    assert len(list(chosen.entries(from_files))) == 20
    since = from_files[-1].time
    assert streamed(stack, since=since) == list(files.lines(logs, "api", since))


@pytest.mark.real("nats", "log-forwarder")
def test_the_command_prints_the_same_lines_from_the_files_and_from_the_stream(
    stack: Stack, logs: Path
) -> None:
    log_of("api", logs)(b'{"event": "paid", "correlation_id": "same", "level": "info"}\nsecond end\n')
    await_line(stack, "second end")

    printed = [
        subprocess.run(
            [
                INFRA,
                "runtime",
                "logs",
                "--correlation",
                "same",
                "--json",
                "--from",
                place,
                "--data",
                stack.data,
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        ).stdout
        for place in ("files", "stream")
    ]

    assert printed[0] == printed[1]
    assert json.loads(printed[0])["ids"] == ["same"]


@pytest.mark.real("nats", "log-forwarder")
def test_the_logs_of_nats_and_of_the_forwarder_are_not_forwarded(stack: Stack) -> None:
    from infra_runtime.logs.stream import Reader

    with contextlib.closing(Reader(stack["log-forwarder"]["url"])) as reader:
        assert reader.services == ["api"]


@pytest.mark.real("nats", "log-forwarder")
@pytest.mark.parametrize("crashing", ["nats", "log-forwarder"])
def test_a_killed_process_causes_neither_loss_nor_duplicates(stack: Stack, logs: Path, crashing: str) -> None:
    write = log_of("api", logs)
    sent = [f"{crashing} {number}" for number in range(4000)]
    for start in range(0, len(sent), 400):
        write("".join(f"{text}\n" for text in sent[start : start + 400]).encode())
        if start == 800:
            await_line(stack, sent[1199])
        if start == 2000:
            stack.crash(crashing)
    stack.start(crashing)
    write(f"{crashing} end\n".encode())

    lines = await_line(stack, f"{crashing} end")

    assert [line.text for line in lines if line.text.startswith(f"{crashing} ")] == [*sent, f"{crashing} end"]
    assert not [line for line in lines if line.dropped]


@pytest.mark.real("nats", "log-forwarder")
def test_lines_that_were_dropped_while_the_forwarder_was_stopped_are_a_gap(stack: Stack, logs: Path) -> None:
    write = log_of("api", logs)
    write(b"before the gap\n")
    await_line(stack, "before the gap")
    stack.stop("log-forwarder")
    write((b"x" * 4095 + b"\n") * 6000)
    until(lambda: next(files.lines(logs, "api")).offset > 0, PATIENCE)
    stack.start("log-forwarder")
    write(b"after the gap\n")

    lines = await_line(stack, "after the gap")

    (gap,) = (line for line in lines if line.dropped)
    before = next(line for line in lines if line.text == "before the gap")
    assert (gap.offset, gap.end - gap.offset) == (before.end, gap.dropped)
