"""The HTTPS probe with real TLS servers and a real child process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from fakes.protocols import HOST, serving, silence
from infra_runtime.spec import HttpProbe
from infra_runtime.supervisor import https_child, probes
from infra_runtime.supervisor.probes import ask

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
UNWELL = b"HTTP/1.1 503 Service Unavailable\r\n\r\nstarting"
PROBE = HttpProbe(port="main", path="/health", tls=True)

pytestmark = [pytest.mark.asyncio, pytest.mark.real("openssl")]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a self-signed certificate for `localhost`, with its key in the same file."""
    folder = tmp_path_factory.mktemp("tls")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = ("-addext", "subjectAltName=DNS:localhost")
    files = ("-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem"))
    subprocess.run(
        ["openssl", *words.split(), *names, *files],
        check=True,
        capture_output=True,
        timeout=300,
    )
    both = folder / "both.pem"
    both.write_text((folder / "certificate.pem").read_text() + (folder / "key.pem").read_text())
    return both


@contextlib.asynccontextmanager
async def serving_tls(certificate: Path, *answers: bytes) -> AsyncIterator[int]:
    """Yield the port of a TLS server that sends the next answer for each connection, then always the last."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    left = list(answers)
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(left.pop(0) if len(left) > 1 else left[0])
            await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, HOST, 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.gather(*tasks)
    for _ in range(5):  # a connection without a handshake has no task, and is closed a few iterations later
        await asyncio.sleep(0)


async def run(command: tuple[str, ...], env: Mapping[str, str]) -> int:
    """Run the probe's process as the supervisor does: killed when the caller stops waiting."""
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **env})
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def reason(probe: HttpProbe, port: int, folder: Path) -> str | None:
    return await ask(probe, HOST, {"main": port}, run, str(folder))


async def test_a_server_with_a_good_answer_is_ready(certificate: Path, tmp_path: Path) -> None:
    async with serving_tls(certificate, OK) as port:
        assert await reason(PROBE, port, tmp_path) is None


async def test_the_process_repeats_the_request_until_it_succeeds(certificate: Path, tmp_path: Path) -> None:
    async with serving_tls(certificate, UNWELL, UNWELL, UNWELL, OK) as port:
        assert await reason(PROBE, port, tmp_path) is None


async def test_a_certificate_is_verified_against_a_given_authority(certificate: Path, tmp_path: Path) -> None:
    probe = HttpProbe(port="main", tls=True, ca=str(certificate))

    async with serving_tls(certificate, OK) as port:
        assert await reason(probe, port, tmp_path) is None


@pytest.mark.parametrize(
    ("probe", "text"),
    [
        (PROBE, "/health: status 503, starting"),
        (HttpProbe(port="main", tls=True, ca="{certificate}", server_name="other.test"), "mismatch"),
        (
            HttpProbe(port="main", tls=True, ca="/nowhere/ca.pem"),
            "/nowhere/ca.pem: No such file",
        ),
    ],
    ids=["unwell", "another name", "no authority"],
)
async def test_the_last_reason_comes_from_the_process(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, probe: HttpProbe, text: str
) -> None:
    monkeypatch.setattr(https_child, "PATIENCE", 0.0)
    bound = HttpProbe(
        port="main", path=probe.path, tls=True, server_name=probe.server_name,
        ca=probe.ca.replace("{certificate}", str(certificate)),
    )  # fmt: skip

    async with serving_tls(certificate, UNWELL) as port:
        assert text in (await https_child.ready(bound, HOST, port) or "")


async def test_the_supervisor_reads_the_reason_that_the_process_wrote(
    certificate: Path, tmp_path: Path
) -> None:
    async with serving_tls(certificate, UNWELL) as port:
        assert await reason(PROBE, port, tmp_path) == "/health: status 503, starting"


async def test_a_server_without_tls_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https_child, "PATIENCE", 0.0)

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(OK)

    async with serving(plain) as port:
        problem = await https_child.ready(PROBE, HOST, port)

    assert "SSL" in (problem or "")


async def test_a_process_that_does_not_exit_is_killed_with_the_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "PATIENCE", 0.01)
    monkeypatch.setattr(probes, "BOOT", 0.0)

    async with serving(silence) as port:
        problem = await reason(PROBE, port, tmp_path)

    assert (problem or "").endswith("no answer within 0.01 s")


async def test_the_probe_is_not_an_argument_of_the_process(tmp_path: Path) -> None:
    """Arguments are visible to other users, and a header may be secret."""
    secret = HttpProbe(port="main", tls=True, headers={"Authorization": "Bearer s3cret"})
    commands: list[tuple[str, ...]] = []

    async def record(command: tuple[str, ...], env: Mapping[str, str]) -> int:
        commands.append(command)
        assert "s3cret" in env[probes.HTTPS_PROBE]
        return 0

    await ask(secret, HOST, {"main": 1}, record, str(tmp_path))

    assert "s3cret" not in str(commands)


async def test_the_exit_status_of_a_crashed_process_is_the_reason(tmp_path: Path) -> None:
    async def crash(_command: tuple[str, ...], _env: Mapping[str, str]) -> int:
        return -11

    problem = await ask(PROBE, HOST, {"main": 1}, crash, str(tmp_path))

    assert "exited with status -11" in (problem or "")
