"""The label of a test: its name and its trace id, which appear in the logs of the services."""

from __future__ import annotations

import json
import re

import pytest

from fakes.suite import Suite
from pytest_infra.label import HEADER_LENGTH, LENGTH, Label, shorten

ASYNC_INI = """
[pytest]
filterwarnings = error
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
"""


@pytest.mark.parametrize(
    ("test", "name"),
    [
        ("tests/test_a.py::TestB::test_c[x-1]", "tests/test_a.py::TestB::test_c[x-1]"),
        ("test_a.py::test_b[ä  b\n]", "test_a.py::test_b[-b-]"),
        ("x" * 100 + "test_a.py::test_b", "x" * (LENGTH - 17) + "test_a.py::test_b"),
    ],
)
def test_the_name_is_the_end_of_the_test_id_in_printable_characters(test: str, name: str) -> None:
    assert shorten(test) == name


def test_the_trace_id_is_stable_within_a_run_and_differs_between_runs() -> None:
    label = Label.of("test_a.py::test_b", "run")

    assert label == Label.of("test_a.py::test_b", "run")
    assert label.trace_id != Label.of("test_a.py::test_b", "next").trace_id
    assert label.trace_id != Label.of("test_a.py::test_c", "run").trace_id


def test_the_headers_have_the_format_of_w3c_trace_context_and_baggage() -> None:
    headers = Label.of('test_a.py::test_b[ü,; "]', "run").headers

    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", headers["traceparent"])
    assert headers["baggage"] == "test.case.name=test_a.py::test_b[%C3%BC%2C%3B%20%22]"


def test_the_header_has_the_end_of_a_very_long_test_id() -> None:
    baggage = Label.of("x" * 10_000 + "::test_b", "run").headers["baggage"]

    assert baggage.endswith("::test_b")
    assert len(baggage) <= HEADER_LENGTH + len("test.case.name=")


# --- the real services --------------------------------------------------------------------------------

POSTGRES = """
import psycopg, pytest

@pytest.mark.parametrize("key", ["url", "socket_url"])
def test_it(postgres, key):
    with psycopg.connect(postgres[key]) as connection:
        with pytest.raises(psycopg.Error):
            connection.execute("select direct_column")

def test_transaction(postgres_transaction):
    with pytest.raises(psycopg.Error):
        postgres_transaction.execute("select transaction_column")

@pytest.mark.infra_shared
def test_shared(postgres_connection):
    with pytest.raises(psycopg.Error):
        postgres_connection.execute("select shared_column")

async def test_async(postgres):
    import asyncpg
    connection = await asyncpg.connect(postgres.url)
    with pytest.raises(asyncpg.PostgresError):
        await connection.execute("select async_column")
    await connection.close()
"""


@pytest.mark.real("postgres")
@pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["serial", "xdist"])
def test_postgres_logs_the_name_of_the_test_with_every_driver(
    suite: Suite, arguments: tuple[str, ...]
) -> None:
    for library in ("psycopg", "asyncpg", "pytest_asyncio"):
        pytest.importorskip(library)
    suite.with_plugins("asyncio")
    suite.pytester.makeini(ASYNC_INI)
    suite.test(POSTGRES)

    result = suite.run(*arguments)

    result.assert_outcomes(passed=5)
    log = (suite.root / ".data-test" / "logs" / "postgres.log").read_text()
    errors = set(re.findall(r'/(test_it\.py::\S+) ERROR:  column "(\w+)" does not exist', log))
    assert errors == {
        ("test_it.py::test_it[url]", "direct_column"),
        ("test_it.py::test_it[socket_url]", "direct_column"),
        ("test_it.py::test_transaction", "transaction_column"),
        ("test_it.py::test_shared", "shared_column"),
        ("test_it.py::test_async", "async_column"),
    }


@pytest.mark.real("postgres")
def test_postgres_has_the_name_of_the_test_after_a_restart_between_two_tests(suite: Suite) -> None:
    pytest.importorskip("psycopg")
    suite.test(
        """
        import psycopg, pytest

        @pytest.mark.parametrize("number", range(2))
        def test_it(postgres, infra_stack, number):
            with psycopg.connect(postgres.url) as connection:
                (name,) = connection.execute("show application_name").fetchone()
            assert name == f"test_it.py::test_it[{number}]"
            infra_stack.restart("postgres")
        """
    )
    suite.stack("[services.postgres]\n")

    suite.run().assert_outcomes(passed=2)


@pytest.mark.real("valkey")
def test_valkey_has_the_name_of_the_test_in_its_user_and_in_the_name_of_its_client(suite: Suite) -> None:
    pytest.importorskip("valkey")
    suite.test(
        """
        import valkey as library

        def test_it(valkey, valkey_client, infra_stack):
            valkey_client.ping()
            other = library.Valkey.from_url(valkey.url)
            other.ping()
            clients = library.Valkey.from_url(infra_stack.valkey.url).client_list()
            users = [client["user"] for client in clients]
            assert users.count(valkey.id + ".test_it.py-test_it") == 2
            assert [client["name"] for client in clients if client["name"]] == ["test_it.py::test_it"]
            other.close()
        """
    )
    suite.stack("[services.valkey]\n")

    suite.run("-W", "ignore::ResourceWarning").assert_outcomes(passed=1)


@pytest.mark.real("nats")
def test_nats_lists_each_connection_with_the_name_of_the_test(suite: Suite) -> None:
    for library in ("nats", "pytest_asyncio"):
        pytest.importorskip(library)
    suite.with_plugins("asyncio")
    suite.pytester.makeini(ASYNC_INI)
    suite.test(
        """
        import json
        from urllib.request import urlopen

        async def test_it(nats_client, nats):
            with urlopen(nats.monitor_url + "/connz") as response:
                connections = json.load(response)["connections"]
            assert [connection["name"] for connection in connections] == ["test_it.py::test_it"]
        """
    )

    suite.run().assert_outcomes(passed=1)


LOGS_HEADERS = """
import http.server, json, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print(json.dumps({name.lower(): value for name, value in self.headers.items()}), flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_): ...

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["serial", "xdist"])
def test_a_service_of_the_user_receives_the_trace_id_of_the_test(
    suite: Suite, arguments: tuple[str, ...]
) -> None:
    pytest.importorskip("httpx")
    (suite.root / "listener.py").write_text(LOGS_HEADERS)
    command = '["${bin.python}", "-I", "-S", "${root}/listener.py", "${port.http}"]'
    suite.stack(
        f"[services.api]\ncommand = {command}\nports = {{ http = 18080 }}\nready = {{ tcp = true }}\n"
    )
    suite.test(
        """
        import pathlib

        def test_it(http_client, infra_label):
            for _ in range(2):
                assert http_client("api").get("/").status_code == 200
            pathlib.Path("trace").write_text(infra_label.trace_id)
        """
    )

    suite.run(*arguments).assert_outcomes(passed=1)

    log = (suite.root / ".data-test" / "logs" / "api.log").read_text()
    requests = [json.loads(line) for line in log.splitlines() if "traceparent" in line]
    trace = (suite.root / "trace").read_text()
    assert [headers["traceparent"].split("-")[1] for headers in requests] == [trace, trace]
    assert {headers["baggage"] for headers in requests} == {"test.case.name=test_it.py::test_it"}
