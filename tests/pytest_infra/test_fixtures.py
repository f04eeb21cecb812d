"""The fixtures of services, and which of several fixtures with the same name a test gets."""

from __future__ import annotations

import pytest

from fakes.suite import Suite, service


@pytest.mark.real("nats", "postgres", "valkey", "caddy", "pocketbase")
def test_without_a_stack_file_the_whole_stack_is_the_five_services(suite: Suite) -> None:
    suite.test(
        """
        def test_it(infra_stack, postgres, nats, valkey, caddy, pocketbase):
            five = {postgres.name, nats.name, valkey.name, caddy.name, pocketbase.name}
            assert len(five) == 5
            assert five <= set(infra_stack.endpoints())
        """
    )

    result = suite.run()

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["infra: ? services, ready in *.?? s; 0 processes, 0 ports, 0 sockets left", "*1 passed*"]
    )


@pytest.mark.real("postgres")
def test_postgres_answers_in_sql(suite: Suite) -> None:
    pytest.importorskip("psycopg")
    suite.test(
        """
        import psycopg

        def test_it(postgres):
            with psycopg.connect(postgres.url) as connection:
                assert connection.execute("select 40 + 2").fetchone() == (42,)
        """
    )

    suite.run().assert_outcomes(passed=1)


def test_a_service_of_the_user_is_a_fixture(suite: Suite) -> None:
    suite.stack(service("shop-front"))
    suite.test(
        """
        import socket

        def test_it(shop_front):
            socket.create_connection((shop_front.host, shop_front.port)).close()
        """
    )

    suite.run().assert_outcomes(passed=1)


@pytest.mark.parametrize("name", ["infra.test.toml", "pyproject.toml"])
def test_a_service_in_an_overlay_file_or_in_pyproject_toml_is_a_fixture(suite: Suite, name: str) -> None:
    table = service("shop")
    if name == "pyproject.toml":
        table = table.replace("[services.", "[tool.infra.services.")
    else:
        suite.stack(service("other"))
    (suite.root / name).write_text(table, encoding="utf-8")
    suite.test("def test_it(shop): assert shop.url.startswith('http://127.0.0.1:')")

    suite.run().assert_outcomes(passed=1)


def test_only_requested_services_and_their_dependencies_are_started(suite: Suite) -> None:
    suite.stack(service("db"), service("shop", more='needs = ["db"]'), service("other"))
    suite.test(
        """
        def test_it(shop, infra_service):
            from infra_runtime import attach
            stack = attach(".data-test", lease=False)
            assert [status.name for status in stack.status().services] == ["db", "shop"]
            stack.close()
            assert infra_service("shop").url == shop.url
        """
    )

    result = suite.run()

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["infra: 2 services, *"])


def test_a_fixture_of_the_project_replaces_that_of_the_plugin(suite: Suite) -> None:
    suite.stack(service("shop"), service("cache"))
    suite.pytester.makeconftest(
        """
        import pytest
        pytest_plugins = ["project_fixtures"]

        @pytest.fixture(scope="session")
        def shop(infra_service):
            return "project at " + infra_service("shop").url
        """
    )
    suite.test("import pytest\n\n@pytest.fixture\ndef postgres(): return 'project'", "project_fixtures")
    suite.test(
        """
        def test_it(shop, postgres, cache):
            assert shop.startswith("project at http://")
            assert postgres == "project"
            assert cache.mkdir  # the fixture of pytest
        """
    )

    suite.run("-p", "project_fixtures").assert_outcomes(passed=1)


EXTENDS = """
import pytest

@pytest.fixture
def shop(shop):
    return "project around " + shop.url

@pytest.fixture
def http_client():
    return "project"
"""
USES_EXTENDED = """
def test_it(shop, http_client):
    assert shop.startswith("project around http://")
    assert http_client == "project"
"""


@pytest.mark.parametrize("where", ["conftest", "module", "pytest_plugins"])
def test_a_fixture_of_the_project_can_request_that_of_the_plugin_by_the_same_name(
    suite: Suite, where: str
) -> None:
    suite.stack(service("shop"))
    if where == "pytest_plugins":
        suite.test(EXTENDS, "project_fixtures")
        suite.pytester.makeconftest('pytest_plugins = ["project_fixtures"]')
    elif where == "conftest":
        suite.pytester.makeconftest(EXTENDS)
    suite.test((EXTENDS if where == "module" else "") + USES_EXTENDED)

    suite.run("-o", "pythonpath=.").assert_outcomes(passed=1)


def test_a_conftest_can_load_the_plugin(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS")
    suite.stack(service("shop"))
    suite.pytester.makeconftest('pytest_plugins = ["pytest_infra.plugin"]')
    suite.test(
        "import os\ndef test_it(shop): assert os.environ['INFRA_ENV'] == 'test' and shop.url", "test_it"
    )

    suite.run().assert_outcomes(passed=1)


def test_a_service_with_the_name_of_a_fixture_of_pytest_is_available_through_infra_service(
    suite: Suite,
) -> None:
    suite.stack(service("request"), service("tmp-path"))
    suite.test(
        """
        def test_it(request, tmp_path, infra_service):
            assert request.config and tmp_path.is_dir()
            assert infra_service("request").url != infra_service("tmp-path").url
        """
    )

    suite.run().assert_outcomes(passed=1)


def test_a_fixture_of_session_scope_can_request_a_service(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(
        """
        import pytest

        @pytest.fixture(scope="session")
        def address(infra_service):
            return infra_service("shop").url

        def test_it(address, shop):
            assert address == shop.url
        """
    )

    suite.run().assert_outcomes(passed=1)


def test_unittest_classes_can_use_services(suite: Suite) -> None:
    suite.stack(service("db"), service("shop"))
    suite.test(
        """
        import unittest
        import pytest

        @pytest.mark.infra("db")
        class TestShop(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _set_url(self, shop):
                self.url = shop.url

            def test_one(self):
                assert self.url.startswith("http://")

            def test_two(self):
                assert self.url.startswith("http://")
        """
    )

    result = suite.run()

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["infra: 2 services, *"])


def test_a_service_that_a_test_stopped_is_started_for_the_next(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(
        """
        import socket

        def test_one(infra_stack, shop):
            infra_stack.stop("shop")

        def test_two(shop):
            socket.create_connection((shop.host, shop.port)).close()
        """
    )

    suite.run().assert_outcomes(passed=2)


@pytest.mark.parametrize("arguments", [("--collect-only",), ("--fixtures",), ("--help",), ("--markers",)])
def test_pytest_options_that_only_print_start_nothing(suite: Suite, arguments: tuple[str, ...]) -> None:
    suite.stack(service("shop"))
    suite.test("def test_it(shop): pass")

    result = suite.run(*arguments)

    assert result.ret == 0
    assert not (suite.root / ".data-test").exists()
    assert "infra" in result.stdout.str() or "test_it" in result.stdout.str()
