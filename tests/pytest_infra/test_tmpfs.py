"""The option and the setting that keep the data of the services on the disk."""

from __future__ import annotations

import pytest

from fakes.suite import Suite, service
from infra_runtime.host import memory

pytestmark = pytest.mark.nested
with_memory = pytest.mark.skipif(memory.obstacle() != "", reason=f"no data in RAM: {memory.obstacle()}")
PRINTS = "def test_it(shop): print('in', shop.data)"


@pytest.fixture
def shop(suite: Suite) -> Suite:
    """A suite with a test that prints the data folder of its service."""
    suite.stack("tmpfs = true\n" + service("shop"))
    suite.test(PRINTS)
    return suite


@with_memory
def test_the_data_of_the_services_are_in_ram_by_default(suite: Suite) -> None:
    suite.stack(service("shop"))
    suite.test(PRINTS)

    result = suite.run("-s")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"*in {memory.TMPFS}/infra-*/services/shop*"])


@pytest.mark.parametrize("option", ["--infra-tmpfs=no", "-oinfra_tmpfs=no"])
def test_the_option_keeps_the_data_on_the_disk(shop: Suite, option: str) -> None:
    result = shop.run("-s", option)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"*in {shop.root}/.data-test/services/shop*"])


def test_the_setting_keeps_the_data_on_the_disk(suite: Suite) -> None:
    suite.stack("use = ['shop']\ntmpfs = false\n" + service("shop"))
    suite.test(PRINTS)

    result = suite.run("-s")

    result.stdout.fnmatch_lines([f"*in {suite.root}/.data-test/services/shop*"])


def test_the_variable_has_priority_over_the_setting(shop: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFRA_TMPFS", "false")

    result = shop.run("-s")

    result.stdout.fnmatch_lines([f"*in {shop.root}/.data-test/services/shop*"])


def test_a_warm_stack_in_ram_is_not_used_by_a_run_with_data_on_the_disk(shop: Suite) -> None:
    shop.run("--infra-reuse-for=60").assert_outcomes(passed=1)

    result = shop.run("-s", "--infra-reuse", "--infra-tmpfs=no")

    result.stdout.fnmatch_lines(
        [
            f"*in {shop.root}/.data-test/services/shop*",
            "infra: the warm stack had another plan (a variable, the interpreter or the setting tmpfs); *",
        ]
    )
    shop.down()


def test_a_value_that_is_neither_yes_nor_no_is_an_error(shop: Suite) -> None:
    result = shop.run("--infra-tmpfs=maybe")

    result.stderr.fnmatch_lines(["ERROR: infra_tmpfs: 'maybe' is neither `yes` nor `no`"])
