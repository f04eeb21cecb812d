"""A service of the user's own, as the stack file describes it."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from infra_runtime.catalogue import Entry, Port, Words
from infra_runtime.contributions import Alert, Contribution, Contributions, Log, Metrics, Route
from infra_runtime.errors import nearest
from infra_runtime.services.readiness import Argv, Ready
from infra_runtime.spec import Container, Probe, ServiceSpec, StopStep, TcpProbe, texts


def _text(value: Any) -> Any:
    # `PORT = 8000` is plain enough; what `true` should become is not.
    if isinstance(value, bool):
        raise ValueError(  # noqa: TRY004 - pydantic takes no TypeError
            'an environment has only texts: write "true" or "1"'
        )
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_text)]


class Stop(BaseModel):
    """A signal, and the seconds that the service has to end on it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    signal: str = "SIGTERM"
    seconds: float = Field(10.0, gt=0)

    @field_validator("signal")
    @classmethod
    def _known(cls, name: str) -> str:
        full = name.upper() if name.upper().startswith("SIG") else f"SIG{name.upper()}"
        if full not in signal.Signals.__members__:
            raise ValueError(f"{name!r} is no signal; usual are SIGTERM, SIGINT, SIGQUIT, SIGHUP")
        return full

    def step(self) -> StopStep:
        """The same in a spec's words."""
        return StopStep(signal=signal.Signals[self.signal], seconds=self.seconds)


class OwnContainer(BaseModel):
    """How the service runs in a container: in a named image, or in one that is built."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str | None = None
    #: the folder that the image is built from, as seen from the stack file
    build: str | None = None
    #: as seen from `build`
    dockerfile: str | None = None
    #: the command line in the image, where it is not the service's `command`
    command: Argv | None = None
    #: the folder of the image that has what the stack file's folder has here
    root: str = ""
    #: a command of the image that exits with 0 when the service is ready
    health: Argv | None = None
    #: the program of the image that sends a health check made from `ready`
    health_client: Literal["python", "curl", "wget"] | None = None
    #: its ports are meant for clients outside the stack in staging and production too
    public: bool = False

    @model_validator(mode="after")
    def _one_image(self) -> OwnContainer:
        if self.image and (self.build or self.dockerfile):
            raise ValueError("a container has either an `image` or a `build` folder with a `dockerfile`")
        if self.health and self.health_client:
            raise ValueError("`health` is a whole command; `health_client` is for one made from `ready`")
        if self.root and not self.root.startswith("/"):
            raise ValueError(f"`root` is an absolute path of the image, not {self.root!r}")
        return self


#: where the generated Dockerfile puts the project, and where a container keeps `${data}`
CONTAINER_ROOT, CONTAINER_DATA = "/app", "/data"


def _container(settings: UserServiceSettings, cwd: str) -> Container:
    """Return the container part; without an image or a Dockerfile the engine generates one for Python."""
    table = settings.container or OwnContainer()
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
    )


def _path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


def _format(value: Any) -> Any:
    return {"format": value} if isinstance(value, str) else value


def _several(value: Any) -> Any:
    return [value] if isinstance(value, Mapping) else value


class UserServiceSettings(BaseModel):
    """The keys of a service that the stack file describes with a `command`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: Argv
    summary: str = ""
    env: Mapping[str, Text] = {}
    cwd: str = "${root}"
    needs: Words = ()
    ports: Mapping[str, Port] = {}
    ready: Ready | None = None
    exports: Mapping[str, str] = {}
    #: what a proxy forwards to this service
    route: Annotated[Route, BeforeValidator(_path)] | None = None
    metrics: Annotated[Metrics, BeforeValidator(_path)] | None = None
    alert: Annotated[tuple[Alert, ...], BeforeValidator(_several)] = ()
    log: Annotated[Log, BeforeValidator(_format)] | None = None
    task: bool = False
    watch: Words = ()
    start_timeout: float = Field(30.0, gt=0)
    stop: Annotated[tuple[Stop, ...], BeforeValidator(_several), Field(min_length=1)] = (Stop(seconds=10.0),)
    restart: Literal["on-failure", "always", "never"] = "on-failure"
    #: for engines that run containers
    container: OwnContainer | None = None

    @model_validator(mode="after")
    def _fits(self) -> UserServiceSettings:
        if self.task and self.ready:
            raise ValueError("a task is ready when it has ended well; `ready` is for what stays")
        if self.route and not self.ports:
            raise ValueError("a `route` needs a port to lead to: ports = { http = 8000 }")
        if self.ready and not self.ready.exec:
            self._port("ready", self.ready.port)
        if self.metrics and self._metrics_port(self.metrics) not in self.ports:
            port = self.metrics.port
            raise ValueError(
                f"`metrics` names the port {port!r}, which is missing{nearest(port, self.ports)}"
            )
        return self

    def _port(self, key: str, name: str | None) -> str:
        """The port that a key names; it may be left out where there is only one."""
        if name:
            return name
        if len(self.ports) != 1:
            names = ", ".join(self.ports) or "none"
            raise ValueError(f"`{key}` should name its `port`; there are: {names}")
        return next(iter(self.ports))

    def _metrics_port(self, metrics: Metrics) -> str:
        return self._port("metrics", metrics.port or ("http" if "http" in self.ports else None))

    def probe(self) -> Probe | None:
        """Return the probe that `ready` describes; without `ready` the first port has to open."""
        if self.ready is None:
            return TcpProbe(port=next(iter(self.ports))) if self.ports and not self.task else None
        return self.ready.probe("" if self.ready.exec else self._port("ready", self.ready.port))

    def contributions(self) -> Iterator[Contribution]:
        """What the service offers to the others."""
        if self.route:
            yield Contribution(key="route", value=self.route)
        if self.metrics:
            metrics = replace(self.metrics, port=self._metrics_port(self.metrics))
            yield Contribution(key="metrics", value=metrics)
        yield from (Contribution(key="alert", value=alert) for alert in self.alert)
        if self.log:
            yield Contribution(key="log", value=self.log)


def user_service(settings: UserServiceSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the service as data.

    It exports `host`, `port`, a `NAME_port` for each port, and `url` where a port is called `http`.
    """
    exports = {"host": "${host}"}
    for port in settings.ports:
        exports.setdefault("port", f"${{port.{port}}}")
        exports[f"{port}_port"] = f"${{port.{port}}}"
    if "http" in settings.ports:
        exports["url"] = "http://${host}:${port.http}"
    # Not the supervisor's folder, nor that of whoever happened to start it.
    cwd = settings.cwd if settings.cwd.startswith(("/", "${")) else f"${{root}}/{settings.cwd}"
    return ServiceSpec(
        name="",
        summary=settings.summary or "your own",
        command=settings.command,
        env=settings.env,
        cwd=cwd,
        ports=settings.ports,
        ready=settings.probe(),
        exports={**exports, **settings.exports},
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        stop=tuple(step.step() for step in settings.stop),
        restart="never" if settings.task else settings.restart,
        task=settings.task,
        watch=settings.watch,
        container=_container(settings, cwd),
    )


#: what the planner uses for every table with a `command`; it is no kind, and has no name
ENTRY = Entry(
    settings=UserServiceSettings,
    make=user_service,
    contributions=UserServiceSettings.contributions,
)
