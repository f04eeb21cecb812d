"""The roles of an image: the user's own services, whose references are replaced by values for the image.

An image is the same in all environments. Therefore, it contains no secrets and no addresses of other
services: it contains only the names of the variables with such values, which must be set when the image runs.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from typing import Any

from infra_runtime.engines.health import health_command
from infra_runtime.engines.references import (
    ALL_ADDRESSES,
    RUN,
    container_of,
    inner_port,
    setting_key,
    working_folder,
)
from infra_runtime.errors import ConfigurationError, UnknownServiceError
from infra_runtime.plan import Plan
from infra_runtime.spec import ServiceSpec, references, substitute
from infra_runtime.value import frozen

#: the folders in an image: of the project, of the dependencies, and of the data that is kept
APP, DEPENDENCIES, DATA = "/app", "/opt/dependencies", "/data"


@frozen
class Role:
    """A service or task in an image."""

    name: str
    command: tuple[str, ...]
    #: the environment variables whose values are the same in all environments
    env: Mapping[str, str]
    #: the names of the environment variables that must be set when the image runs
    variables: tuple[str, ...]
    folder: str
    ports: tuple[int, ...]
    #: a command that exits with 0 when the service is ready; empty without a health check
    health: tuple[str, ...] = ()
    #: the largest number of seconds until the service is ready
    start_timeout: float = 30.0
    stop_signal: str = "SIGTERM"
    has_data: bool = False
    task: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the role for the launcher in the image."""
        return {
            "command": list(self.command),
            "env": dict(self.env),
            "folder": self.folder,
            "health": list(self.health),
            "task": self.task,
        }


def own_services(plan: Plan, names: tuple[str, ...] = ()) -> list[ServiceSpec]:
    """Return those of the user's own services for which images are built, in the order of the plan.

    `names` contains the services to select; empty: all. Services with `image` or `dockerfile` in their table
    `container` are not returned.

    Raises:
        ConfigurationError: a service in `names` already has an image or a Dockerfile, or is not one of the
            user's own services.
        UnknownServiceError: the plan does not contain a service in `names`.
    """
    specs = {spec.name: spec for spec in plan.services}
    for name in names:
        if name not in specs:
            raise UnknownServiceError(name, sorted(specs))
        if problem := _problem(specs[name]):
            raise ConfigurationError(f"{name} {problem}", where=setting_key(name, "container"), hint=_HINT)
    return [spec for spec in plan.services if (not names or spec.name in names) and not _problem(spec)]


_HINT = "Images are built for services with a `command` and without `image` and `dockerfile`."


def _problem(spec: ServiceSpec) -> str:
    container = spec.container
    if spec.kind or spec.image or container is None:
        return "is not one of your own services"
    if container.image:
        return f"already has the image {container.image}"
    if container.dockerfile:
        return f"has the Dockerfile {container.dockerfile}"
    return ""


def role_of(spec: ServiceSpec, python: str) -> Role:
    """Return the role of a service; `python` is the path of the interpreter in the image.

    Raises `ConfigurationError` if the command, the health check or the working directory contains a reference
    whose value is known only when the image runs.
    """
    container = container_of(spec)
    values = {
        "host": ALL_ADDRESSES,
        "stack.service": spec.name,
        "data": DATA,
        "root": APP,
        "run": RUN,
        "bin.python": python,
        **{f"port.{name}": str(inner_port(spec, name)) for name in spec.ports},
    }

    def fixed(field: str) -> Callable[[str], str]:
        def lookup(reference: str) -> str:
            scope, _, name = reference.partition(".")
            if value := values.get(reference) or (name if scope == "bin" else ""):
                return value
            raise ConfigurationError(
                f"{spec.name}: `{field}` contains ${{{reference}}}, which has no value in an image",
                where=setting_key(spec.name, field),
                hint="Put the value into a variable of `env`, which is set when the image runs.",
            )

        return lookup

    def words(texts: tuple[str, ...], field: str) -> tuple[str, ...]:
        return tuple(substitute(text, fixed(field)) for text in texts)

    env = {**spec.env, **container.env}
    constant = {name: text for name, text in env.items() if values.keys() >= {*references(text)}}
    check = health_command(spec)
    health = words(check.words, check.field) if check else ()
    if health[:1] == ("python",):
        health = (python, *health[1:])
    return Role(
        name=spec.name,
        command=words(container.command or spec.command, "command"),
        env={name: substitute(text, fixed("env")) for name, text in sorted(constant.items())},
        variables=tuple(sorted(env.keys() - constant.keys())),
        folder=substitute(working_folder(spec) or "${root}", fixed("cwd")),
        ports=tuple(sorted({inner_port(spec, name) for name in spec.ports})),
        health=health,
        start_timeout=spec.start_timeout,
        stop_signal=signal.Signals(spec.stop[0].signal).name if spec.stop else "SIGTERM",
        has_data=bool(container.data),
        task=spec.task,
    )
