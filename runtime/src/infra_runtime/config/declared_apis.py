"""The APIs that the stack file declares: where each is described, and the snapshot that it must not break.

[api.shop]
snapshot = "openapi.json"
source = "shop.web:app"
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra_openapi import baseline
from infra_openapi.check import Policy
from infra_runtime.config import stack_file
from infra_runtime.config.validation_errors import complaint
from infra_runtime.errors import ConfigurationError, nearest


class ApiSettings(BaseModel):
    """One `[api.NAME]` table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: what is compared with: a file, which `--update` writes, or another source, such as `main:openapi.yaml`
    snapshot: str = Field(min_length=1)
    #: what the API is today: a file, a git revision, a URL, `service:NAME/path`, or a Python app
    source: str = Field(min_length=1)
    #: the file of accepted findings; by default beside the snapshot
    accepted: str | None = None
    preset: str = "default"
    #: rule → level, or `ignore`
    rules: Mapping[str, Literal["breaking", "warning", "info", "ignore"]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """An API with its name, and the directory from which its paths are meant."""

    name: str
    directory: Path
    settings: ApiSettings

    def policy(self) -> Policy:
        """How its changes are judged."""
        settings = self.settings
        own = self.directory / settings.accepted if settings.accepted else None
        found = own or baseline.beside(settings.snapshot, self.directory)
        # Shown as seen from where one stands.
        accepted = Path(os.path.relpath(found)) if found else None
        return Policy(preset=settings.preset, rules=settings.rules, accepted=accepted)


def declared(directory: Path | None = None, names: Sequence[str] = ()) -> list[Api]:
    """The APIs of the stack file that is found from a directory, in its order; or those of `names`.

    Raises:
        ConfigurationError: no stack file declares any, or one of that name, or what it says is wrong.
    """
    start = (directory or Path.cwd()).resolve()
    file = stack_file.find(start)
    tables = file.values.get("api", {}) if file else {}
    if file is None or not tables:
        raise ConfigurationError(
            "no API is declared",
            where=str(file.path) if file else str(start / stack_file.NAME),
            hint='Declare one: [api.NAME] with `snapshot = "openapi.json"` and `source = "shop.web:app"`.',
        )
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        problem = "`api` holds a table for each API: [api.NAME]"
        raise ConfigurationError(problem, where=file.where(("api",)))
    for name in names:
        if name not in tables:
            raise ConfigurationError(
                f"no API is called {name!r}{nearest(name, tables)}", where=str(file.path)
            )
    return [_api(file, name, tables[name]) for name in names or tables]


def _api(file: stack_file.StackFile, name: str, table: Mapping[str, object]) -> Api:
    try:
        settings = ApiSettings.model_validate(table)
    except ValidationError as error:
        raise complaint(error, ApiSettings, ("api", name), file.where) from None
    return Api(name=name, directory=file.path.parent, settings=settings)
