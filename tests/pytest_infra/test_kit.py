"""A kit from another distribution has all features of the shipped kits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fakes import shelf
from fakes.suite import Suite

pytestmark = pytest.mark.nested
STACK = 'use = ["shelf", "books"]\n[services.books]\nkind = "shelf"\n'


@pytest.fixture
def shelves(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A project with the third-party kind `shelf` and a second instance of it."""
    shelf.install(suite.root / "site", monkeypatch)
    suite.stack(STACK)
    return suite


def test_each_test_has_a_unit_of_each_instance_with_a_client(shelves: Suite) -> None:
    shelves.test(
        """
        import pytest

        @pytest.mark.parametrize("number", range(2))
        def test_it(shelf, shelf_client, books, books_client, infra_service, infra_url, number):
            assert shelf_client.call("KEYS") == books_client.call("KEYS") == ""
            shelf_client.call("PUT", "title", "Emma")
            assert (shelf_client.call("GET", "title"), books_client.call("GET", "title")) == ("Emma", "-")
            assert shelf.port != books.port
            assert shelf.by == books.by == "tenant"
            assert infra_service("shelf").url == shelf.url
            assert infra_url(books, "http") == f"http://{books.tenant}:{books.password}@127.0.0.1:{books.port}"
            assert shelf_client.name.endswith(f"test_it[{number}]")

        def test_nothing_is_left(infra_service):
            from shelf_units import leftover
            assert leftover(infra_service("shelf")) == leftover(infra_service("books")) == []
        """
    )

    result = shelves.run()

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["infra: 2 services, *0 processes, 0 ports, 0 sockets left"])


