"""Units of the other services: each test has its own, cannot use another's, and leaves nothing.

Each of two workers runs several tests one after another. The tests of PostgreSQL's units run in one process,
too.
"""

from __future__ import annotations

import pytest

from fakes.suite import Suite, service

INI = "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"


def _with_asyncio(suite: Suite) -> None:
    pytest.importorskip("pytest_asyncio")
    suite.with_plugins("asyncio")
    suite.pytester.makeini(INI)


# --- NATS ------------------------------------------------------------------------------------------


@pytest.mark.real("nats")
def test_each_test_has_its_own_streams_and_buckets(suite: Suite) -> None:
    pytest.importorskip("nats")
    _with_asyncio(suite)
    suite.stack("[services.nats]\n")
    suite.test(
        """
        import nats as library, pytest

        @pytest.mark.asyncio
        @pytest.mark.parametrize("number", range(8))
        async def test_it(nats, nats_client, infra_stack, number):
            streams = nats_client.jetstream()
            await streams.add_stream(name="orders", subjects=["orders.*"])
            await streams.publish("orders.new", b"1")
            await streams.create_key_value(bucket="stock")
            assert (await streams.account_info()).streams == 2
            shared = await library.connect(infra_stack.nats.url)
            assert (await shared.jetstream().account_info()).streams == 0
            await shared.close()
            assert nats.password not in repr(nats) + str(nats.describe())
        """
    )

    result = suite.run("-n2")

    result.assert_outcomes(passed=8)
    result.stdout.fnmatch_lines(["infra: 1 service, *0 processes, 0 ports, 0 sockets left"])


@pytest.mark.real("nats")
def test_a_message_does_not_reach_another_unit(suite: Suite) -> None:
    suite.stack("[services.nats]\n")
    suite.test(
        """
        from pytest_infra.services.nats.protocol import NatsConnection

        def test_it(infra_unit):
            with infra_unit("nats") as first, infra_unit("nats") as second:
                publisher, other, subscriber = connections = [
                    NatsConnection(unit.host, unit.port, unit.user, unit.password)
                    for unit in (first, second, first)
                ]
                for connection in connections:
                    connection.send(b"SUB news 9\\r\\nPING\\r\\n")
                    assert connection.line() == b"PONG"
                publisher.send(b"PUB news 2\\r\\nhi\\r\\n")
                assert subscriber.line() == b"MSG news 9 2"
                other.send(b"PING\\r\\n")
                assert other.line() == b"PONG"
                for connection in connections:
                    connection.close()
        """
    )

    suite.run().assert_outcomes(passed=1)


@pytest.mark.real("nats")
def test_a_client_that_a_test_left_open_is_disconnected_before_the_next_test(suite: Suite) -> None:
    suite.stack("[services.nats]\naccounts = 1\n")
    suite.test(
        """
        import pytest
        from pytest_infra.services.nats.protocol import NatsConnection

        left_open = []

        @pytest.mark.parametrize("number", range(3))
        def test_it(nats, number):
            connection = NatsConnection(nats.host, nats.port, nats.user, nats.password)
            assert connection.request("$JS.API.STREAM.NAMES")["streams"] is None
            connection.request("$JS.API.STREAM.CREATE.orders", b'{"name": "orders", "subjects": ["orders"]}')
            for earlier in left_open:
                with pytest.raises((ConnectionError, ValueError)):
                    earlier.request("$JS.API.STREAM.NAMES")
                earlier.close()
            left_open[:] = [connection]

        def test_last(nats):
            left_open[0].close()
        """
    )

    suite.run().assert_outcomes(passed=4)


@pytest.mark.real("nats")
def test_each_connection_of_the_system_account_receives_only_its_own_answers(suite: Suite) -> None:
    """All workers of a run manage their accounts through connections to the same system account."""
    suite.stack("[services.nats]\n")
    suite.test(
        """
        from pytest_infra.services.nats.protocol import NatsConnection

        def test_it(infra_stack):
            nats = infra_stack.nats
            connections = [
                NatsConnection(nats.host, nats.port, "system", nats.account_password) for _ in range(2)
            ]
            for connection in connections:
                connection.request("$SYS.REQ.ACCOUNT.test1.JSZ")
            for connection in connections:
                assert "connections" in connection.request("$SYS.REQ.ACCOUNT.test1.CONNZ")["data"]
                connection.close()
        """
    )

    suite.run().assert_outcomes(passed=1)


