"""The hint for a fixture of a wide scope that requests a fixture of function scope."""

from __future__ import annotations

import pytest

from fakes.suite import Suite, service

pytestmark = pytest.mark.nested
WIDE = """
import pytest

@pytest.fixture(scope="{scope}")
def {scope}_{fixture}({fixture}):
    return 1

def test_one_{scope}_{fixture}({scope}_{fixture}): pass
def test_two_{scope}_{fixture}({scope}_{fixture}): pass
"""
#: fixture → the service of its unit
SERVICES = {"shop_front": "shop-front", "valkey_client": "valkey", "postgres_connection": "postgres"}


@pytest.mark.parametrize("scope", ["session", "package", "module"])
def test_the_error_of_a_wide_fixture_that_requests_a_unit_of_one_test_has_a_hint(
    suite: Suite, scope: str
) -> None:
    suite.stack(service("shop-front"))
    suite.test("".join(WIDE.format(fixture=fixture, scope=scope) for fixture in SERVICES))

    result = suite.run()

    result.assert_outcomes(errors=2 * len(SERVICES))
    for fixture, service_name in SERVICES.items():
        prefix = f"infra: `{fixture}` has function scope."
        lines = [line for line in result.outlines if line.startswith(prefix)]
        assert len(lines) == 2
        assert f'`with infra_unit("{service_name}") as ' in lines[0]
        # `infra_scope` has no scope `package`.
        has_advice = fixture == "shop_front" and scope != "package"
        assert (f"`infra_scope = {service_name}: {scope}`" in lines[0]) is has_advice


def test_the_error_for_a_fixture_of_pytest_is_unchanged(suite: Suite) -> None:
    suite.test(WIDE.format(fixture="tmp_path", scope="session"))

    result = suite.run()

    result.assert_outcomes(errors=2)
    result.stdout.no_fnmatch_line("*infra: *")