def test_asynchronous_clients_run_in_the_loop_of_the_test(shelves: Suite) -> None:
    pytest.importorskip("pytest_asyncio")
    shelves.with_plugins("asyncio")
    shelves.pytester.makeini(
        "[pytest]\nfilterwarnings = error\n"
        "asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )
    shelves.test("async def test_it(books_async_client): assert books_async_client.call('KEYS') == ''")

    shelves.run().assert_outcomes(passed=1)


def test_variants_and_scopes_are_chosen_for_each_instance(shelves: Suite) -> None:
    shelves.pytester.makeini(
        "[pytest]\nfilterwarnings = error\ninfra_isolation =\n    shelf: process\n    books: off\n"
        "infra_scope = shelf: module\n"
    )
    shelves.test(
        """
        def test_one(shelf, books, infra_service):
            assert shelf.by == "process"
            assert "by" not in books

        def test_two(shelf):
            assert shelf.label == "test_it.py"
        """
    )

    shelves.run().assert_outcomes(passed=2)


def test_an_unknown_variant_is_reported_with_those_of_the_kit(shelves: Suite) -> None:
    shelves.pytester.makeini("[pytest]\ninfra_isolation = books: bubble\n")
    shelves.test("def test_it(books): pass")

    result = shelves.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "books has no variant 'bubble'; choose one of tenant, process, off" in result.stderr.str()


def test_parameters_come_from_the_ini_file_a_fixture_or_the_call(shelves: Suite) -> None:
    shelves.pytester.makeini(
        "[pytest]\nfilterwarnings = error\naddopts = --strict-config\n"
        "infra_shelf_stock = a=1 b=2\ninfra_books_stock = c=3\n"
    )
    shelves.pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def infra_books_stock(infra_books_stock):
            return [infra_books_stock, "d=4"]
        """
    )
    shelves.test(
        """
        import pytest
        from shelf_units import Shelf

        def test_it(shelf_client, books_client, infra_unit):
            assert shelf_client.call("KEYS") == "a b"
            assert books_client.call("KEYS") == "c d"
            with infra_unit("books") as default, infra_unit("books", stock=["e=5"]) as custom:
                keys = []
                for unit in (default, custom):
                    shelf = Shelf(unit)
                    keys.append(shelf.call("KEYS"))
                    shelf.close()
                assert keys == ["c d", "e"]

        def test_a_parameter_that_does_not_exist(infra_unit):
            with pytest.raises(pytest.fail.Exception, match="books have no parameter color.*: stock"):
                infra_unit("books", color="red").__enter__()
        """
    )

    shelves.run().assert_outcomes(passed=2)


def test_the_error_for_a_missing_client_library_has_the_command_that_installs_it(shelves: Suite) -> None:
    shelves.test("def test_it(books_odd_client): pass")

    result = shelves.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*books_odd_client needs no-such-library: python -m pip install 'shelf-client'*"]
    )


FAILS = """
def test_failing(books, books_client):
    books_client.call("PUT", "{key}", "1")
    assert False
"""


def _capsule(suite: Suite) -> Path:
    return suite.root / ".data-test" / "capsules" / "test_it.py.test_failing"


def test_the_unit_of_a_failed_test_is_dumped_without_its_password(shelves: Suite) -> None:
    shelves.test(FAILS.format(key="emma"))

    result = shelves.run()

    result.assert_outcomes(failed=1)
    capsule = json.loads((_capsule(shelves) / "capsule.json").read_text())
    ((unit, file),) = capsule["dumps"].items()
    assert (_capsule(shelves) / file).read_text() == "emma"
    log = (_capsule(shelves) / "logs" / "books.log").read_text()
    assert f"LOGIN {unit} ***" in log
    assert "secret-of-" not in log + result.stdout.str()


def test_a_dump_that_fails_is_one_line_without_the_password(shelves: Suite) -> None:
    shelves.test(FAILS.format(key="broken"))

    shelves.run().assert_outcomes(failed=1)

    capsule = json.loads((_capsule(shelves) / "capsule.json").read_text())
    assert list(capsule["dumps"].values()) == ["no dump: cannot read it as ***"]


@pytest.mark.parametrize("options", [(), ("-n1",)], ids=["serial", "xdist"])
def test_the_unit_of_a_failed_test_is_kept_and_not_counted(shelves: Suite, options: tuple[str, ...]) -> None:
    shelves.test(FAILS.format(key="emma"))

    result = shelves.run("--infra-keep=failed", *options)

    shelves.down()
    result.stdout.fnmatch_lines(
        [
            "infra: kept for test_it.py::test_failing: books test-*: shelf://127.0.0.1:*",
            "infra: the stack in * stays warm for *; 0 units left",
        ]
    )


def test_a_unit_that_cannot_be_kept_is_reported_with_the_reason(shelves: Suite) -> None:
    kit = shelves.root / "site" / "shelf_kit.py"
    kit.write_text(
        kit.read_text().replace('dump="shelf_units:dump",', 'unkeepable="a tenant ends with its client",')
    )
    shelves.test(FAILS.format(key="emma"))

    result = shelves.run("--infra-keep=failed")

    result.stdout.fnmatch_lines(
        [
            "infra: not kept for test_it.py::test_failing: books: a tenant ends with its client",
            "infra: 1 service, *0 processes, 0 ports, 0 sockets left",
        ]
    )


def test_a_unit_that_was_not_removed_is_named(shelves: Suite) -> None:
    from infra_runtime.engines.local import engine as stacks

    shelves.test("from shelf_units import REMOVED\ndef test_it(books): REMOVED.add(books.id)")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(shelves.root / "site"))
        from infra_runtime import catalogue

        catalogue.joined.cache_clear()
        with stacks.start("books", directory=shelves.root, environment="test"):
            result = shelves.run("--infra-strict")
        catalogue.joined.cache_clear()

    result.stdout.re_match_lines([r"infra: the stack in .*; 1 unit left \(test-\w+-1\)$"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "raise RuntimeError('an error in the module')",
            "cannot be loaded: RuntimeError('an error in the module'); update",
        ),
        ("KIT = {}", "has the type dict, but must be a pytest_infra.ServiceKit"),
    ],
    ids=["import", "type"],
)
def test_a_kit_that_cannot_be_loaded_is_a_usage_error(shelves: Suite, text: str, reason: str) -> None:
    (shelves.root / "site" / "shelf_kit.py").write_text(text)
    shelves.test("def test_it(books): pass")

    result = shelves.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"the kit 'shelf' (shelf_kit:KIT of shelf) {reason}" in result.stderr.str()
    result.stderr.no_fnmatch_line("*Traceback*")


def test_the_hook_isolates_a_kind_without_a_kit(shelves: Suite) -> None:
    points = shelves.root / "site" / "shelf-1.0.dist-info" / "entry_points.txt"
    points.write_text(points.read_text().partition("[infra.kits]")[0])
    shelves.pytester.makeconftest(
        """
        from contextlib import nullcontext

        def pytest_infra_isolate(service, endpoint, label):
            return nullcontext({"url": endpoint.url + "/" + label}) if service == "books" else None
        """
    )
    shelves.test("def test_it(books): assert books.url.endswith('/test_it.py::test_it')")

    shelves.run().assert_outcomes(passed=1)
