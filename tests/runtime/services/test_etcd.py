from __future__ import annotations

import contextlib
import http.client
import json
import signal
import stat
from pathlib import Path

import pytest

from fakes.engine import options, spec_of
from infra_runtime.catalogue import entry
from infra_runtime.contributions import Metrics


def test_the_server_waits_for_the_disk_only_outside_of_tests() -> None:
    assert "--unsafe-no-fsync" not in spec_of("etcd").command
    spec = spec_of("etcd", durable=False)
    assert "--unsafe-no-fsync" in spec.command
    assert [step.signal for step in spec.stop] == [signal.SIGKILL]
    assert entry("etcd").defaults == {"test": {"durable": False}}


def test_options_replace_flags() -> None:
    flags = options(spec_of("etcd", options={"log-level": "debug", "max-txn-ops": "500"}))

    assert (flags["log-level"], flags["max-txn-ops"]) == ("debug", "500")


def test_the_container_accepts_other_hosts() -> None:
    container = spec_of("etcd").container

    assert container is not None
    assert not [word for word in container.command if word.startswith(("--host-whitelist", "--cors"))]


def test_etcd_contributes_its_metrics() -> None:
    (contribution,) = entry("etcd").contributions(None)

    assert (contribution.key, contribution.value) == ("metrics", Metrics(port="client", path="/metrics"))


def ask(port: int, path: str, **headers: str) -> tuple[int, str, bytes]:
    """Send a request, and return status, header for foreign web sites, and body of the answer."""
    body = None if path == "/metrics" else json.dumps({"key": "AA=="})
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("POST" if body else "GET", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Access-Control-Allow-Origin", ""), answer.read()


@pytest.mark.real("etcd")
def test_a_real_server_has_one_port_metrics_and_no_answers_for_web_sites(run) -> None:
    stack = run("etcd")
    port = int(stack.etcd.port)

    assert list(stack.etcd.ports) == ["client"]
    assert stack.etcd["client_port"] == str(port)
    assert b"etcd_server_has_leader 1" in ask(port, "/metrics")[2]
    assert ask(port, "/v3/kv/range", Host="rebound.example.com")[0] == 421
    assert ask(port, "/v3/kv/range", Origin="http://example.com")[:2] == (200, "")
    sockets = list(Path("/proc").glob(f"{stack.status().services[0].pid}/cwd/peer*"))
    assert [stat.S_ISSOCK(path.stat().st_mode) for path in sockets] == [True]
    assert stat.S_IMODE(sockets[0].parent.resolve().stat().st_mode) == 0o700


@pytest.mark.real("etcd")
def test_a_real_server_that_is_durable_keeps_its_keys_after_a_restart(run) -> None:
    from kinds.etcd import read, write

    stack = run("etcd", durable=True)
    write(stack.etcd, "stock", "7")

    stack.restart("etcd")

    assert read(stack.etcd, "stock") == "7"
