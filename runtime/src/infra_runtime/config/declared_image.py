"""The table `image` of the stack file, with the settings for building images of the user's services.

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
    """The settings in the table `image`; the options of `infra workflows build` take precedence over them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: the base image: a path, or a reference to an image in a registry, whose digest `infra.lock` can contain
    base: str = ""
    #: the platforms of the images; empty: the platform of the base image, which must have only one platform
    platforms: tuple[Literal["linux/amd64", "linux/arm64"], ...] = ()
    #: the version of Python; empty: the newest version in the base image
    python: Annotated[str, Field(pattern=r"^(3\.[0-9]+)?$")] = ""
    #: the name of one image that contains all services; empty: each service has its own image
    combined: str = ""
    #: the path of the lock file of the Python packages, relative to the stack file's folder
    lock: str = ""


def declared_image(file: StackFile | None) -> ImageSettings:
    """Return the settings in the table `image` of a stack file; without the table, the defaults.

    Raises `ConfigurationError` with the line of an invalid setting.
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
