"""The settings of a user's own service in the stack file, and the function that creates a spec from them."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from infra_runtime.catalogue import Entry, Port, Seconds, VariableName, Words
from infra_runtime.contributions import Alert, Contribution, Contributions, Log, Metrics, Route, Variables
from infra_runtime.errors import nearest
from infra_runtime.services.readiness import Argv, Ready
from infra_runtime.spec import (
    Container,
    Default,
    Probe,
    ServiceSpec,
    StopStep,
    TcpProbe,
    merged,
    references,
    rename,
    texts,
)
from infra_runtime.value import frozen


def _text(value: Any) -> Any:
    # `PORT = 8000` has only one obvious text; `true` does not (`true`, `True` or `1`).
    if isinstance(value, bool):
        raise ValueError(  # noqa: TRY004 - pydantic does not convert a TypeError
            'the value of an environment variable must be a string: write "true" or "1"'
        )
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_text)]
#: the size of a volume, in the notation of Kubernetes
Storage = Annotated[str, Field(pattern=r"^[1-9][0-9]*(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$")]


class Stop(BaseModel):
    """A step in the key `stop`: a signal, and the seconds until the next step; SIGKILL follows the last."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    signal: str = "SIGTERM"
    seconds: Seconds = 10.0
    #: whether all processes of the session get the signal, or only the first process
    group: bool = True

    @field_validator("signal")
    @classmethod
    def _known(cls, name: str) -> str:
        full = name.upper() if name.upper().startswith("SIG") else f"SIG{name.upper()}"
        if full not in signal.Signals.__members__:
            raise ValueError(
                f"unknown signal {name!r}; use a signal such as SIGTERM, SIGINT, SIGQUIT, SIGHUP"
            )
        return full

    def step(self) -> StopStep:
        """Return this stop step as a value of the spec."""
        return StopStep(signal=signal.Signals[self.signal], seconds=self.seconds, group=self.group)


