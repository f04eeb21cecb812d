"""The fixture `openapi_snapshot`, with which a test fails if a change of an API is breaking."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_infra import options
from pytest_infra.notes import PREFIX
from pytest_infra.options import UPDATE_OPENAPI as UPDATE

if TYPE_CHECKING:
    from infra_openapi import Report
    from infra_openapi.check import Policy
    from infra_openapi.sources import Opened
    from infra_runtime.config.stack_file import StackFile

#: The file name of the snapshot if neither the test nor the stack file contains another name.
SNAPSHOT = "openapi.json"
_FAILING = {"breaking": {"breaking"}, "warning": {"breaking", "warning"}, "none": set[str]()}


class OpenapiSnapshot:
    """The value of the fixture `openapi_snapshot`; it compares the API of an app with a snapshot file."""

    def __init__(self, config: pytest.Config) -> None:
        self._directory = options.read(config).directory
        self._update = bool(config.getoption(UPDATE))

    def check(
        self,
        app: Any,
        snapshot: str | Path | None = None,
        *,
        api: str | None = None,
        fail_on: str = "breaking",
    ) -> Report:
        """Fail the test if a change since the snapshot is breaking; otherwise return the report.

        `app` is a FastAPI, Litestar, Starlette or Django Ninja app, a document as a mapping, or a source that
        `infra dev api-check` accepts. `snapshot` is a path, relative to the folder of the stack file; if
        the project has no stack file, relative to the folder of the option `--infra-directory` (by default,
        pytest's root directory). Without `snapshot`, the path is in the stack file: `api` selects one of the
        APIs in the file, and is not needed if there is only one. If the stack file has no API, the path is
        `openapi.json`. With `snapshot`, the rules of the stack file are not used. `fail_on` is `breaking`,
        `warning` or `none`. With `--infra-update-openapi`, the snapshot is first replaced by the document of
        `app`. A comparison that is not possible also fails the test.
        """
        from infra_openapi.errors import OpenApiError
        from infra_runtime.errors import InfraError

        if fail_on not in _FAILING:
            raise ValueError(f"fail_on must be one of {', '.join(_FAILING)}, not {fail_on!r}")
        try:
            return self._checked(app, snapshot, api, fail_on)
        except (InfraError, OpenApiError) as error:
            text = "\n".join(filter(None, [f"{PREFIX}could not compare: {error}", error.hint]))
            raise pytest.fail.Exception(text, pytrace=False) from None

    def _checked(self, app: Any, snapshot: str | Path | None, api: str | None, fail_on: str) -> Report:
        from infra_openapi import CompareError, formats
        from infra_openapi.check import check
        from infra_openapi.finding import Level
        from infra_openapi.snapshot import write
        from infra_openapi.sources import Kind, kind_of, open_source

        directory, base, policy = self._declared(snapshot, api)
        revision = _opened(app, self._directory)
        is_file = kind_of(base, directory) is Kind.FILE
        if self._update:
            if not is_file:
                raise CompareError(base, "is not a file, so this run cannot update it")
            write(directory / base, revision.document)
        if is_file and not (directory / base).exists():
            hint = f"Create the snapshot with `pytest {UPDATE}`, and commit it."
            raise CompareError(str(directory / base), "does not exist", hint=hint)
        report = check(open_source(base, directory=directory), revision, policy)
        if report.verdict in _FAILING[fail_on]:
            text = formats.render({"": report}, "text", formats.View(level=Level.WARNING))
            hint = (
                f"If the change is intended, replace the snapshot with `pytest {UPDATE}`, or "
                "accept the finding with `infra dev api-check --accept`."
            )
            change = "a breaking change" if report.verdict == "breaking" else "a change with a warning"
            raise pytest.fail.Exception(
                f"{PREFIX}the API has {change} since its snapshot\n\n{text}\n{hint}", pytrace=False
            )
        return report

    def _declared(self, snapshot: str | Path | None, api: str | None) -> tuple[Path, str, Policy]:
        """Return the settings of an API in the stack file, or the defaults if the stack file is not used.

        The result contains the base directory, the path of the snapshot relative to this directory, and the
        policy (the levels of the rules).
        """
        from infra_openapi import baseline
        from infra_openapi.check import Policy
        from infra_runtime.config import declared_apis, stack_file

        file = stack_file.find(self._directory)
        declared = (
            declared_apis.declared(self._directory, [api] if api else []) if api or _declares(file) else []
        )
        if snapshot is None and len(declared) == 1:
            return declared[0].directory, declared[0].settings.snapshot, declared[0].policy()
        if snapshot is None and declared:
            names = ", ".join(api_settings.name for api_settings in declared)
            raise ValueError(f"the stack file declares several APIs; select one with `api=`: {names}")
        directory, name = file.path.parent if file else self._directory, str(snapshot or SNAPSHOT)
        return directory, name, Policy(accepted=baseline.default_path(name, directory))


def _declares(file: StackFile | None) -> bool:
    return file is not None and bool(file.values.get("api"))


def _opened(app: Any, directory: Path) -> Opened:
    from infra_openapi import CompareError, parse
    from infra_openapi.sources import Opened, open_source
    from infra_openapi.sources.app_schema import schema_of

    if isinstance(app, str | Path):
        return open_source(str(app), directory=directory)
    name = "the document" if isinstance(app, Mapping) else f"the {type(app).__name__} app"
    try:
        text = schema_of(app)
    except TypeError as error:
        raise CompareError(name, str(error)) from error
    return Opened(name=name, document=parse(text, name=name))
