"""What a failed test had of the services is in its capsule, and stays where that is wished."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.suite import Suite

XDIST = pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["serial", "xdist"])
DATABASE = """
import psycopg

def test_bad(postgres):
    with psycopg.connect(postgres.url) as connection:
        connection.execute("create table pets (name text)")
        connection.execute("insert into pets values ('Ada')")
    assert False

def test_good(postgres):
    pass
"""


def capsule(suite: Suite, name: str = "test_it.py.test_bad") -> Path:
    return suite.root / ".data-test" / "capsules" / name


def dumps(suite: Suite, name: str = "test_it.py.test_bad") -> dict[str, str]:
    found: dict[str, str] = json.loads((capsule(suite, name) / "capsule.json").read_text())["dumps"]
    return found


def dump(suite: Suite) -> Any:
    (place,) = dumps(suite).values()
    return json.loads((capsule(suite) / place).read_text())


# --- dumps --------------------------------------------------------------------------------------------


@XDIST
@pytest.mark.real("postgres")
def test_the_database_of_a_failed_test_is_there_as_sql(suite: Suite, arguments: tuple[str, ...]) -> None:
    pytest.importorskip("psycopg")
    suite.test(DATABASE)

    suite.run(*arguments).assert_outcomes(passed=1, failed=1)

    ((unit, place),) = dumps(suite).items()
    text = (capsule(suite) / place).read_text()
    assert "CREATE TABLE public.pets" in text
    assert "\nAda\n" in text
    file = capsule(suite) / "units.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["units"] == [
        {"service": "postgres", "id": unit, "label": "test_it.py::test_bad", "kept": False}
    ]


@pytest.mark.real("valkey")
def test_the_keys_of_a_failed_test_are_there_with_their_values(suite: Suite) -> None:
    pytest.importorskip("valkey")
    suite.stack("[services.valkey]\n")
    suite.test(
        """
        def test_bad(valkey_client):
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

    found = dump(suite)
    assert found["keys"] == 8
    shown = found["shown"]
    assert shown["stock"]["value"] == "7"
    assert 90 < shown["stock"]["ttl"] <= 100
    assert shown["\\xff"]["value"] == "\\xfe"
    assert (shown["long"]["length"], len(shown["long"]["value"])) == (5000, 2000)
    assert (shown["queue"]["length"], len(shown["queue"]["value"])) == (300, 100)
    assert shown["ada"]["value"] == {"age": "3"}
    assert shown["tags"]["value"] == ["a", "b"]
    assert shown["scores"]["value"] == ["ada", "1"]
    assert shown["events"]["value"][0][1] == ["kind", "bought"]


