"""`openapi_snapshot`: a test fails if the app breaks its snapshot; an option replaces the snapshot."""

from __future__ import annotations

import json

import pytest

from fakes.checks import BROKEN, GROWN, PETS
from fakes.suite import Suite

pytestmark = pytest.mark.nested
CHECKS = "def test_it(openapi_snapshot): openapi_snapshot.check({})"
STACK = 'use = []\n[api.pets]\nsnapshot = "api/openapi.yaml"\nsource = "unused:app"\n'


def write(suite: Suite, **files: str) -> None:
    for name, content in files.items():
        path = suite.root / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def test_a_compatible_app_passes_and_the_report_lists_the_changes(suite: Suite) -> None:
    write(suite, openapi=PETS, current=GROWN)
    suite.test(
        """
        def test_it(openapi_snapshot):
            report = openapi_snapshot.check("current.yaml", "openapi.yaml")
            assert report.verdict == "compatible"
            assert [finding.rule for finding in report.findings] == ["response-property-added"]
        """
    )

    suite.run().assert_outcomes(passed=1)


def test_a_breaking_app_fails_with_the_finding_and_without_a_traceback(suite: Suite) -> None:
    write(suite, openapi=PETS, current=BROKEN)
    suite.test(CHECKS.format("'current.yaml', 'openapi.yaml'"))

    result = suite.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "infra: the API has a breaking change since its snapshot",
            "breaking  response-property-became-optional  current.yaml:*",
            "*in GET /pets, GET /pets/{id}",
            "*replace the snapshot with `pytest --infra-update-openapi`*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_fail_on_warning_fails_with_a_warning_and_does_not_call_it_breaking(suite: Suite) -> None:
    write(suite, openapi=PETS, current=PETS.replace("        age:\n          type: integer\n", ""))
    for fail_on in ("breaking", "warning"):
        suite.test(CHECKS.format(f"'current.yaml', 'openapi.yaml', fail_on={fail_on!r}"), f"test_{fail_on}")

    result = suite.run()

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["infra: the API has a change with a warning since its snapshot"])


def test_fail_on_none_reports_without_failing(suite: Suite) -> None:
    write(suite, openapi=PETS, current=BROKEN)
    for fail_on in ("none", "breaking"):
        suite.test(CHECKS.format(f"'current.yaml', 'openapi.yaml', fail_on={fail_on!r}"), f"test_{fail_on}")

    result = suite.run("-rf")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["FAILED test_breaking.py::*"])


def test_the_document_of_an_app_object_is_compared(suite: Suite) -> None:
    suite.test(
        """
        import asyncio

        class App:
            def openapi(self):
                return {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {}}

        async def served(scope, receive, send):
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b'{"openapi": "3.1.0", "paths": {}}'})

        def test_an_object(openapi_snapshot):
            assert openapi_snapshot.check(App()).findings == ()

        def test_in_a_loop(openapi_snapshot):
            async def inside():
                openapi_snapshot.check(served, "served.json")

            asyncio.run(inside())
        """
    )

    suite.run("--infra-update-openapi").assert_outcomes(passed=2)
    assert json.loads((suite.root / "openapi.json").read_text())["info"]["title"] == "T"
    suite.run().assert_outcomes(passed=2)


def test_a_missing_snapshot_fails_and_the_hint_names_the_option(suite: Suite) -> None:
    """The snapshot is not created implicitly, because a check in CI would then always pass."""
    suite.test("def test_it(openapi_snapshot): openapi_snapshot.check({'openapi': '3.1.0', 'paths': {}})")

    result = suite.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["infra: could not compare: *openapi.json: does not exist", "*--infra-update-openapi*"]
    )
    assert not (suite.root / "openapi.json").exists()


def test_the_option_writes_the_snapshot_and_the_next_run_compares_with_it(suite: Suite) -> None:
    write(suite, current=PETS)
    suite.test(CHECKS.format("'current.yaml', 'openapi.json'"))

    suite.run("--infra-update-openapi").assert_outcomes(passed=1)
    suite.run().assert_outcomes(passed=1)
    write(suite, current=BROKEN)
    suite.run().assert_outcomes(failed=1)
    suite.run("--infra-update-openapi").assert_outcomes(passed=1)
    suite.run("-n2").assert_outcomes(passed=1)


def test_the_default_snapshot_is_that_of_the_only_declared_api(suite: Suite) -> None:
    (suite.root / "infra.toml").write_text(
        STACK + '[api.pets.rules]\nresponse-property-became-optional = "info"\n'
    )
    write(suite, **{"api/openapi": PETS, "current": BROKEN})
    suite.test(CHECKS.format("'current.yaml'"))

    suite.run().assert_outcomes(passed=1)


def test_one_of_several_declared_apis_must_be_selected(suite: Suite) -> None:
    (suite.root / "infra.toml").write_text(STACK + STACK[9:].replace("api.pets", "api.cats"))
    write(suite, **{"api/openapi": PETS, "current": BROKEN})
    suite.test(
        """
        import pytest

        def test_none(openapi_snapshot):
            with pytest.raises(ValueError, match="pets, cats"):
                openapi_snapshot.check("current.yaml")

        def test_one(openapi_snapshot):
            openapi_snapshot.check("current.yaml", api="cats")

        def test_another(openapi_snapshot):
            openapi_snapshot.check("current.yaml", api="dogs")
        """
    )

    result = suite.run()

    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "infra: the API has a breaking change since its snapshot",
            "infra: could not compare: *unknown API 'dogs'*",
        ]
    )


def test_an_accepted_finding_passes(suite: Suite) -> None:
    write(suite, openapi=PETS, current=BROKEN)
    suite.test(
        """
        def test_it(openapi_snapshot):
            report = openapi_snapshot.check("current.yaml", "openapi.yaml", fail_on="none")
            for finding in report.findings:
                with open("openapi.accepted.yaml", "a") as file:
                    file.write(f"- {{fingerprint: '{finding.fingerprint}', reason: r, owner: o}}\\n")
            assert openapi_snapshot.check("current.yaml", "openapi.yaml").verdict == "compatible"
        """
    )

    suite.run().assert_outcomes(passed=1)


def test_an_invalid_app_fails_with_the_reason(suite: Suite) -> None:
    reasons = {
        "3": "builtins.int is not an app",
        "{'a': 1}": "is not OpenAPI",
        "'missing.yaml'": "missing.yaml: the file does not exist",
    }
    write(suite, openapi=PETS)
    for number, app in enumerate(reasons):
        suite.test(CHECKS.format(f"{app}, 'openapi.yaml'"), f"test_{number}")

    result = suite.run()

    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines([f"infra: could not compare: *{reason}*" for reason in reasons.values()])


def test_the_plugin_imports_no_yaml_without_a_check(suite: Suite) -> None:
    suite.test(
        """
        import sys

        def test_it():
            assert not [name for name in sys.modules if name.startswith(("yaml", "infra_openapi"))]
        """
    )

    suite.run_in_new_process().assert_outcomes(passed=1)
