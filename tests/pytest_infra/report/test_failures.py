"""Services that do not start: the output has the reason once, in a few lines, without a traceback."""

from __future__ import annotations

import socket

import pytest

from fakes.suite import Suite, service

pytestmark = pytest.mark.nested
EXITS_AT_ONCE = "--exit-after", "0.01", "--status", "3", "--deaf"

THREE_TESTS = "def test_one(shop): pass\ndef test_two(shop): pass\ndef test_three(infra_stack): pass\n"


def occurs_once(text: str, result: pytest.RunResult) -> bool:
    return result.stdout.str().count(text) == 1


def test_a_service_that_does_not_start_is_reported_once_with_the_end_of_its_log(suite: Suite) -> None:
    suite.stack(service("shop", *EXITS_AT_ONCE))
    suite.test(THREE_TESTS)

    result = suite.run("-rN")

    result.assert_outcomes(errors=3)
    assert occurs_once("the last lines of shop's log", result)
    assert occurs_once("| server on", result)
    assert occurs_once("The complete log: ", result)
    lines = result.stdout.str().splitlines()
    assert sum(line.endswith("(see the error of test_it.py::test_one)") for line in lines) == 2
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*.py:*: *")
    result.stdout.fnmatch_lines(["infra: 1 service, never ready; 0 processes, 0 ports, 0 sockets left"])


def test_a_stack_that_does_not_start_is_reported_once(suite: Suite) -> None:
    suite.stack(service("shop", *EXITS_AT_ONCE))
    suite.test("def test_one(infra_stack): pass\ndef test_two(infra_stack): pass\n")

    result = suite.run("-rN")

    result.assert_outcomes(errors=2)
    assert occurs_once("the last lines of shop's log", result)
    assert occurs_once("(see the error of test_it.py::test_one)", result)


def test_the_error_of_a_service_that_needs_a_failed_one_is_reported_once(suite: Suite) -> None:
    suite.stack(service("db", *EXITS_AT_ONCE), service("shop", more='needs = ["db"]'), service("other"))
    suite.test("def test_one(shop): pass\ndef test_two(db): pass\ndef test_three(other): pass\n")

    result = suite.run("-rN")

    result.assert_outcomes(errors=2, passed=1)
    assert occurs_once("the last lines of db's log", result)
    result.stdout.fnmatch_lines(["infra: db: exited with status 3 * (see the error of test_it.py::test_one)"])


def test_each_worker_reports_a_failed_service_at_most_once(suite: Suite) -> None:
    suite.stack(service("shop", *EXITS_AT_ONCE))
    suite.test(
        "import pytest\n\n@pytest.mark.parametrize('number', range(8))\ndef test_it(shop, number): pass\n"
    )

    result = suite.run("-n2", "-rN")

    result.assert_outcomes(errors=8)
    assert 1 <= result.stdout.str().count("the last lines of shop's log") <= 2


def use_missing_executable(suite: Suite) -> None:
    suite.stack('use = ["nats"]', '[services.nats]\nbinary = "nowhere/nats-server"\n')
    suite.test("def test_one(nats): pass\ndef test_two(nats): pass\ndef test_three(): pass\n")


def test_tests_without_their_executable_are_skipped_and_the_summary_has_the_reason(suite: Suite) -> None:
    use_missing_executable(suite)

    result = suite.run()

    result.assert_outcomes(skipped=2, passed=1)
    result.stdout.fnmatch_lines(
        ["infra: 2 tests skipped: nats-server: not found; searched: *nowhere*install *pytest-infra?nats?*"]
    )


def test_tests_without_their_executable_fail_in_ci(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    use_missing_executable(suite)
    monkeypatch.setenv("CI", "true")

    result = suite.run("-rN")

    result.assert_outcomes(errors=2, passed=1)
    assert occurs_once("pip install 'pytest-infra[nats]'", result)


def test_the_error_for_a_taken_port_names_the_process_that_uses_it(suite: Suite) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        suite.stack(service("shop", port=port))
        suite.test("def test_it(shop): pass")

        result = suite.run("--infra-env=development")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [f"infra: shop: port {port} is taken by *", "Stop this process, or set another port for shop*"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_mistake_in_the_stack_file_fails_only_the_tests_that_need_it(suite: Suite) -> None:
    suite.stack(service("shop", more="neds = []"))
    suite.test("def test_one(shop): pass\ndef test_two(): pass\n")

    result = suite.run("-rN")

    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["infra: *infra.toml:5: *neds*needs*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*.py:*: *")


def test_a_stack_file_that_is_not_toml_fails_only_the_tests_that_need_it(suite: Suite) -> None:
    (suite.root / "infra.toml").write_text("use = [\n")
    suite.test("def test_one(infra_stack): pass\ndef test_two(): pass\n")

    result = suite.run("-rN")

    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["infra: *infra.toml: the file is not TOML*"])


def test_an_unknown_service_fails_only_the_tests_that_name_it(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(
        """
        import pytest

        @pytest.mark.infra("shopp")
        def test_marker(): pass

        def test_fixture(infra_service):
            infra_service("postgre")

        @pytest.mark.infra(service="shop")
        def test_wrong_argument(): pass

        def test_existing(shop): pass
        """
    )

    result = suite.run("-rN")

    result.assert_outcomes(errors=2, failed=1, passed=1)
    result.stdout.fnmatch_lines(["infra: this stack has no service 'shopp'; did you mean 'shop'[?]"])
    result.stdout.fnmatch_lines(["infra: this stack has no service 'postgre'; did you mean 'postgres'[?]"])
    result.stdout.fnmatch_lines(["*the marker `infra` takes names of services and `profile`, not service"])
    result.stdout.no_fnmatch_line("*Traceback*")
