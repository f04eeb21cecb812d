"""The units of a failed test: the failure report has a dump of each, and `--infra-keep=failed` keeps them."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.suite import Suite

XDIST = pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["serial", "xdist"])
DATABASE_TESTS = """
import psycopg

def test_failing(postgres):
    with psycopg.connect(postgres.url) as connection:
        connection.execute("create table pets (name text)")
        connection.execute("insert into pets values ('Ada')")
    assert False

def test_passing(postgres):
    pass
"""


def capsule(suite: Suite, name: str = "test_it.py.test_failing") -> Path:
    """Return the directory of a failure report."""
    return suite.root / ".data-test" / "capsules" / name


def dumps(suite: Suite, name: str = "test_it.py.test_failing") -> dict[str, str]:
    """Return the file of each unit's dump, or the reason why it has none."""
    files: dict[str, str] = json.loads((capsule(suite, name) / "capsule.json").read_text())["dumps"]
    return files


def dump(suite: Suite) -> Any:
    """Return the contents of the only dump."""
    (path,) = dumps(suite).values()
    return json.loads((capsule(suite) / path).read_text())


# --- dumps --------------------------------------------------------------------------------------------


@XDIST
@pytest.mark.real("postgres")
def test_the_failure_report_has_the_database_as_sql(suite: Suite, arguments: tuple[str, ...]) -> None:
    pytest.importorskip("psycopg")
    suite.test(DATABASE_TESTS)

    suite.run(*arguments).assert_outcomes(passed=1, failed=1)

    ((unit, path),) = dumps(suite).items()
    text = (capsule(suite) / path).read_text()
    assert "CREATE TABLE public.pets" in text
    assert "\nAda\n" in text
    file = capsule(suite) / "units.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["units"] == [
        {"service": "postgres", "id": unit, "label": "test_it.py::test_failing", "kept": False}
    ]


@pytest.mark.real("valkey")
def test_the_failure_report_has_the_keys_with_their_values(suite: Suite) -> None:
    pytest.importorskip("valkey")
    suite.stack("[services.valkey]\n")
    suite.test(
        """
        def test_failing(valkey_client):
            valkey_client.set("stock", "7", ex=100)
            valkey_client.set(b"\\xff", b"\\xfe")
            valkey_client.set("long", "x" * 5000)
            valkey_client.rpush("queue", *range(300))
            valkey_client.hset("ada", mapping={"age": 3})
            valkey_client.sadd("tags", "b", "a")
            valkey_client.zadd("scores", {"ada": 1})
            valkey_client.xadd("events", {"kind": "bought"})
            assert False
        """
    )

    suite.run().assert_outcomes(failed=1)

    contents = dump(suite)
    assert contents["keys"] == 8
    dumped_keys = contents["shown"]
    assert dumped_keys["stock"]["value"] == "7"
    assert 90 < dumped_keys["stock"]["ttl"] <= 100
    assert dumped_keys["\\xff"]["value"] == "\\xfe"
    assert (dumped_keys["long"]["length"], len(dumped_keys["long"]["value"])) == (5000, 2000)
    assert (dumped_keys["queue"]["length"], len(dumped_keys["queue"]["value"])) == (300, 100)
    assert dumped_keys["ada"]["value"] == {"age": "3"}
    assert dumped_keys["tags"]["value"] == ["a", "b"]
    assert dumped_keys["scores"]["value"] == ["ada", "1"]
    assert dumped_keys["events"]["value"][0][1] == ["kind", "bought"]


