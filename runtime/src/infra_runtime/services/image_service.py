"""A user's service that runs in a container: a table with `image` in the stack file, and its spec.

The command of the spec is the client of the container engine, in the foreground. Supervision, logs, signals,
probes and restarts are therefore the same as for a program of this machine.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port
from infra_runtime.contributions import Contributions
from infra_runtime.errors import nearest
from infra_runtime.host import containers, processes
from infra_runtime.services.readiness import Argv
from infra_runtime.services.user_service import ContainerHealth, OwnServiceSettings, with_variables
from infra_runtime.spec import (
    OWN_SCOPES,
    Container,
    ExecProbe,
    Run,
    ServiceSpec,
    optional_export,
    references_in,
)
from infra_runtime.spec.references import substitute_some

#: the container engine; if podman and docker are installed, podman is used, because it needs neither a daemon
#: nor root
ENGINE = Binary(name=containers.ENGINE, aliases=("podman", "docker"))
_ENGINE = f"${{bin.{ENGINE.name}}}"
#: `[REGISTRY[:PORT]/]NAME[:TAG][@DIGEST]`. Source: distribution/reference, "Grammar"
_IMAGE = (
    r"^(?:[A-Za-z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$"
)
#: The options of the engine's command `run` that the key `options` must not contain. The value is the key of
#: the stack file to use instead, or None if pytest-infra sets the option itself, or does not support it.
_SET_OPTIONS: Mapping[str, str | None] = {
    **dict.fromkeys(("rm", "name", "label", "label-file", "pull", "detach", "cidfile", "log-driver"), None),
    **dict.fromkeys(("interactive", "tty", "sig-proxy", "stop-timeout", "restart"), None),
    **dict.fromkeys(("env", "env-file", "env-host"), "env"),
    **dict.fromkeys(("publish", "publish-all", "expose"), "ports"),
    **dict.fromkeys(("volume", "mount", "volumes-from"), "volumes"),
    **dict.fromkeys(("network", "net"), "network"),
    "entrypoint": "entrypoint",
    "workdir": "cwd",
    "user": "user",
}


class Volume(BaseModel):
    """A folder or file of this machine that is mounted in the container, read-only or writable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: the path on this machine: relative to the stack file, in the service's folder `${data}`, or with
    #: `outside` any other path
    path: str = Field(min_length=1)
    #: whether the container may write to the volume; by default, true only for `${data}` and paths below it
    writable: bool | None = None
    #: whether the path may be outside of the project
    outside: bool = False

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if "," in self.path:
            raise ValueError(f"the path {self.path!r} contains a comma, which the engine does not support")
        if self.path.startswith("~"):
            raise ValueError(f"the path {self.path!r} should begin with ${{env.HOME}} instead of ~")
        if self._is_outside() and not self.outside:
            raise ValueError(
                f"the path {self.path!r} is outside of the project; "
                f'if the container may read it, set {{ path = "{self.path}", outside = true }}'
            )
        return self

    def _is_outside(self) -> bool:
        if self.path in {"${data}", "${root}"}:
            return False
        relative_path = self.path.removeprefix("${data}/").removeprefix("${root}/")
        return "${" in relative_path or posixpath.normpath(relative_path).startswith(("/", ".."))

    @property
    def is_data(self) -> bool:
        """Whether the path is `${data}` or a path below `${data}`."""
        return self.path == "${data}" or self.path.startswith("${data}/")

    def source(self) -> str:
        """Return the absolute path of the volume on this machine; the path can contain references."""
        return (
            self.path if self.path.startswith(("/", "${")) else f"${{root}}/{posixpath.normpath(self.path)}"
        )

    def mount(self, target: str) -> str:
        """Return the engine's option that mounts the volume at the path `target` in the container."""
        writable = self.is_data if self.writable is None else self.writable
        return containers.mount(self.source(), target, writable=writable)


