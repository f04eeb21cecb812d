"""A line in a service's log leads back to the test that caused it."""

from __future__ import annotations

import json
import re

import pytest

from fakes.suite import Suite
from pytest_infra.label import HEADER_LENGTH, LENGTH, Label, shorten

ASYNC = """
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
def test_a_name_is_the_end_of_the_id_and_printable(test: str, name: str) -> None:
    assert shorten(test) == name


def test_a_trace_is_stable_within_a_run_and_another_in_the_next() -> None:
    label = Label.of("test_a.py::test_b", "run")

    assert label == Label.of("test_a.py::test_b", "run")
    assert label.trace_id != Label.of("test_a.py::test_b", "next").trace_id
    assert label.trace_id != Label.of("test_a.py::test_c", "run").trace_id


def test_headers_are_what_the_recommendation_says() -> None:
    headers = Label.of('test_a.py::test_b[ü,; "]', "run").headers

    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", headers["traceparent"])
    assert headers["baggage"] == "test.case.name=test_a.py::test_b[%C3%BC%2C%3B%20%22]"


def test_a_very_long_id_keeps_its_end_in_the_header() -> None:
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
            connection.execute("select nonsense")

def test_transaction(postgres_transaction):
    with pytest.raises(psycopg.Error):
        postgres_transaction.execute("select folly")

@pytest.mark.infra_shared
def test_shared(postgres_connection):
    with pytest.raises(psycopg.Error):
        postgres_connection.execute("select rubbish")

async def test_async(postgres):
    import asyncpg
    connection = await asyncpg.connect(postgres.url)
    with pytest.raises(asyncpg.PostgresError):
        await connection.execute("select humbug")
    await connection.close()
"""


@pytest.mark.real("postgres")
@pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["serial", "xdist"])
def test_postgres_logs_the_test_whatever_driver_it_has(suite: Suite, arguments: tuple[str, ...]) -> None:
    for library in ("psycopg", "asyncpg", "pytest_asyncio"):
        pytest.importorskip(library)
    suite.with_plugins("asyncio")
    suite.pytester.makeini(ASYNC)
    suite.test(POSTGRES)

    result = suite.run(*arguments)

    result.assert_outcomes(passed=5)
    log = (suite.root / ".data-test" / "logs" / "postgres.log").read_text()
    found = set(re.findall(r'/(test_it\.py::\S+) ERROR:  column "(\w+)" does not exist', log))
    assert found == {
        ("test_it.py::test_it[url]", "nonsense"),
        ("test_it.py::test_it[socket_url]", "nonsense"),
        ("test_it.py::test_transaction", "folly"),
        ("test_it.py::test_shared", "rubbish"),
        ("test_it.py::test_async", "humbug"),
    }


@pytest.mark.real("postgres")
def test_a_server_that_was_restarted_between_two_tests_is_told_too(suite: Suite) -> None:
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
def test_valkey_knows_the_test_by_its_user_and_by_the_name_of_our_client(suite: Suite) -> None:
    pytest.importorskip("valkey")
    suite.test(
        """
        import valkey as library

        def test_it(valkey, valkey_client, infra_stack):
            valkey_client.ping()
            other = library.Valkey.from_url(valkey.url)
            other.ping()
            found = library.Valkey.from_url(infra_stack.valkey.url).client_list()
            users = [it["user"] for it in found]
            assert users.count(valkey.id + "/test_it.py::test_it") == 2
            assert [it["name"] for it in found if it["name"]] == ["test_it.py::test_it"]
            other.close()
        """
    )
    suite.stack("[services.valkey]\n")

    suite.run("-W", "ignore::ResourceWarning").assert_outcomes(passed=1)


@pytest.mark.real("nats")
def test_nats_tells_the_test_of_each_connection(suite: Suite) -> None:
    for library in ("nats", "pytest_asyncio"):
        pytest.importorskip(library)
    suite.with_plugins("asyncio")
    suite.pytester.makeini(ASYNC)
    suite.test(
        """
        import json
        from urllib.request import urlopen

        async def test_it(nats_client, nats):
            with urlopen(nats.monitor_url + "/connz") as answer:
                found = json.load(answer)["connections"]
            assert [it["name"] for it in found] == ["test_it.py::test_it"]
        """
    )

    suite.run().assert_outcomes(passed=1)


LISTENER = """
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
def test_a_service_of_ones_own_logs_the_trace_of_the_test(suite: Suite, arguments: tuple[str, ...]) -> None:
    pytest.importorskip("httpx")
    (suite.root / "listener.py").write_text(LISTENER)
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
    said = [json.loads(line) for line in log.splitlines() if "traceparent" in line]
    trace = (suite.root / "trace").read_text()
    assert [it["traceparent"].split("-")[1] for it in said] == [trace, trace]
    assert {it["baggage"] for it in said} == {"test.case.name=test_it.py::test_it"}