@pytest.mark.real("nats")
def test_the_failure_report_has_the_streams_with_their_last_messages(suite: Suite) -> None:
    for library in ("nats", "pytest_asyncio"):
        pytest.importorskip(library)
    suite.with_plugins("asyncio")
    suite.pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    suite.stack("[services.nats]\n")
    suite.test(
        """
        async def test_failing(nats_client):
            streams = nats_client.jetstream()
            await streams.add_stream(name="orders", subjects=["orders.*"])
            await streams.add_stream(name="empty", subjects=["empty"])
            for number in range(30):
                await streams.publish("orders.new", str(number).encode(), headers={"shop": "1"})
            await streams.delete_msg("orders", 30)
            await streams.pull_subscribe("orders.*", durable="billing")
            assert False
        """
    )

    suite.run().assert_outcomes(failed=1)

    orders = next(stream for stream in dump(suite) if stream["config"]["name"] == "orders")
    assert [consumer["name"] for consumer in orders["consumers"]] == ["billing"]
    assert orders["state"]["messages"] == 29
    assert orders["messages"][-1]["data"] == "28"
    assert orders["messages"][-1]["headers"] == ["shop: 1"]
    assert len(orders["messages"]) <= 20


@pytest.mark.real("pocketbase")
def test_the_failure_report_has_the_collections_without_secrets(suite: Suite) -> None:
    pytest.importorskip("httpx")
    suite.stack("[services.pocketbase]\n")
    suite.test(
        """
        def test_failing(pocketbase, http_client):
            client = http_client(pocketbase)
            login = {"identity": pocketbase.superuser_email, "password": pocketbase.superuser_password}
            token = client.post("/api/collections/_superusers/auth-with-password", json=login).json()["token"]
            client.headers["Authorization"] = token
            collection = {"name": "pets", "type": "base", "fields": [{"name": "name", "type": "text"}]}
            assert client.post("/api/collections", json=collection).status_code == 200
            assert client.post("/api/collections/pets/records", json={"name": "Ada"}).status_code == 200
            user = {"email": "ada@example.com", "password": "12345678", "passwordConfirm": "12345678"}
            assert client.post("/api/collections/users/records", json=user).status_code == 200
            assert False
        """
    )

    suite.run().assert_outcomes(failed=1)

    collections = {collection["name"]: collection for collection in dump(suite)}
    assert collections["pets"]["fields"]["name"] == "text"
    assert [record["name"] for record in collections["pets"]["records"]] == ["Ada"]
    (user,) = collections["users"]["records"]
    assert (user["email"], user["password"], user["tokenKey"]) == ("ada@example.com", "***", "***")


@pytest.mark.real("caddy")
def test_the_failure_report_has_the_routes(suite: Suite) -> None:
    suite.stack("[services.caddy]\n")
    suite.test("def test_failing(caddy):\n    caddy.respond('/hello', body='hi')\n    assert False\n")

    suite.run().assert_outcomes(failed=1)

    (route,) = dump(suite)
    assert route["handle"][0]["body"] == "hi"


@pytest.mark.real("postgres")
def test_an_error_in_setup_has_dumps_and_an_error_in_teardown_does_not_remove_those_of_the_call(
    suite: Suite,
) -> None:
    pytest.importorskip("psycopg")
    suite.test(
        """
        import pytest

        @pytest.fixture
        def broken_setup(postgres):
            raise RuntimeError

        @pytest.fixture
        def broken_teardown(postgres):
            yield
            raise RuntimeError

        def test_setup(broken_setup): ...

        def test_teardown(broken_teardown):
            assert False
        """
    )

    suite.run().assert_outcomes(failed=1, errors=2)

    for name in ("test_it.py.test_setup", "test_it.py.test_teardown"):
        (path,) = dumps(suite, name).values()
        assert (capsule(suite, name) / path).is_file()


@pytest.mark.real("postgres")
def test_a_dump_that_fails_is_one_line_in_the_failure_report(suite: Suite) -> None:
    pytest.importorskip("psycopg")
    suite.test(
        """
        import pytest

        @pytest.fixture
        def paused_postgres(postgres, infra_stack):
            infra_stack.pause("postgres")
            yield
            infra_stack.resume("postgres")

        def test_locked(postgres_connection):
            postgres_connection.execute("create table pets (name text)")
            postgres_connection.commit()
            postgres_connection.execute("lock table pets")
            assert False

        def test_paused(paused_postgres):
            assert False
        """
    )

    suite.run().assert_outcomes(failed=2)

    (locked,) = dumps(suite, "test_it.py.test_locked").values()
    (paused,) = dumps(suite, "test_it.py.test_paused").values()
    assert locked.startswith("no dump: pg_dump: ")
    assert paused == "no dump: postgres does not answer"