class ContainerHealth(BaseModel):
    """The keys of the table `container` for services with `command` and for services with `image`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: a command of the image that exits with 0 when the service is ready
    health: Argv | None = None
    #: the program of the image that sends a health check made from `ready`
    health_client: Literal["python", "curl", "wget"] | None = None
    #: whether clients outside the stack can use the ports in staging and production, too
    public: bool = False
    #: the number of containers in a Kubernetes cluster; the default depends on the environment
    replicas: Annotated[int, Field(ge=1, le=1000)] | None = None
    #: the size of the volume for the data, in the notation of Kubernetes
    storage: Storage = "10Gi"
    #: the numeric id of the user in the image; this user must not be root
    uid: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None

    @model_validator(mode="after")
    def _one_check(self) -> Self:
        if self.health and self.health_client:
            raise ValueError(
                "set only one of `health` (a whole command) and `health_client` (the program of a command)"
            )
        return self


class UserContainer(ContainerHealth):
    """The table `container` of a service: an existing image, or a folder from which an image is built."""

    image: str | None = None
    #: the folder from which the image is built, relative to the stack file
    build: str | None = None
    #: the path of the Dockerfile, relative to `build`
    dockerfile: str | None = None
    #: the command line in the container, if it differs from the key `command` of the service
    command: Argv | None = None
    #: the folder in the image that contains the same files as the stack file's folder
    root: str = ""

    @model_validator(mode="after")
    def _one_image(self) -> UserContainer:
        if self.image and (self.build or self.dockerfile):
            raise ValueError("a container must have either `image`, or `build` with a `dockerfile`")
        if self.root and not self.root.startswith("/"):
            raise ValueError(
                f"`root`, the project's folder in the image, should be an absolute path, not {self.root!r}"
            )
        return self


#: the folder of the project in a generated image, and the folder for `${data}` in a container
CONTAINER_ROOT, CONTAINER_DATA = "/app", "/data"
#: the user in a generated image
CONTAINER_UID = 10001


def _container(settings: UserServiceSettings, cwd: str) -> Container:
    """Return the container of a service for its spec.

    If the settings contain neither `image`, `build` nor `dockerfile`, pytest-infra generates a Dockerfile for
    Python.
    """
    table = settings.container or UserContainer()
    generated = not (table.image or table.build or table.dockerfile)
    command = table.command or settings.command
    probe = settings.probe()
    has_data = any("${data}" in text for text in texts((command, settings.env, cwd, probe, table.health)))
    return Container(
        image=table.image or "",
        build="" if table.image else table.build or ".",
        dockerfile="" if generated else table.dockerfile or ("" if table.image else "Dockerfile"),
        entrypoint=(),
        command=command,
        env=settings.env,
        root=table.root or (CONTAINER_ROOT if generated else ""),
        data=CONTAINER_DATA if has_data else "",
        ports=settings.ports,
        health=table.health or (),
        health_client=table.health_client or ("python" if generated else ""),
        public=table.public,
        replicas=table.replicas or 0,
        storage=table.storage,
        uid=table.uid or (CONTAINER_UID if generated else 0),
    )


def _path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


def _format(value: Any) -> Any:
    return {"format": value} if isinstance(value, str) else value


def _several(value: Any) -> Any:
    return [value] if isinstance(value, Mapping) else value


class OwnServiceSettings(BaseModel):
    """The keys of a user's own service (a service with a `command` or an `image` in the stack file)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: str = ""
    env: Mapping[VariableName, Text] = {}
    needs: Words = ()
    ports: Mapping[str, Port] = {}
    ready: Ready | None = None
    exports: Mapping[str, str] = {}
    #: the names of variables, options and exports that contain secrets, if the names do not suggest a secret
    sensitive: Words = ()
    #: the requests that a proxy forwards to this service
    route: Annotated[Route, BeforeValidator(_path)] | None = None
    metrics: Annotated[Metrics, BeforeValidator(_path)] | None = None
    alert: Annotated[tuple[Alert, ...], BeforeValidator(_several)] = ()
    log: Annotated[Log, BeforeValidator(_format)] | None = None
    #: whether the service gets the environment variables for sending traces, logs and metrics to the
    #: telemetry service
    telemetry: bool = True
    task: bool = False
    watch: Words = ()
    start_timeout: Seconds = 30.0
    stop: Annotated[tuple[Stop, ...], BeforeValidator(_several), Field(min_length=1)] = (Stop(seconds=10.0),)
    restart: Literal["on-failure", "always", "never"] = "on-failure"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.task and self.ready:
            raise ValueError("a task cannot have `ready`, because a task is complete when it exits with 0")
        if self.route and not self.ports:
            raise ValueError("a service with a `route` needs a port: ports = { http = 8000 }")
        if self.ready and not self.ready.exec:
            self._port("ready", self.ready.port)
        if self.metrics and self._metrics_port(self.metrics) not in self.ports:
            port = self.metrics.port
            raise ValueError(
                f"`metrics` uses the port {port!r}, which is not in `ports`{nearest(port, self.ports)}"
            )
        return self

    def _port(self, key: str, name: str | None) -> str:
        """Return the name of the port that a setting uses: `name`, or if it is None, the service's only port.

        `key` is the name of the setting, for the error message.
        """
        if name:
            return name
        if len(self.ports) != 1:
            names = ", ".join(self.ports) or "none"
            raise ValueError(
                f"the key `{key}` needs the key `port`, the name of one of the service's ports: {names}"
            )
        return next(iter(self.ports))

    def _metrics_port(self, metrics: Metrics) -> str:
        return self._port("metrics", metrics.port or ("http" if "http" in self.ports else None))

    def probe(self) -> Probe | None:
        """Return the probe from the key `ready`; if `ready` is missing, a TCP probe for the first port.

        The result is None if `ready` is missing, and the service has no ports or is a task.
        """
        if self.ready is None:
            return TcpProbe(port=next(iter(self.ports))) if self.ports and not self.task else None
        return self.ready.probe("" if self.ready.exec else self._port("ready", self.ready.port))

    def contributions(self) -> Iterator[Contribution]:
        """Yield the contributions of this service to other services, such as a route for a proxy."""
        if self.route:
            yield Contribution(key="route", value=self.route)
        if self.metrics:
            port, subject = self._metrics_port(self.metrics), self.metrics.subject or "application"
            metrics = replace(self.metrics, port=port, subject=subject)
            yield Contribution(key="metrics", value=metrics)
        yield from (Contribution(key="alert", value=alert) for alert in self.alert)
        if self.log:
            yield Contribution(key="log", value=self.log)

    def spec(self, command: tuple[str, ...]) -> ServiceSpec:
        """Return the spec of the service: its command is `command`, and the keys determine the other fields.

        The service exports `host`, `port` (the first port), a `NAME_port` for each port, and `url` if a port
        has the name `http`.
        """
        exports = {"host": "${host}"}
        for port in self.ports:
            exports.setdefault("port", f"${{port.{port}}}")
            exports[f"{port}_port"] = f"${{port.{port}}}"
        if "http" in self.ports:
            exports["url"] = "http://${host}:${port.http}"
        return ServiceSpec(
            name="",
            summary=self.summary or "your own",
            command=command,
            env=self.env,
            ports=self.ports,
            ready=self.probe(),
            exports={**exports, **self.exports},
            needs=self.needs,
            start_timeout=self.start_timeout,
            stop=tuple(step.step() for step in self.stop),
            restart="never" if self.task else self.restart,
            task=self.task,
            watch=self.watch,
        )


