"""The metrics of NATS: the numbers of the monitor's answer in the format of Prometheus."""

from __future__ import annotations

import io
from typing import Any

from infra_runtime import nats_metrics
from infra_runtime.nats_metrics import Handler, exposition


def test_numbers_are_metrics_also_in_nested_objects() -> None:
    values = {
        "server_id": "NB",
        "connections": 3,
        "cpu": 0.5,
        "tls_required": True,
        "jetstream": {"stats": {"memory": 0, "reserved-storage": 7}, "config": {"max_memory": -1}},
        "tags": [1],
    }

    assert exposition(values).splitlines() == [
        "# TYPE gnatsd_varz_connections gauge",
        "gnatsd_varz_connections 3",
        "# TYPE gnatsd_varz_cpu gauge",
        "gnatsd_varz_cpu 0.5",
        "# TYPE gnatsd_varz_jetstream_stats_memory gauge",
        "gnatsd_varz_jetstream_stats_memory 0",
        "# TYPE gnatsd_varz_jetstream_stats_reserved_storage gauge",
        "gnatsd_varz_jetstream_stats_reserved_storage 7",
    ]


class Connection:
    """The connection of a client that has sent one request."""

    def __init__(self, path: str) -> None:
        self._request, self.answer = io.BytesIO(f"GET {path} HTTP/1.0\r\n\r\n".encode()), b""

    def makefile(self, *_: object) -> io.BytesIO:
        return self._request

    def sendall(self, data: bytes) -> None:
        self.answer += data


def answer(path: str) -> str:
    connection: Any = Connection(path)
    server: Any = None
    Handler(connection, ("127.0.0.1", 1), server)
    return connection.answer.decode()


def test_the_metrics_are_those_of_the_monitor_now(monkeypatch) -> None:
    monkeypatch.setenv(nats_metrics.VARIABLE, "http://127.0.0.1:8222")
    monkeypatch.setattr(nats_metrics, "read", lambda url: {"connections": 3} if url.endswith(":8222") else {})

    head, _, text = answer("/metrics").partition("\r\n\r\n")

    assert " 200 " in head.splitlines()[0]
    assert f"Content-Length: {len(text)}" in head.splitlines()
    assert text.splitlines()[-1] == "gnatsd_varz_connections 3"


def test_another_path_than_that_of_the_metrics_is_not_found() -> None:
    assert " 404 " in answer("/").splitlines()[0]


def test_the_exporter_answers_with_503_while_the_monitor_does_not_answer(monkeypatch) -> None:
    def refuse(_url: str) -> None:
        raise ConnectionRefusedError("connection refused")

    monkeypatch.setenv(nats_metrics.VARIABLE, "http://127.0.0.1:8222")
    monkeypatch.setattr(nats_metrics, "read", refuse)

    assert " 503 " in answer("/metrics").splitlines()[0]
    assert "the numbers of NATS cannot be read: connection refused" in answer("/metrics")