@pytest.mark.real("postgres")
def test_a_large_database_is_cut(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    suite.test(
        """
        import psycopg
        from pytest_infra.services.postgres import dump

        dump.BYTES = 100_000

        def test_failing(postgres):
            with psycopg.connect(postgres.url) as connection:
                connection.execute("create table pets as select generate_series(1, 200000)")
            assert False
        """
    )

    suite.run().assert_outcomes(failed=1)

    (path,) = dumps(suite).values()
    text = (capsule(suite) / path).read_text()
    assert len(text) < 200_000
    assert text.splitlines()[-1].startswith("-- cut after ")


@pytest.mark.real("postgres")
def test_the_output_has_no_line_of_another_workers_database(suite: Suite) -> None:
    pytest.importorskip("psycopg")
    suite.test(
        """
        import psycopg, pytest

        def test_failing(postgres, infra_service):
            foreign = "infra_test_abcdefgw7_1"
            with psycopg.connect(infra_service("postgres").url, autocommit=True) as connection:
                connection.execute(f"create database {foreign}")
            urls = postgres.url.replace(postgres.database, foreign), postgres.url
            for url, text in zip(urls, ["select foreign_column,\\n second_line", "select own_column"]):
                with psycopg.connect(url) as connection, pytest.raises(psycopg.Error):
                    connection.execute(text)
            assert False
        """
    )

    result = suite.run("--tb=short", "-rN")

    result.stdout.fnmatch_lines(['*/test_it.py::test_failing ERROR:  column "own_column" does not exist*'])
    result.stdout.no_fnmatch_line("*second_line*")
    assert "\t second_line" in (capsule(suite) / "logs" / "postgres.log").read_text()


# --- --infra-keep -------------------------------------------------------------------------------------


@pytest.fixture
def keeping(suite: Suite) -> Iterator[Suite]:
    """A suite whose stack is stopped after the test, as `infra runtime down` stops it."""
    yield suite
    suite.down()


def pet_names(url: str) -> list[str]:
    """Return the rows of the table `pets`."""
    import psycopg

    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute("select name from pets").fetchall()]


@XDIST
@pytest.mark.real("postgres")
def test_the_unit_of_a_failed_test_is_kept_and_the_summary_has_its_url(
    keeping: Suite, arguments: tuple[str, ...]
) -> None:
    pytest.importorskip("psycopg")
    keeping.test(DATABASE_TESTS)

    result = keeping.run("--infra-keep=failed", *arguments)

    result.assert_outcomes(passed=1, failed=1)
    (line,) = [
        line
        for line in result.outlines
        if line.startswith("infra: kept for test_it.py::test_failing: postgres ")
    ]
    assert pet_names(line.split()[-1]) == ["Ada"]
    assert re.search(
        r"postgres infra_test_\w+: postgresql://postgres:\*\*\*@127\.0\.0\.1:\d+/infra_test_\w+ or ", line
    )
    result.stdout.fnmatch_lines(
        ["infra: passwords are in *units.json", "infra: the stack in *.data-test stays warm for 28800 s; *"]
    )
    assert not [
        line for line in result.outlines if line.startswith("infra: kept for test_it.py::test_passing")
    ]


