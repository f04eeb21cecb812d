"""The charts of the metrics in Prometheus: the panels whose metrics exist, and answers that are not valid."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from infra_runtime.dashboard import collected
from infra_runtime.dashboard.collected import CollectedError, charts


class Connection:
    """A connection to a Prometheus that has two metrics."""

    def __init__(self) -> None:
        self.queries: list[dict[str, list[str]]] = []
        self.names: Any = ["pg_stat_database_numbackends", "pg_settings_max_connections"]
        self.closed = False

    def request(self, _method: str, path: str) -> None:
        self.path = urlsplit(path).path
        self.queries.append(parse_qs(urlsplit(path).query))

    def getresponse(self) -> Connection:
        return self

    def read(self, _limit: int) -> bytes:
        data = self.names
        if self.path.endswith("query_range"):
            labels = {"job": "exporter", "datname": "shop"}
            data = {"result": [{"metric": labels, "values": [[1, "3"], [2, "NaN"], [3, "4"]]}]}
        return json.dumps({"status": "success", "data": data}).encode()

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Connection:
    connection = Connection()
    monkeypatch.setattr(collected.http.client, "HTTPConnection", lambda *_, **__: connection)
    return connection


def test_only_the_panels_are_read_whose_metrics_exist(connection: Connection) -> None:
    (chart,) = charts("http://127.0.0.1:9090", 0, 10, 5)

    assert (chart.title, chart.source) == ("PostgreSQL: Connections", "collected")
    assert [(series.name, series.service, series.values) for series in chart.series] == [
        ("largest number", "exporter", ((1, 3), (3, 4))),
        ("shop", "exporter", ((1, 3), (3, 4))),
    ]
    assert [query.get("query") for query in connection.queries] == [
        None,
        ['pg_stat_database_numbackends{job=~".+"}'],
        ['pg_settings_max_connections{job=~".+"}'],
    ]
    assert connection.closed


def test_an_answer_of_another_program_is_an_error(connection: Connection) -> None:
    connection.names = None

    with pytest.raises(CollectedError, match="Prometheus"):
        charts("http://127.0.0.1:9090", 0, 10, 5)