def _volume(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


class ImageServiceSettings(OwnServiceSettings):
    """The keys of a service that the stack file describes with an `image`."""

    image: str = Field(pattern=_IMAGE)
    #: the digest of the image; the planner reads it from `infra.lock`
    digest: str = Field("", pattern=r"^(sha256:[0-9a-f]{64})?$")
    #: the command-line arguments after the image's entry point; None keeps the command of the image, unless
    #: `entrypoint` is set
    command: Argv | None = None
    entrypoint: str | None = None
    #: the working directory in the container; empty: the working directory of the image
    cwd: str = Field("", pattern=r"^(/.*)?$")
    #: the user in the container: `NAME`, `UID` or `UID:GID`; empty: the user of the image
    user: str = Field("", pattern=r"^[\w.-]*(:[\w.-]+)?$")
    #: `published`: the container has its own network, and its ports are published on the loopback address.
    #: `host`: the container uses the network of this machine, so it can use other services of the stack
    network: Literal["published", "host"] = "published"
    #: port name → the port number in the container, if this number differs from the number in `ports`
    container_ports: Mapping[str, Port] = {}
    #: absolute path in the container → folder or file of this machine
    volumes: Mapping[str, Annotated[Volume, BeforeValidator(_volume)]] = {}
    #: further options of the engine's command `run`, such as `--memory=512m`
    options: tuple[str, ...] = ()
    #: the settings of the container that are used only for exports, such as the export to Compose
    container: ContainerHealth = ContainerHealth()

    @field_validator("volumes")
    @classmethod
    def _absolute(cls, volumes: Mapping[str, Volume]) -> Mapping[str, Volume]:
        for target in volumes:
            if not target.startswith("/") or "," in target:
                raise ValueError(f"{target!r} should be an absolute path in the container, without a comma")
        return volumes

    @field_validator("options")
    @classmethod
    def _free(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        for option in options:
            name = option.removeprefix("--").partition("=")[0]
            if not option.startswith("--") or not name:
                raise ValueError(f"{option!r} should be written as --NAME or --NAME=VALUE")
            if name in _SET_OPTIONS:
                key = _SET_OPTIONS[name]
                problem = (
                    f"use the key `{key}` instead of --"
                    if key
                    else "pytest-infra sets or excludes the option --"
                )
                raise ValueError(f"{problem}{name}")
        return options

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        for name in self.container_ports:
            if name not in self.ports:
                raise ValueError(
                    f"`container_ports` contains the port {name!r}, which is not in `ports`"
                    f"{nearest(name, self.ports)}"
                )
        if self.network == "host" and self.container_ports:
            raise ValueError(
                "a container with the network `host` listens on the numbers in `ports`: remove "
                "`container_ports`, and let the program listen on ${host} and ${port.NAME}"
            )
        for key, value in self._inside():
            for reference in references_in(value):
                self._check_reference(key, reference)
        return self

    def _inside(self) -> Iterator[tuple[str, object]]:
        """Yield key and value of each setting whose references are for the program in the container."""
        yield "env", self.env
        yield "command", self.command or ()
        yield "entrypoint", self.entrypoint or ""
        yield "options", self.options
        if self.ready and self.ready.exec:
            yield "ready.exec", self.ready.exec

    def _check_reference(self, key: str, reference: str) -> None:
        scope, dot, name = reference.partition(".")
        if scope == "bin" and dot:
            raise ValueError(
                f"`{key}` refers to ${{{reference}}}, a program of this machine, which the image does not "
                "contain: write the name of a program of the image, or remove `image`"
            )
        if reference in {"data", "run", "root"}:
            raise ValueError(
                f"`{key}` refers to ${{{reference}}}, a folder of this machine: mount it with `volumes`, and "
                "write its path in the container"
            )
        if scope == "port" and name not in self.ports:
            raise ValueError(
                f"`{key}` refers to the port {name!r}, which is not in `ports`{nearest(name, self.ports)}"
            )
        is_export = bool(dot) and (scope not in OWN_SCOPES or optional_export(reference) is not None)
        if is_export and self.network != "host":
            raise ValueError(
                f"`{key}` refers to ${{{reference}}}, but the container has its own network, in which the "
                'services of the stack cannot be reached: set network = "host", and let the program listen '
                "on ${host} and ${port.NAME}"
            )

    def inner_ports(self) -> dict[str, int]:
        """Return a mapping from port name to the port number in the container, which has its own network."""
        return {name: self.container_ports.get(name, number) for name, number in self.ports.items()}

    def translated(self, text: str) -> str:
        """Return a string whose references are replaced for the program in the container.

        `${port.NAME}` becomes the port number in the container's network, and `${host}` becomes `0.0.0.0`. If
        the container uses the network of the machine, the string is not changed.
        """
        if self.network == "host":
            return text
        numbers = {f"port.{name}": str(number) for name, number in self.inner_ports().items()}
        return substitute_some(text, {"host": "0.0.0.0", **numbers})  # noqa: S104 - in the container


def _run(
    settings: ImageServiceSettings, image: str, env: Mapping[str, str], defaults: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return the command of the container engine.

    `defaults` contains the names of further variables, whose values are known only when the service starts.
    """
    options = [f"--workdir={settings.cwd}"] if settings.cwd else []
    options += [f"--user={settings.user}"] if settings.user else []
    passed = dict.fromkeys((*(name for name in env if not _is_clients(name)), *defaults))
    return containers.run(
        _ENGINE,
        image,
        # The token identifies the processes in the container as processes of the stack.
        variables=("INFRA_ENV", processes.TOKEN, *passed),
        values={name: value for name, value in env.items() if _is_clients(name)},
        published=None if settings.network == "host" else settings.inner_ports(),
        mounts=[volume.mount(target) for target, volume in settings.volumes.items()],
        options=(*options, *map(settings.translated, settings.options)),
        entrypoint=settings.entrypoint,
        command=tuple(map(settings.translated, settings.command or ())),
    )


def _is_clients(name: str) -> bool:
    return name in containers.CLIENT_VARIABLES


def _container(settings: ImageServiceSettings) -> Container:
    """Return the container for exported files, such as a Compose file; its image is as in the stack file."""
    data_targets = [target for target, volume in settings.volumes.items() if volume.is_data]
    host_volumes = {target: volume for target, volume in settings.volumes.items() if not volume.is_data}
    problem = ""
    if settings.options:
        problem = "the key `options` contains options of the local container engine, which cannot be exported"
    elif len(data_targets) > 1 or any(settings.volumes[target].path != "${data}" for target in data_targets):
        problem = "only one volume with the path ${data} can be exported"
    elif any(volume.writable or volume.outside for volume in host_volumes.values()):
        problem = "a volume that is writable or outside of the project cannot be exported"
    return Container(
        image=settings.image,
        entrypoint=None if settings.entrypoint is None else (settings.entrypoint,),
        command=settings.command or (),
        env=settings.env,
        data=data_targets[0] if data_targets else "",
        binds={target: volume.path.removeprefix("${root}/") for target, volume in host_volumes.items()},
        working_folder=settings.cwd,
        user=settings.user,
        ports=settings.inner_ports(),
        health=settings.container.health or (settings.ready.exec if settings.ready else None) or (),
        health_client=settings.container.health_client or "",
        public=settings.container.public,
        uid=settings.container.uid or _uid(settings.user),
        storage=settings.container.storage,
        replicas=settings.container.replicas or 0,
        problem=problem,
    )


def _uid(user: str) -> int:
    """Return the user id in a string such as `1000:1000`; 0 if the string contains a user name instead."""
    number = user.partition(":")[0]
    return int(number) if number.isdecimal() else 0


def image_service(settings: ImageServiceSettings, contributions: Contributions = ()) -> ServiceSpec:
    """Return the spec of a service that runs in a container."""
    image = containers.pinned(settings.image, settings.digest)
    # From its own network, the container cannot reach the services that contribute variables.
    reachable = contributions if settings.telemetry and settings.network == "host" else ()
    variables = with_variables(settings.env, reachable)
    env = {name: settings.translated(text) for name, text in variables.env.items()}
    names = [default.name for default in variables.env_defaults]
    spec = settings.spec(_run(settings, image, env, names))
    probe = spec.ready
    if isinstance(probe, ExecProbe):
        command = tuple(map(settings.translated, probe.command))
        probe = replace(probe, command=containers.execute(_ENGINE, command))
    return replace(
        spec,
        summary=settings.summary or settings.image,
        image=image,
        sensitive=variables.sensitive,
        env={name: text for name, text in env.items() if not _is_clients(name)},
        env_defaults=variables.env_defaults,
        cwd="${run}",
        # The engine does not create the folders of volumes.
        prepare=tuple(
            Run(command=("mkdir", "-p", volume.path))
            for volume in settings.volumes.values()
            if volume.is_data and volume.path != "${data}"
        ),
        ready=probe,
        container=_container(settings),
    )


#: the entry of all services with the key `image` that are not services of the catalogue; this entry has no
#: name, because it is not a kind
ENTRY = Entry(
    settings=ImageServiceSettings,
    make=image_service,
    binaries=(ENGINE,),
    contributions=ImageServiceSettings.contributions,
    consumes=("variables",),
)
