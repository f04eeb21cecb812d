"""The programs of a port-forward, with a program in place of kubectl."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from fakes.kubectl import FakeCluster, pod
from fakes.stacks import until
from fakes.suite import free_port
from infra_runtime.engines.kubernetes.live import port_forward, secret_files
from infra_runtime.engines.kubernetes.live.kubectl import Kubectl
from infra_runtime.errors import ClusterError

pytestmark = pytest.mark.process


@pytest.fixture
def cluster(tmp_path: Path) -> FakeCluster:
    return FakeCluster(tmp_path / "cluster")


def _kubectl(cluster: FakeCluster) -> Kubectl:
    return Kubectl(program=str(cluster.program), namespace="shop")


def _choose(cluster: FakeCluster) -> str:
    def sleep(_seconds: float) -> None:
        raise AssertionError("no pod is ready")

    return port_forward.choose(_kubectl(cluster), "shop", "api", print, sleep=sleep)


# --- which pod -------------------------------------------------------------------------------------


def test_a_ready_pod_of_the_service_is_chosen_that_is_not_terminating(cluster: FakeCluster) -> None:
    cluster.deploy("other", pod("a-other"))
    cluster.deploy("api", pod("api-1", ready=False), pod("api-2", terminating=True), pod("api-3"))

    assert _choose(cluster) == "api-3"


def test_the_reason_of_waiting_is_printed_once_until_a_pod_is_ready(cluster: FakeCluster) -> None:
    cluster.deploy("api", pod("api-1", ready=False, waiting="ContainerCreating"))
    said: list[str] = []
    looks = iter(range(3))

    def sleep(_seconds: float) -> None:
        if next(looks) == 1:
            cluster.deploy("api", pod("api-1"))

    chosen = port_forward.choose(_kubectl(cluster), "shop", "api", said.append, sleep=sleep)

    assert chosen == "api-1"
    assert said == ["waits for a ready pod in the namespace shop: the pod api-1: ContainerCreating"]


def test_a_service_that_is_not_deployed_is_an_error_with_the_fix(cluster: FakeCluster) -> None:
    with pytest.raises(ClusterError, match="the namespace shop has no workload api") as raised:
        _choose(cluster)

    assert "infra workflows deploy" in raised.value.hint
    assert "--infra-namespace" in raised.value.hint


def test_pods_that_cannot_become_ready_are_an_error_with_pod_and_reason(cluster: FakeCluster) -> None:
    cluster.deploy("api", pod("api-1", ready=False, waiting="ImagePullBackOff"))

    with pytest.raises(ClusterError, match="namespace shop: the pod api-1: ImagePullBackOff") as raised:
        _choose(cluster)

    assert "kubectl --namespace shop describe pod api-1" in raised.value.hint


def test_a_service_without_pods_is_an_error_with_the_command_that_starts_one(cluster: FakeCluster) -> None:
    cluster.deploy("api", replicas=0)

    with pytest.raises(ClusterError, match="has 0 pods") as raised:
        _choose(cluster)

    assert "infra workflows scale api 1" in raised.value.hint


# --- loss ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("ADDED||True", ""),
        ("MODIFIED||False", "is not ready"),
        ("MODIFIED||", "is not ready"),
        ("MODIFIED|2025-01-01T00:00:00Z|True", "is terminating"),
        ("DELETED|2025-01-01T00:00:00Z|True", "was deleted"),
    ],
)
def test_a_line_of_the_watch_contains_whether_a_pod_is_lost(line: str, reason: str) -> None:
    assert port_forward.loss(f"{line}\n") == reason


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that answers each connection with its own text."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def repeat(client: socket.socket) -> None:
            with client, contextlib.suppress(OSError):
                while text := client.recv(1 << 16):
                    client.sendall(text)

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    threading.Thread(target=repeat, args=(client,), daemon=True).start()

        threading.Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


async def _forward(cluster: FakeCluster, *ports: str, say: Callable[[str], None] = print) -> str:
    socket = cluster.folder / "proxy.socket"
    return await port_forward.forward(_kubectl(cluster), "api-1", ports, socket, say)


def _echoed(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(b"hello")
        return client.recv(100) == b"hello"
    return False


@pytest.mark.parametrize("cause", ["terminating", "gone", "cut"])
def test_a_port_forward_ends_when_its_pod_is_lost_and_leaves_no_process(
    cluster: FakeCluster, echo: int, cause: str
) -> None:
    cluster.deploy("api", pod("api-1"))
    cluster.serve(p8000=echo)
    port = free_port()

    async def forwarded() -> str:
        running = asyncio.ensure_future(_forward(cluster, f"{port}:8000"))
        await asyncio.to_thread(until, lambda: _echoed(port))
        assert not running.done()
        if cause == "terminating":
            cluster.watch("api-1", "MODIFIED|2025-01-01T00:00:00Z|True")
        elif cause == "gone":
            (cluster.folder / "api-1.watch").unlink()
        else:
            (cluster.folder / "api-1.cut").touch()
        return await running

    reason = asyncio.run(forwarded())

    expected = {
        "terminating": "the pod api-1 is terminating",
        "gone": "the pod api-1 was deleted or cannot be watched (status 1)",
        "cut": "`kubectl proxy` for the pod api-1 exited with 1",
    }
    assert reason == expected[cause]
    assert not _echoed(port)
    assert [child for child in psutil.Process().children() if str(cluster.folder) in child.cmdline()] == []


def test_connections_end_independently_and_large_data_are_complete(cluster: FakeCluster, echo: int) -> None:
    cluster.deploy("api", pod("api-1"))
    cluster.serve(p8000=echo)
    port = free_port()
    said: list[str] = []
    sent = os.urandom(300_000)

    def exchanged() -> bytes:
        until(lambda: _echoed(port))
        with socket.create_connection(("127.0.0.1", port), timeout=60) as half_closed:
            half_closed.sendall(b"hello")
            half_closed.shutdown(socket.SHUT_WR)
            assert half_closed.recv(100) == b"hello"
        with contextlib.ExitStack() as stack:
            kept, reset = (
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
                for _ in range(2)
            )
            reset.sendall(b"hello")
            # With this option, `close` resets the connection.
            reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            reset.close()
            assert _echoed(port)
            writer = threading.Thread(target=kept.sendall, args=(sent,))
            writer.start()
            received = b""
            while len(received) < len(sent):
                received += kept.recv(1 << 16)
            writer.join()
        return received

    async def forwarded() -> bytes:
        running = asyncio.ensure_future(
            _forward(cluster, f"{port}:8000", f"{free_port()}:9", say=said.append)
        )
        received = await asyncio.to_thread(exchanged)
        running.cancel()
        return received

    assert asyncio.run(forwarded()) == sent
    assert said == []


def test_a_port_that_a_pod_refuses_is_reported(cluster: FakeCluster) -> None:
    cluster.deploy("api", pod("api-1"))
    cluster.serve()
    port, said = free_port(), list[str]()

    async def forwarded() -> None:
        running = asyncio.ensure_future(_forward(cluster, f"{port}:8000", say=said.append))
        await asyncio.to_thread(until, lambda: _echoed(port) or said)
        running.cancel()

    asyncio.run(forwarded())

    assert said[0] == (
        "the port 8000 of the pod api-1 cannot be reached: the API server answers 502 Bad Gateway"
    )


def test_a_local_port_that_is_used_ends_the_program(cluster: FakeCluster) -> None:
    cluster.deploy("api", pod("api-1"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        reason = asyncio.run(_forward(cluster, f"{port}:8000"))

    assert reason == f"the port {port} of this machine cannot be used: Address already in use"


def test_the_program_prints_service_namespace_and_fix_and_fails(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--kubectl", str(cluster.program), "--namespace", "shop", "--context", "", "--stack", "shop"]
    words += ["--socket", str(cluster.folder / "proxy.socket")]

    status = port_forward.main([*words, "--service", "my-api", "--host", "api", "20000:8000"])

    assert status == 1
    assert capsys.readouterr().out.startswith(
        "my-api: the namespace shop has no workload api of the stack shop. "
    )


# --- passwords -------------------------------------------------------------------------------------


def _read(cluster: FakeCluster, *files: str) -> int:
    words = ["--kubectl", str(cluster.program), "--namespace", "shop", "--context", "", "--secret"]
    return secret_files.main([*words, "shop-secrets", *files])


def test_a_password_is_written_to_a_private_file_and_not_printed(
    cluster: FakeCluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cluster.secret(**{"db-password": "hidden-value\n"})
    path = tmp_path / "password.secret"

    assert _read(cluster, f"db-password={path}") == 0

    assert path.read_text() == "hidden-value"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "hidden-value" not in "".join(capfd.readouterr())
    assert {path.name for path in tmp_path.iterdir()} == {"cluster", "password.secret"}


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (None, "the Secret shop-secrets in the namespace shop does not exist"),
        ({"other": "x"}, "the Secret shop-secrets in the namespace shop has no key db-password"),
        ({"db-password": "hidden-é"}, "the value of db-password in the Secret shop-secrets is empty"),
        ({"db-password": ""}, "the value of db-password in the Secret shop-secrets is empty"),
    ],
)
def test_a_missing_or_unusable_password_is_an_error_without_its_value(
    cluster: FakeCluster,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    values: dict[str, str] | None,
    problem: str,
) -> None:
    if values is not None:
        cluster.secret(**values)

    assert _read(cluster, f"db-password={tmp_path / 'password.secret'}") == 1

    out = capfd.readouterr().out
    assert out.startswith(problem)
    assert "hidden" not in out
    assert not (tmp_path / "password.secret").exists()