# --- Valkey ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["database", "prefix"])
@pytest.mark.real("valkey")
def test_each_test_has_its_own_keys(suite: Suite, variant: str) -> None:
    pytest.importorskip("valkey")
    suite.pytester.makeini(f"[pytest]\nfilterwarnings = error\ninfra_isolation = valkey: {variant}\n")
    suite.stack("[services.valkey]\n")
    suite.test(
        """
        import pytest, valkey as library

        @pytest.mark.parametrize("number", range(8))
        def test_it(valkey, valkey_client, infra_stack, number):
            key = valkey.prefix + "stock"
            assert valkey_client.set(key, number, nx=True)
            assert valkey_client.keys(valkey.prefix + "*") == [key]
            with library.Valkey.from_url(valkey.socket_url) as client:
                assert client.get(key) == str(number).encode()
            for forbidden in ("FLUSHALL", "SWAPDB 0 1", "CONFIG GET save", "ACL LIST", "SHUTDOWN"):
                with pytest.raises(library.exceptions.NoPermissionError):
                    valkey_client.execute_command(*forbidden.split())
            if valkey.prefix:
                with pytest.raises(library.exceptions.NoPermissionError):
                    valkey_client.set("stock", 1)
                with pytest.raises(library.exceptions.NoPermissionError):
                    valkey_client.publish("news", 1)
            assert valkey.password not in repr(valkey)

        def test_a_key_is_set_outside_the_units(infra_stack):
            with library.Valkey.from_url(infra_stack.valkey.url) as client:
                client.set("kept", 1)

        def test_the_release_of_a_unit_removes_only_its_keys(infra_stack, infra_unit):
            with library.Valkey.from_url(infra_stack.valkey.url) as client:
                client.set("kept", 1)
                with infra_unit("valkey") as unit, library.Valkey.from_url(unit.url) as unit_client:
                    for number in range(3000):
                        unit_client.set(f"{unit.prefix}{number}", number)
                    assert unit_client.ping()
                assert client.get("kept") == b"1"
                assert unit.user not in client.acl_users()
                # Units of other workers have keys too, so only the keys with this prefix are checked.
                assert not unit.prefix or not client.keys(unit.prefix + "*")
        """
    )

    suite.run("-n2").assert_outcomes(passed=10)


# --- PocketBase ------------------------------------------------------------------------------------


@pytest.mark.real("pocketbase")
def test_each_test_has_its_own_pocketbase(suite: Suite) -> None:
    pytest.importorskip("httpx")
    migrations = suite.root / "pb_migrations"
    migrations.mkdir()
    (migrations / "1_pets.js").write_text(
        "migrate((app) => app.save(new Collection({name: 'pets', type: 'base', fields: []})))"
    )
    suite.stack('[services.pocketbase]\nmigrations = "${root}/pb_migrations"\n')
    suite.test(
        """
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_it(pocketbase, http_client, number):
            client = http_client("pocketbase")
            login = {"identity": pocketbase.superuser_email, "password": pocketbase.superuser_password}
            token = client.post("/api/collections/_superusers/auth-with-password", json=login).json()["token"]
            client.headers["Authorization"] = token
            assert client.get("/api/collections/pets").status_code == 200
            response = client.post("/api/collections", json={"name": "orders", "type": "base"})
            assert response.status_code == 200, response.text
        """
    )

    result = suite.run("-n2")

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["infra: 1 service, *0 processes, 0 ports, 0 sockets left"])


# --- copies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.real(kind)) for kind in ("caddy", "pocketbase")]
)
def test_a_copy_does_not_have_the_name_of_a_declared_instance(suite: Suite, kind: str) -> None:
    names = f"{kind}-1", f"{kind}-2"
    suite.stack(f"[services.{kind}]\n", *(f'[services.{name}]\nkind = "{kind}"\n' for name in names))
    suite.test(
        f"""
        import pytest

        @pytest.fixture(scope="session")
        def declared(infra_stack):
            services = infra_stack.status().services
            return [(service.name, service.pid) for service in services if service.name in {names}]

        @pytest.mark.parametrize("number", range(2))
        def test_it(infra_stack, declared, {kind}, number):
            pids = {{service.name: service.pid for service in infra_stack.status().services}}
            assert len(declared) == 2
            assert [(name, pids[name]) for name, _ in declared] == declared
            assert {kind}.process not in {{name for name, _ in declared}}
        """
    )

    suite.run().assert_outcomes(passed=2)


# --- services of the user --------------------------------------------------------------------------


def test_the_hook_isolates_a_service_of_the_user(suite: Suite) -> None:
    suite.stack(service("shop-front"), service("other"))
    suite.pytester.makeconftest(
        """
        from contextlib import contextmanager

        @contextmanager
        def tenant(endpoint, label):
            with open("tenants", "a") as file:
                print("+", label, file=file)
            yield {"url": f"{endpoint.url}/tenants/{len(label)}"}
            with open("tenants", "a") as file:
                print("-", label, file=file)

        def pytest_infra_isolate(service, endpoint, label):
            return tenant(endpoint, label) if service == "shop-front" else None
        """
    )
    suite.test(
        """
        def test_one(shop_front, other, infra_stack):
            assert shop_front.url.startswith(infra_stack["shop-front"].url + "/tenants/")
            assert shop_front.port == infra_stack["shop-front"].port
            assert other.url == infra_stack.other.url

        def test_two(shop_front):
            raise ValueError
        """
    )

    suite.run().assert_outcomes(passed=1, failed=1)

    tests = ["test_it.py::test_one", "test_it.py::test_two"]
    lines = (suite.root / "tenants").read_text().splitlines()
    assert lines == [f"{sign} {test}" for test in tests for sign in "+-"]
