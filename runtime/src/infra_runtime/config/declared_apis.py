"""The APIs that the stack file declares: the source and the snapshot of each API's OpenAPI document.

[api.shop]
snapshot = "openapi.json"
source = "shop.web:app"
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra_openapi import baseline
from infra_openapi.check import Policy
from infra_runtime.config import stack_file
from infra_runtime.config.validation_errors import configuration_error
from infra_runtime.errors import ConfigurationError, nearest
from infra_runtime.value import frozen


class ApiSettings(BaseModel):
    """The settings of one API in the stack file: the table `[api.NAME]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: the old document: a file, which `infra dev api-check --update` writes, or another source
    snapshot: str = Field(min_length=1)
    #: the new document: a file, a git revision, a URL, `service:NAME/path`, or a Python app
    source: str = Field(min_length=1)
    #: the file with the accepted findings; by default, a file in the folder of the snapshot, if the snapshot
    #: is a file or is in a git revision
    accepted: str | None = None
    preset: str = "default"
    #: rule → level, or `ignore`
    rules: Mapping[str, Literal["breaking", "warning", "info", "ignore"]] = {}


@frozen
class Api:
    """An API that the stack file declares; relative paths in its settings refer to `directory`."""

    name: str
    directory: Path
    settings: ApiSettings

    def policy(self) -> Policy:
        """Return the preset, the rules and the accepted findings that determine the level of each change."""
        settings = self.settings
        configured = self.directory / settings.accepted if settings.accepted else None
        baseline_file = configured or baseline.default_path(settings.snapshot, self.directory)
        # Messages contain the path relative to the current directory.
        accepted = Path(os.path.relpath(baseline_file)) if baseline_file else None
        return Policy(preset=settings.preset, rules=settings.rules, accepted=accepted)


def declared(directory: Path | None = None, names: Sequence[str] = ()) -> list[Api]:
    """Return the APIs that the stack file in or above a directory declares, in the order of the file.

    If `names` is not empty, return only the APIs with these names, in the order of `names`.

    Raises:
        ConfigurationError: the stack file is missing or invalid, declares no API, or does not declare the
        requested APIs.
    """
    start = (directory or Path.cwd()).resolve()
    file = stack_file.find(start)
    tables = file.values.get("api", {}) if file else {}
    if file is None or not tables:
        raise ConfigurationError(
            "no API is declared",
            where=str(file.path) if file else str(start / stack_file.NAME),
            hint="Declare an API in the stack file: "
            '[api.NAME] with `snapshot = "openapi.json"` and `source = "shop.web:app"`.',
        )
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        problem = "`api` should contain a table for each API: [api.NAME]"
        raise ConfigurationError(problem, where=file.where(("api",)))
    for name in names:
        if name not in tables:
            raise ConfigurationError(f"unknown API {name!r}{nearest(name, tables)}", where=str(file.path))
    return [_api(file, name, tables[name]) for name in names or tables]


def _api(file: stack_file.StackFile, name: str, table: Mapping[str, object]) -> Api:
    try:
        settings = ApiSettings.model_validate(table)
    except ValidationError as error:
        raise configuration_error(error, ApiSettings, ("api", name), file.where) from None
    return Api(name=name, directory=file.path.parent, settings=settings)
