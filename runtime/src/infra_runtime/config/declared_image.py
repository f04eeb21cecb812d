"""The table `image` of the stack file: the settings with which images of the user's services are built.

[image]
base = "python:3.13-slim-bookworm"
platforms = ["linux/amd64", "linux/arm64"]
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra_runtime.config.stack_file import StackFile
from infra_runtime.config.validation_errors import configuration_error
from infra_runtime.errors import ConfigurationError

#: the platforms for which images can be built
PLATFORMS = ("linux/amd64", "linux/arm64")


class ImageSettings(BaseModel):
    """The table `image`; the options of `infra workflows build` replace its values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: a path, or a reference to an image in a registry; the digest of such an image can be in `infra.lock`
    base: str = ""
    #: by default, the only platform of the base image
    platforms: tuple[Literal["linux/amd64", "linux/arm64"], ...] = ()
    #: by default, the newest version of the base image
    python: Annotated[str, Field(pattern=r"^(3\.[0-9]+)?$")] = ""
    #: the name of one image of all services
    combined: str = ""
    #: the lock file, relative to the stack file
    lock: str = ""


def declared_image(file: StackFile | None) -> ImageSettings:
    """Return the table `image` of a stack file; the defaults if it has none.

    Raises `ConfigurationError` with the line of a setting that is invalid.
    """
    table = file.values.get("image", {}) if file else {}
    if file and not isinstance(table, dict):
        problem = '`image` should be a table: [image] with `base = "python:3.13-slim"`'
        raise ConfigurationError(problem, where=file.where(("image",)))
    try:
        return ImageSettings.model_validate(table)
    except ValidationError as error:
        assert file  # noqa: S101 - for the type checker
        raise configuration_error(error, ImageSettings, ("image",), file.where) from None