class UserServiceSettings(OwnServiceSettings):
    """The keys of a service that the stack file describes with a `command` and without an `image`."""

    command: Argv
    cwd: str = "${root}"
    #: the settings of the service in a container, for engines that run containers
    container: UserContainer | None = None


@frozen
class OfferedVariables:
    """The environment variables of a service, with the variables that other services offer."""

    env: Mapping[str, str]
    env_defaults: tuple[Default, ...] = ()
    sensitive: tuple[str, ...] = ()


def with_variables(env: Mapping[str, str], contributions: Contributions) -> OfferedVariables:
    """Return the environment variables of a service: `env`, and the variables that other services offer."""
    offers = [offer for offer in contributions if isinstance(offer.value, Variables)]
    offered = [default for offer in offers for default in _offered(offer, env)]
    return OfferedVariables(
        env=merged(env, offered, {}),
        env_defaults=tuple(default for default in offered if default.name not in env),
        sensitive=tuple(name for offer in offers for name in offer.value.sensitive),
    )


def _offered(offer: Contribution, env: Mapping[str, str]) -> Iterator[Default]:
    """Yield the variables of a contribution, with references to the exports of its service.

    The conditions in `unless` are ignored if they are about variables in `env` that refer to this service,
    for example to another port of it.
    """
    related_names = {
        name
        for name, text in env.items()
        if any(reference.startswith(f"{offer.service}.") for reference in references(text))
    }
    for default in offer.value.defaults:
        yield replace(
            default,
            value=rename(default.value, partial(_export_of, offer.service)),
            unless=tuple(
                condition for condition in default.unless if condition.partition("=")[0] not in related_names
            ),
        )


def _export_of(service: str, reference: str) -> str:
    return reference if reference.startswith("stack.") else f"{service}.{reference}?"


def user_service(settings: UserServiceSettings, contributions: Contributions = ()) -> ServiceSpec:
    """Return the spec of a user's own service, which has a `command` in the stack file."""
    # A relative `cwd` is relative to the folder of the stack file, not to the working directory of a process.
    cwd = settings.cwd if settings.cwd.startswith(("/", "${")) else f"${{root}}/{settings.cwd}"
    variables = with_variables(settings.env, contributions if settings.telemetry else ())
    return replace(
        settings.spec(settings.command),
        env=variables.env,
        env_defaults=variables.env_defaults,
        sensitive=variables.sensitive,
        cwd=cwd,
        container=_container(settings, cwd),
    )


#: the entry of all services with the key `command` and without the key `image`; this entry has no name,
#: because it is not a kind
ENTRY = Entry(
    settings=UserServiceSettings,
    make=user_service,
    contributions=UserServiceSettings.contributions,
    consumes=("variables",),
)
