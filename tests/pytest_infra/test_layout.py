"""The plugin is loaded in the projects of its users: its modules must not hide modules of a project."""

from __future__ import annotations

import pytest

from fakes.suite import Suite, service

pytestmark = pytest.mark.nested
NAMES = ("runtime", "cli", "infra", "session", "options", "launch")


@pytest.mark.parametrize("mode", ["prepend", "importlib"])
def test_a_project_can_import_its_packages_with_common_names(suite: Suite, mode: str) -> None:
    suite.stack(service("shop"))
    for name in NAMES:
        suite.pytester.mkpydir(name).joinpath("module.py").write_text(f"NAME = 'project {name}'\n")
    suite.test(
        f"""
        import importlib
        import pytest

        @pytest.mark.parametrize("name", {NAMES})
        def test_it(name, shop):
            assert importlib.import_module(name + ".module").NAME == "project " + name
        """
    )

    result = suite.run(f"--import-mode={mode}", "-o", "pythonpath=.")

    result.assert_outcomes(passed=len(NAMES))


def test_the_plugin_installs_no_module_with_a_common_name(suite: Suite) -> None:
    suite.test(
        f"""
        import importlib.util
        import pytest

        @pytest.mark.parametrize("name", {NAMES})
        def test_it(name):
            assert importlib.util.find_spec(name) is None
        """
    )

    suite.run_in_new_process().assert_outcomes(passed=len(NAMES))
