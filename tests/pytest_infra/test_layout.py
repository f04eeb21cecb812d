"""The plugin loads inside its users' projects: nothing of ours may be called what theirs are called."""

from __future__ import annotations

import pytest

from fakes.suite import Suite, service

NAMES = ("runtime", "cli", "infra", "session", "options", "launch")


@pytest.mark.parametrize("mode", ["prepend", "importlib"])
def test_a_projects_own_packages_stay_its_own(suite: Suite, mode: str) -> None:
    suite.stack(service("shop"))
    for name in NAMES:
        suite.pytester.mkpydir(name).joinpath("mine.py").write_text(f"NAME = 'my {name}'\n")
    suite.test(
        f"""
        import importlib
        import pytest

        @pytest.mark.parametrize("name", {NAMES})
        def test_it(name, shop):
            assert importlib.import_module(name + ".mine").NAME == "my " + name
        """
    )

    result = suite.run(f"--import-mode={mode}", "-o", "pythonpath=.")

    result.assert_outcomes(passed=len(NAMES))


def test_nothing_of_ours_is_importable_under_a_common_name(suite: Suite) -> None:
    suite.test(
        f"""
        import importlib.util
        import pytest

        @pytest.mark.parametrize("name", {NAMES})
        def test_it(name):
            assert importlib.util.find_spec(name) is None
        """
    )

    suite.run().assert_outcomes(passed=len(NAMES))