@pytest.mark.real("valkey")
def test_the_password_of_a_kept_unit_is_only_in_a_file_that_only_the_user_can_read(keeping: Suite) -> None:
    library = pytest.importorskip("valkey")
    keeping.stack("[services.valkey]\n")
    keeping.test("def test_failing(valkey_client):\n    valkey_client.set('stock', 7)\n    assert False\n")

    result = keeping.run("--infra-keep=failed")

    result.stdout.fnmatch_lines(
        ["infra: kept for test_it.py::test_failing: valkey database-1: redis://*:[*][*][*]@*"]
    )
    file = capsule(keeping) / "units.json"
    (unit,) = json.loads(file.read_text())["units"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert unit["exports"]["password"] not in result.stdout.str()
    with library.Valkey.from_url(unit["exports"]["url"]) as client:
        assert client.get("stock") == b"7"


@XDIST
@pytest.mark.real("postgres")
def test_the_next_run_does_not_change_kept_units(keeping: Suite, arguments: tuple[str, ...]) -> None:
    pytest.importorskip("psycopg")
    keeping.test(DATABASE_TESTS)
    first = keeping.run("--infra-keep=failed")
    (line,) = [line for line in first.outlines if line.startswith("infra: kept for ")]

    second = keeping.run("test_it.py::test_passing", *arguments)

    second.assert_outcomes(passed=1)
    second.stdout.fnmatch_lines(
        ["infra: the warm stack of an earlier run was used, with the units of failed tests that it kept"]
    )
    assert pet_names(line.split()[-1]) == ["Ada"]


@pytest.mark.real("postgres")
def test_a_run_with_another_plan_does_not_stop_a_stack_with_kept_units(keeping: Suite) -> None:
    pytest.importorskip("psycopg")
    keeping.test(DATABASE_TESTS)
    first = keeping.run("--infra-keep=failed")
    (line,) = [line for line in first.outlines if line.startswith("infra: kept for ")]
    keeping.stack("[services.postgres]\nstart_timeout = 17\n")

    keeping.run("-k", "passing").assert_outcomes(passed=1, deselected=1)

    assert pet_names(line.split()[-1]) == ["Ada"]
    assert keeping.supervisors() == 1


def test_copies_of_services_are_kept_too(keeping: Suite) -> None:
    httpx = pytest.importorskip("httpx")
    keeping.stack("[services.pocketbase]\n", "[services.caddy]\n")
    keeping.test(
        """
        def test_failing(pocketbase, caddy):
            caddy.respond("/hello", body="hi")
            assert False
        """
    )

    keeping.run("--infra-keep=failed").assert_outcomes(failed=1)
    keeping.test("def test_passing(pocketbase, caddy): pass")
    keeping.run().assert_outcomes(passed=1)

    units = {
        unit["service"]: unit for unit in json.loads((capsule(keeping) / "units.json").read_text())["units"]
    }
    host = {"Host": units["caddy"]["exports"]["host_name"]}
    assert (
        httpx.get(units["pocketbase"]["exports"]["url"] + "/api/health", trust_env=False).status_code == 200
    )
    url = units["caddy"]["exports"]["url"]
    assert httpx.get(url + "/hello", headers=host, trust_env=False).text == "hi"


@pytest.mark.real("postgres")
def test_nothing_is_kept_when_no_test_fails(suite: Suite) -> None:
    suite.test("def test_passing(postgres): pass")

    result = suite.run("--infra-keep=failed")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["infra: 1 service, *0 processes, 0 ports, 0 sockets left"])


@pytest.mark.real("postgres")
def test_in_ci_the_ini_value_infra_keep_has_no_effect(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    suite.test(DATABASE_TESTS)
    monkeypatch.setenv("CI", "true")

    suite.run("-o", "infra_keep=failed", "-k", "failing").assert_outcomes(failed=1, deselected=1)

    assert suite.await_end() == []


def test_an_invalid_value_of_infra_keep_is_reported(suite: Suite) -> None:
    suite.test("def test_it(infra_stack): pass")

    result = suite.run("--infra-keep=all")

    result.stderr.fnmatch_lines(["*infra_keep: 'all' is neither `no` nor `failed`*"])
