"""The URL of a unit or a server in the format of a driver."""

from __future__ import annotations

from string import Formatter

import pytest

from fakes.samples import every
from fakes.suite import Suite
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import ConfigurationError
from infra_runtime.manifest import KINDS
from pytest_infra import kit_registry
from pytest_infra.isolation.unit import Unit
from pytest_infra.label import login_name

URLS = {"acme": "acme://{user}:{password}@{host}/{database}", "http": "{url}"}


def endpoint(**exports: str) -> Endpoint:
    return Endpoint("shelf", exports, {"http": 80}, "", driver_urls=URLS)


def test_exports_are_encoded_except_urls() -> None:
    shelf = endpoint(user="a b", password="p@/:", host="::1", database="x", url="http://x/a?b=c")

    assert shelf.url_for("acme") == "acme://a%20b:p%40%2F%3A@%3A%3A1/x"
    assert shelf.url_for("http") == "http://x/a?b=c"


def test_a_unit_has_the_drivers_of_its_server_and_its_own_exports() -> None:
    unit = Unit(endpoint(url="http://x/"), "one", "a test", url="http://x/one")

    assert unit.url_for("http") == "http://x/one"


def test_an_unknown_driver_is_an_error_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="'odbc'; its drivers are: acme, http") as error:
        endpoint().url_for("odbc")
    assert "one of these drivers" in error.value.hint
    with pytest.raises(ConfigurationError, match="its drivers are: none"):
        Endpoint("shelf", {}, {}, "").url_for("acme")


def test_a_missing_export_is_named() -> None:
    with pytest.raises(ConfigurationError, match="has no export 'user'"):
        endpoint(host="x").url_for("acme")


@every(KINDS)
def test_every_url_of_a_kit_is_built_from_exports(kind: str) -> None:
    kit = kit_registry.find(kind)
    assert kit is not None

    for driver, url in kit.urls.items():
        names = [name for _, name, _, _ in Formatter().parse(url) if name]
        endpoint = Endpoint(kind, dict.fromkeys(names, "x"), {}, "", driver_urls=kit.urls)
        assert "{" not in endpoint.url_for(driver)
        assert names


@pytest.mark.parametrize("test", ["a/test_b.py::test_c[x y-é]", "x" * 100, "::"])
def test_the_name_of_a_user_needs_no_encoding(test: str) -> None:
    name = login_name(test)

    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert 0 < len(name) <= 63


@pytest.mark.real("postgres", "valkey")
def test_units_servers_and_shared_services_have_urls_for_their_drivers(suite: Suite) -> None:
    for module in ("psycopg", "valkey"):
        pytest.importorskip(module)
    suite.stack("[services.postgres]\n", "[services.valkey]\n")
    suite.test(
        """
        import re
        import psycopg, pytest, valkey as library

        @pytest.mark.parametrize("name", ["a b", "::/"])
        def test_it(postgres, valkey, infra_stack, infra_service, name):
            for driver in ("psycopg", "psycopg2", "asyncpg"):
                with psycopg.connect(postgres.url_for(driver)) as connection:
                    assert connection.info.dbname == postgres.database
            assert postgres.url_for("jdbc").startswith(f"jdbc:postgresql://127.0.0.1:{postgres.port}/{postgres.database}?")
            assert infra_stack.postgres.url_for("psycopg") == infra_service("postgres").url_for("psycopg")
            for unit in (postgres, valkey):
                assert re.fullmatch("[A-Za-z0-9._-]+", unit.user)
                assert re.fullmatch("[A-Za-z0-9._-]+", unit.password)
            with library.Valkey.from_url(valkey.url_for("redis")) as client:
                assert client.set("a", 1)

        @pytest.mark.infra_shared
        def test_shared(postgres):
            assert "/postgres" in postgres.url_for("psycopg")
        """
    )

    suite.run().assert_outcomes(passed=3)
