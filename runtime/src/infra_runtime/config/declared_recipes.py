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

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from infra_runtime.binaries import recipes
from infra_runtime.binaries.recipe import Recipe
from infra_runtime.catalogue import Words
from infra_runtime.config.stack_file import StackFile
from infra_runtime.config.validation_errors import configuration_error
from infra_runtime.errors import ConfigurationError

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]

#: a relative path without `..`
_PATH = r"^\.?[\w@+-]+(\.[\w@+-]+)*(/\.?[\w@+-]+(\.[\w@+-]+)*)*$"


class ArchiveSettings(BaseModel):
    """An archive for one platform: its URL and its SHA-256 hash."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=r"^https?://")
    sha256: Annotated[str, StringConstraints(to_lower=True, pattern=r"^[0-9A-Fa-f]{64}$")]

    @field_validator("url")
    @classmethod
    def _without_login(cls, url: str) -> str:
        if "@" in url.partition("://")[2].partition("/")[0]:
            raise ValueError("the URL contains a user or a password; write them to ~/.netrc instead")
        return url


class GoSettings(BaseModel):
    """Programs of a Go module: the table `[binaries.NAME.go]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    module: str = Field(pattern=r"^[^\s-][^\s]*$")
    #: options of `go build`
    flags: tuple[Annotated[str, Field(pattern=r"^-")], ...] = ()
    #: module → `MODULE VERSION` that replaces this module
    replace: Mapping[str, Annotated[str, Field(pattern=r"^\S+ v\S+$")]] = {}
    #: path in the module → the text of a file that is added or replaced
    files: Mapping[Annotated[str, Field(pattern=_PATH)], str] = {}


class RecipeSettings(BaseModel):
    """The settings of one recipe in the stack file: the table `[binaries.NAME]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: the names of the programs; or a table from the name of a program to the glob pattern of its path in the
    #: archive (with `maven`, to the name of its main class; with `go`, to the import path of its package)
    programs: Annotated[tuple[_Name, ...] | Mapping[_Name, str], Field(min_length=1)]
    #: the SPDX expression of the licence
    licence: str = Field(min_length=1)
    #: the version of the archives, the wheel, the Go module or the npm package
    version: str = Field("", pattern=r"^([^\s-]\S*)?$")
    #: the name of a distribution whose wheel contains the programs
    wheel: str = Field("", pattern=r"^([A-Za-z0-9][\w.-]*)?$")
    #: the names of Debian packages
    debian: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]+$")], ...] = ()
    #: the codename of the Debian release that contains the packages, such as `trixie`
    release: str = Field("", pattern=r"^[a-z]*$")
    #: absolute paths in the code of the programs, at which files of the packages must be mounted
    mounts: tuple[Annotated[str, Field(pattern=rf"^/{_PATH[1:]}")], ...] = ()
    #: whether the programs do not start without `mounts`
    mounts_required: bool = False
    #: libraries that are not installed: the packages depend on them, but the programs do not need them
    without: Words = ()
    #: environment variable → the folder of the packages that is its value, such as `usr/share/proj`
    variables: Mapping[
        Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], Annotated[str, Field(pattern=_PATH)]
    ] = {}
    #: path of a link in the packages → the name of its target, a file in the folder of the link
    links: Mapping[Annotated[str, Field(pattern=_PATH)], _Name] = {}
    #: artefacts of a Maven repository: `GROUP:ARTEFACT:VERSION`
    maven: tuple[Annotated[str, Field(pattern=r"^[\w.-]+(:[\w.-]+){2}$")], ...] = ()
    #: the oldest major version of Java that runs the programs of `maven`
    java: int | None = Field(None, ge=8, le=99)
    #: programs of a Go module, which are built on this machine
    go: GoSettings | None = None
    #: a package of the npm registry
    npm: str = Field("", pattern=r"^(@?[\w.-]+(/[\w.-]+)?)?$")
    #: platform → archive
    archive: Mapping[str, ArchiveSettings] = {}
    #: the major version of the programs, if other recipes install other major versions; otherwise 0
    major: int = Field(0, ge=0, le=999)
    #: features, such as extensions, that the programs of other recipes may not have
    features: Words = ()
    homepage: str = ""
    summary: str = "a recipe of the stack file"


def declared(file: StackFile | None) -> list[Recipe]:
    """Return the recipes of a stack file, in the order of the file; without a stack file, an empty list.

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
    targets = "main class" if settings.maven else "package" if settings.go else ""
    if targets and not (isinstance(settings.programs, Mapping) and all(settings.programs.values())):
        problem = f"binaries.{name}.programs: a table from program to {targets} is required"
        raise ConfigurationError(problem, where=file.where(("binaries", name)))
    recipe = recipes.decode(name, settings.model_dump(), is_users=True)
    if problem := recipes.problem(recipe):
        raise ConfigurationError(f"binaries.{name}: {problem}", where=file.where(("binaries", name)))
    if not recipe.sources:
        problem = f"binaries.{name}: one of `wheel`, `debian`, `maven`, `go`, `npm` and `archive` is required"
        raise ConfigurationError(problem, where=file.where(("binaries", name)))
    return recipe
