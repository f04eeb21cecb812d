"""The recipes of executables that the stack file declares.

[binaries.mosquitto]
programs = ["mosquitto"]
licence = "EPL-2.0"
debian = ["mosquitto"]

[binaries.tool]
programs = { tool = "tool-*/bin/tool" }
licence = "MIT"
version = "1.2"
archive.linux-x86_64 = { url = "https://…/tool.tar.gz", sha256 = "…" }
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra_runtime.binaries import recipes
from infra_runtime.binaries.recipe import Recipe
from infra_runtime.catalogue import Words
from infra_runtime.config.stack_file import StackFile
from infra_runtime.config.validation_errors import configuration_error
from infra_runtime.errors import ConfigurationError

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]


class ArchiveSettings(BaseModel):
    """An archive for one platform: its URL and its SHA-256."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=r"^https?://")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class RecipeSettings(BaseModel):
    """The settings of one recipe in the stack file: the table `[binaries.NAME]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: the names of the programs, or program → glob pattern of its path in the archive
    programs: tuple[_Name, ...] | Mapping[_Name, str]
    #: the SPDX expression of the licence
    licence: str = Field(min_length=1)
    #: the version of the archives, or of the wheel
    version: str = ""
    #: the name of a distribution whose wheel contains the programs
    wheel: str = ""
    #: packages of Debian
    debian: Words = ()
    #: absolute paths that the programs of the packages contain
    mounts: Words = ()
    #: libraries that the programs do not need although the packages depend on them
    without: Words = ()
    #: platform → archive
    archive: Mapping[str, ArchiveSettings] = {}
    homepage: str = ""
    summary: str = "a recipe of the stack file"


def declared(file: StackFile | None) -> list[Recipe]:
    """Return the recipes of a stack file, in the order of the file; empty without a stack file.

    Raises `ConfigurationError` for an invalid recipe.
    """
    tables = file.values.get("binaries", {}) if file else {}
    if file is None or not tables:
        return []
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        problem = "`binaries` should contain a table for each recipe: [binaries.NAME]"
        raise ConfigurationError(problem, where=file.where(("binaries",)))
    return [_recipe(file, name, table) for name, table in tables.items()]


def _recipe(file: StackFile, name: str, table: Mapping[str, object]) -> Recipe:
    try:
        settings = RecipeSettings.model_validate(table)
    except ValidationError as error:
        raise configuration_error(error, RecipeSettings, ("binaries", name), file.where) from None
    recipe = recipes.decode(name, settings.model_dump(), is_users=True)
    if not recipe.sources:
        problem = f"binaries.{name}: one of `wheel`, `debian` and `archive` is required"
        raise ConfigurationError(problem, where=file.where(("binaries", name)))
    return recipe
