"""A service of the user's own, as the stack file describes it."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from infra_runtime.catalogue import Port, Words
from infra_runtime.services.readiness import Argv, Ready
from infra_runtime.spec import Probe, ServiceSpec, StopStep, TcpProbe


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


class OwnRoute(BaseModel):
    """What Caddy hands to the service that this stands in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = "/*"
    host: str | None = None
    #: take the fixed part of the path away before handing on
    strip: bool = False

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: str) -> str:
        if not path.startswith("/"):
            raise ValueError(f"{path!r} should begin with /")
        return path


def _route(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


def _ladder(value: Any) -> Any:
    return [value] if isinstance(value, Mapping) else value


class OwnSettings(BaseModel):
    """What can be said of a service of one's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: Argv
    summary: str = ""
    env: Mapping[str, Text] = {}
    cwd: str = "${root}"
    needs: Words = ()
    ports: Mapping[str, Port] = {}
    ready: Ready | None = None
    exports: Mapping[str, str] = {}
    #: what Caddy should hand to this service
    route: Annotated[OwnRoute, BeforeValidator(_route)] | None = None
    task: bool = False
    watch: Words = ()
    start_timeout: float = Field(30.0, gt=0)
    stop: Annotated[tuple[Stop, ...], BeforeValidator(_ladder), Field(min_length=1)] = (Stop(seconds=10.0),)
    restart: Literal["on-failure", "always", "never"] = "on-failure"

    @model_validator(mode="after")
    def _fits(self) -> OwnSettings:
        if self.task and self.ready:
            raise ValueError("a task is ready when it has ended well; `ready` is for what stays")
        if self.route and not self.ports:
            raise ValueError("a `route` needs a port to lead to: ports = { http = 8000 }")
        if self.ready and not self.ready.exec:
            self._ready_port(self.ready)
        return self

    def _ready_port(self, ready: Ready) -> str:
        if ready.port:
            return ready.port
        if len(self.ports) != 1:
            names = ", ".join(self.ports) or "none"
            raise ValueError(f"`ready` should name its `port`; there are: {names}")
        return next(iter(self.ports))

    def probe(self) -> Probe | None:
        """Return the probe that `ready` describes; without `ready` the first port has to open."""
        if self.ready is None:
            return TcpProbe(port=next(iter(self.ports))) if self.ports and not self.task else None
        return self.ready.probe("" if self.ready.exec else self._ready_port(self.ready))


def own(name: str, settings: OwnSettings) -> ServiceSpec:
    """The service as data. Exports `host`, `port`, a `…_port` for each, and `url` where one is `http`."""
    exports = {"host": "${host}"}
    for port in settings.ports:
        exports.setdefault("port", f"${{port.{port}}}")
        exports[f"{port}_port"] = f"${{port.{port}}}"
    if "http" in settings.ports:
        exports["url"] = "http://${host}:${port.http}"
    return ServiceSpec(
        name=name,
        summary=settings.summary or "your own",
        command=settings.command,
        env=settings.env,
        # Not the supervisor's folder, nor that of whoever happened to start it.
        cwd=settings.cwd if settings.cwd.startswith(("/", "${")) else f"${{root}}/{settings.cwd}",
        ports=settings.ports,
        ready=settings.probe(),
        exports={**exports, **settings.exports},
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        stop=tuple(step.step() for step in settings.stop),
        restart="never" if settings.task else settings.restart,
        task=settings.task,
        watch=settings.watch,
    )