@pytest.mark.real("nats")
def test_the_streams_of_a_failed_test_are_there_with_their_last_messages(suite: Suite) -> None:
    for library in ("nats", "pytest_asyncio"):
        pytest.importorskip(library)
    suite.with_plugins("asyncio")
    suite.pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    suite.stack("[services.nats]\n")
    suite.test(
        """
        async def test_bad(nats_client):
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

    orders = next(it for it in dump(suite) if it["config"]["name"] == "orders")
    assert [it["name"] for it in orders["consumers"]] == ["billing"]
    assert orders["state"]["messages"] == 29
    assert orders["messages"][-1]["data"] == "28"
    assert orders["messages"][-1]["headers"] == ["shop: 1"]
    assert len(orders["messages"]) <= 20


@pytest.mark.real("pocketbase")
def test_the_collections_of_a_failed_test_are_there_without_what_opens_doors(suite: Suite) -> None:
    pytest.importorskip("httpx")
    suite.stack("[services.pocketbase]\n")
    suite.test(
        """
        def test_bad(pocketbase, http_client):
            client = http_client(pocketbase)
            login = {"identity": pocketbase.superuser_email, "password": pocketbase.superuser_password}
            token = client.post("/api/collections/_superusers/auth-with-password", json=login).json()["token"]
            client.headers["Authorization"] = token
            made = {"name": "pets", "type": "base", "fields": [{"name": "name", "type": "text"}]}
            assert client.post("/api/collections", json=made).status_code == 200
            assert client.post("/api/collections/pets/records", json={"name": "Ada"}).status_code == 200
            user = {"email": "ada@example.com", "password": "12345678", "passwordConfirm": "12345678"}
            assert client.post("/api/collections/users/records", json=user).status_code == 200
            assert False
        """
    )

    suite.run().assert_outcomes(failed=1)

    found = {it["name"]: it for it in dump(suite)}
    assert found["pets"]["fields"]["name"] == "text"
    assert [it["name"] for it in found["pets"]["records"]] == ["Ada"]
    (user,) = found["users"]["records"]
    assert (user["email"], user["password"], user["tokenKey"]) == ("ada@example.com", "***", "***")


@pytest.mark.real("caddy")
def test_the_routes_of_a_failed_test_are_there(suite: Suite) -> None:
    suite.stack("[services.caddy]\n")
    suite.test("def test_bad(caddy):\n    caddy.respond('/hello', body='hi')\n    assert False\n")

    suite.run().assert_outcomes(failed=1)

    (route,) = dump(suite)
    assert route["handle"][0]["body"] == "hi"


@pytest.mark.real("postgres")
def test_a_test_that_fails_in_its_set_up_has_dumps_and_one_in_its_tear_down_keeps_them(suite: Suite) -> None:
    pytest.importorskip("psycopg")
    suite.test(
        """
        import pytest

        @pytest.fixture
        def early(postgres):
            raise RuntimeError

        @pytest.fixture
        def late(postgres):
            yield
            raise RuntimeError

        def test_early(early): ...

        def test_late(late):
            assert False
        """
    )

    suite.run().assert_outcomes(failed=1, errors=2)

    for name in ("test_it.py.test_early", "test_it.py.test_late"):
        (place,) = dumps(suite, name).values()
        assert (capsule(suite, name) / place).is_file()


@pytest.mark.real("postgres")
def test_a_dump_that_fails_is_a_line_and_nothing_more(suite: Suite) -> None:
    pytest.importorskip("psycopg")
    suite.test(
        """
        import pytest

        @pytest.fixture
        def frozen(postgres, infra_stack):
            infra_stack.pause("postgres")
            yield
            infra_stack.resume("postgres")

        def test_locked(postgres_connection):
            postgres_connection.execute("create table pets (name text)")
            postgres_connection.commit()
            postgres_connection.execute("lock table pets")
            assert False

        def test_paused(frozen):
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

        def test_bad(postgres):
            with psycopg.connect(postgres.url) as connection:
                connection.execute("create table pets as select generate_series(1, 200000)")
            assert False
        """
    )

    suite.run().assert_outcomes(failed=1)

    (place,) = dumps(suite).values()
    text = (capsule(suite) / place).read_text()
    assert len(text) < 200_000
    assert text.splitlines()[-1].startswith("-- cut after ")


@pytest.mark.real("postgres")
def test_a_report_has_no_line_of_another_workers_database(suite: Suite) -> None:
    pytest.importorskip("psycopg")
    suite.test(
        """
        import psycopg, pytest

        def test_bad(postgres, infra_service):
            another = "infra_test_abcdefgw7_1"
            with psycopg.connect(infra_service("postgres").url, autocommit=True) as connection:
                connection.execute(f"create database {another}")
            urls = postgres.url.replace(postgres.database, another), postgres.url
            for url, text in zip(urls, ["select folly,\\n humbug", "select nonsense"]):
                with psycopg.connect(url) as connection, pytest.raises(psycopg.Error):
                    connection.execute(text)
            assert False
        """
    )

    result = suite.run("--tb=short", "-rN")

    result.stdout.fnmatch_lines(['*/test_it.py::test_bad ERROR:  column "nonsense" does not exist*'])
    result.stdout.no_fnmatch_line("*humbug*")
    assert "\t humbug" in (capsule(suite) / "logs" / "postgres.log").read_text()


# --- --infra-keep -------------------------------------------------------------------------------------


@pytest.fixture
def keeping(suite: Suite) -> Iterator[Suite]:
    """A suite whose stack is ended at last, as `infra runtime down` does it."""
    yield suite
    suite.down()


def names(url: str) -> list[str]:
    import psycopg

    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute("select name from pets").fetchall()]


@XDIST
@pytest.mark.real("postgres")
def test_what_a_failed_test_had_stays_and_is_reached_as_the_summary_says(
    keeping: Suite, arguments: tuple[str, ...]
) -> None:
    pytest.importorskip("psycopg")
    keeping.test(DATABASE)

    result = keeping.run("--infra-keep=failed", *arguments)

    result.assert_outcomes(passed=1, failed=1)
    (line,) = [
        it for it in result.outlines if it.startswith("infra: kept for test_it.py::test_bad: postgres ")
    ]
    assert names(line.split()[-1]) == ["Ada"]
    result.stdout.fnmatch_lines(
        ["infra: passwords are in *units.json", "infra: the stack in *.data-test stays warm for 28800 s; *"]
    )
    assert not [it for it in result.outlines if it.startswith("infra: kept for test_it.py::test_good")]


@pytest.mark.real("valkey")
def test_a_password_is_not_printed_but_in_a_file_for_this_user(keeping: Suite) -> None:
    library = pytest.importorskip("valkey")
    keeping.stack("[services.valkey]\n")
    keeping.test("def test_bad(valkey_client):\n    valkey_client.set('stock', 7)\n    assert False\n")

    result = keeping.run("--infra-keep=failed")

    result.stdout.fnmatch_lines(
        ["infra: kept for test_it.py::test_bad: valkey database-1: redis://*:[*][*][*]@*"]
    )
    file = capsule(keeping) / "units.json"
    (unit,) = json.loads(file.read_text())["units"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert unit["exports"]["password"] not in result.stdout.str()
    with library.Valkey.from_url(unit["exports"]["url"]) as client:
        assert client.get("stock") == b"7"


@XDIST
@pytest.mark.real("postgres")
def test_the_next_run_leaves_alone_what_was_kept(keeping: Suite, arguments: tuple[str, ...]) -> None:
    pytest.importorskip("psycopg")
    keeping.test(DATABASE)
    first = keeping.run("--infra-keep=failed")
    (line,) = [it for it in first.outlines if it.startswith("infra: kept for ")]

    second = keeping.run("test_it.py::test_good", *arguments)

    second.assert_outcomes(passed=1)
    second.stdout.fnmatch_lines(
        ["infra: the warm stack of an earlier run was used, with the units of failed tests that it kept"]
    )
    assert names(line.split()[-1]) == ["Ada"]


@pytest.mark.real("postgres")
def test_a_run_with_another_plan_does_not_end_what_was_kept(keeping: Suite) -> None:
    pytest.importorskip("psycopg")
    keeping.test(DATABASE)
    first = keeping.run("--infra-keep=failed")
    (line,) = [it for it in first.outlines if it.startswith("infra: kept for ")]
    keeping.stack("[services.postgres]\nstart_timeout = 17\n")

    keeping.run("-k", "good").assert_outcomes(passed=1, deselected=1)

    assert names(line.split()[-1]) == ["Ada"]
    assert keeping.supervisors() == 1


def test_services_with_processes_of_their_own_stay_too(keeping: Suite) -> None:
    httpx = pytest.importorskip("httpx")
    keeping.stack("[services.pocketbase]\n", "[services.caddy]\n")
    keeping.test(
        """
        def test_bad(pocketbase, caddy):
            caddy.respond("/hello", body="hi")
            assert False
        """
    )

    keeping.run("--infra-keep=failed").assert_outcomes(failed=1)
    keeping.test("def test_good(pocketbase, caddy): pass")
    keeping.run().assert_outcomes(passed=1)

    units = {it["service"]: it for it in json.loads((capsule(keeping) / "units.json").read_text())["units"]}
    host = {"Host": units["caddy"]["exports"]["host_name"]}
    assert (
        httpx.get(units["pocketbase"]["exports"]["url"] + "/api/health", trust_env=False).status_code == 200
    )
    url = units["caddy"]["exports"]["url"]
    assert httpx.get(url + "/hello", headers=host, trust_env=False).text == "hi"


@pytest.mark.real("postgres")
def test_nothing_stays_when_nothing_fails(suite: Suite) -> None:
    suite.test("def test_good(postgres): pass")

    result = suite.run("--infra-keep=failed")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["infra: 1 service, *0 processes, 0 ports, 0 sockets left"])


@pytest.mark.real("postgres")
def test_in_ci_an_ini_value_keeps_nothing(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    suite.test(DATABASE)
    monkeypatch.setenv("CI", "true")

    suite.run("-o", "infra_keep=failed", "-k", "bad").assert_outcomes(failed=1, deselected=1)

    assert suite.await_end() == []


def test_a_word_that_is_none_is_told(suite: Suite) -> None:
    suite.test("def test_it(infra_stack): pass")

    result = suite.run("--infra-keep=all")

    result.stderr.fnmatch_lines(["*infra_keep: 'all' is neither `no` nor `failed`*"])
