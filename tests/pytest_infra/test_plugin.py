"""Options, ini values, the marker and the environment; a plugin that no test uses or that is switched off."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.suite import Suite, free_port, service

pytestmark = pytest.mark.nested
RECORDS_ENVIRONMENT = """
import os, pathlib
from infra_runtime.config.resolve import is_test_environment
from pytest_infra import is_test_environment as public_name

ENVIRONMENT = os.environ.get("INFRA_ENV"), is_test_environment(), public_name()
"""


def test_the_environment_is_test_in_pytest_and_in_every_process_of_the_stack(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFRA_ENV", "production")
    suite.stack(service("shop"))
    suite.pytester.makeconftest(RECORDS_ENVIRONMENT)
    suite.test(
        """
        from conftest import ENVIRONMENT
        import psutil

        def test_it(shop, request):
            from infra_runtime import attach
            assert ENVIRONMENT == ("test", True, True)
            stack = attach(lease=False)
            status = stack.status()
            stack.close()
            assert status.environment == "test"
            assert psutil.Process(status.services[0].pid).environ()["INFRA_ENV"] == "test"
        """
    )

    suite.run("--import-mode=prepend").assert_outcomes(passed=1)
    suite.run("-n1").assert_outcomes(passed=1)


def test_the_environment_variable_is_restored_after_the_run(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFRA_ENV", "staging")
    suite.test("import os\ndef test_it(): assert os.environ['INFRA_ENV'] == 'test'")
    script = suite.root / "script.py"
    script.write_text(
        "import os, pytest\n"
        "code = pytest.main(['test_it.py'])\n"
        "assert os.environ['INFRA_ENV'] == 'staging'\n"
        "raise SystemExit(code)\n"
    )

    assert suite.pytester.runpython(script).ret == 0


@pytest.mark.parametrize("source", ["option", "ini"])
def test_another_environment_can_be_selected(suite: Suite, source: str) -> None:
    suite.stack(service("shop", port=free_port()))
    suite.test("def test_it(infra_stack): assert infra_stack.status().environment == 'staging'")
    choice = ("--infra-env=staging",) if source == "option" else ("-o", "infra_env=staging")

    suite.run(*choice).assert_outcomes(passed=1)


@pytest.mark.parametrize("choice", [("--infra-env=tset",), ("-o", "infra_env=tset")])
def test_an_environment_that_does_not_exist_is_a_usage_error(suite: Suite, choice: tuple[str, ...]) -> None:
    result = suite.run(*choice)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*tset*development*"])
    result.stderr.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ((), ["db", "shop"]),
        (("--infra-services=db",), ["db"]),
        (("-o", "infra_services=shop, other"), ["shop", "other"]),
        (("-o", "infra_services=shop", "--infra-services", "other db"), ["other", "db"]),
        (("--infra-profile=small",), ["other"]),
        (("-o", "infra_profile=small"), ["other"]),
    ],
    ids=str,
)
def test_options_select_the_services_of_the_stack(
    suite: Suite, choice: tuple[str, ...], expected: list[str]
) -> None:
    suite.stack(
        'use = ["db", "shop"]\nprofiles = { small = ["other"] }',
        service("db"),
        service("shop"),
        service("other"),
    )
    suite.test(f"def test_it(infra_stack): assert sorted(infra_stack.endpoints()) == {sorted(expected)}")

    suite.run(*choice).assert_outcomes(passed=1)


def test_an_option_sets_the_data_directory(suite: Suite, tmp_path: Path) -> None:
    suite.stack(service("shop"))
    suite.test(f"def test_it(infra_stack): assert str(infra_stack.data) == {str(tmp_path / 'data')!r}")

    suite.run(f"--infra-data={tmp_path / 'data'}").assert_outcomes(passed=1)

    assert not (suite.root / ".data-test").exists()


def test_an_ini_value_sets_the_directory_of_the_stack_file(suite: Suite) -> None:
    suite.stack(service("shop"))
    (suite.root / "deploy").mkdir()
    (suite.root / "infra.toml").rename(suite.root / "deploy" / "infra.toml")
    suite.test("def test_it(shop, infra_stack): assert infra_stack.data.parent.name == 'deploy'")

    suite.run("-o", "infra_directory=deploy").assert_outcomes(passed=1)


def test_the_marker_starts_services_without_an_argument(suite: Suite) -> None:
    suite.stack(
        'use = ["db"]\nprofiles = { small = ["other"] }', service("db"), service("shop"), service("other")
    )
    suite.test(
        """
        import pytest
        from infra_runtime import attach

        def running():
            stack = attach(lease=False)
            try:
                return {status.name for status in stack.status().services}
            finally:
                stack.close()

        @pytest.mark.infra("shop")
        def test_named(): assert running() == {"shop"}

        @pytest.mark.infra("shop", profile="small")
        def test_profile(): assert running() == {"shop", "other"}

        @pytest.mark.infra
        def test_whole(): assert running() == {"shop", "other", "db"}
        """
    )

    suite.run("--strict-markers").assert_outcomes(passed=3)


def test_an_idle_plugin_imports_no_heavy_module_and_prints_nothing(suite: Suite) -> None:
    suite.test(
        """
        import sys

        def test_it():
            heavy = {"pydantic", "filelock", "tomllib"}
            assert not heavy & set(sys.modules)
            runtime_modules = {name for name in sys.modules if name.startswith("infra_runtime")}
            assert runtime_modules <= {"infra_runtime", "infra_runtime.manifest", "infra_runtime.value"}
        """
    )

    result = suite.run_in_new_process("-p", "no:xdist")

    result.assert_outcomes(passed=1)
    assert "infra: " not in result.stdout.str()
    assert not (suite.root / ".data-test").exists()


def test_a_pyproject_toml_with_only_a_dependency_on_pytest_infra_is_not_read_as_a_stack_file(
    suite: Suite,
) -> None:
    (suite.root / "pyproject.toml").write_text(
        '[project]\nname = "x"\ndependencies = ["pytest-infra[all]"]\n'
    )
    suite.test("import sys\ndef test_it(): assert 'infra_runtime.config.stack_file' not in sys.modules")

    suite.run_in_new_process().assert_outcomes(passed=1)


def test_the_plugin_can_be_switched_off(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(
        "import os\ndef test_it(request): assert 'INFRA_ENV' not in os.environ\ndef test_two(shop): pass"
    )

    result = suite.run("-p", "no:infra")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*fixture 'shop' not found"])
    assert not (suite.root / ".data-test").exists()
