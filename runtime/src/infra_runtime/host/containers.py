"""The containers of a stack: the command lines of the container engine, and the removal of containers.

The engine is podman or docker; every command line in this module works with both. The client of the engine
runs in the foreground as the first process of the service. If the client is killed, the container keeps
running, so the supervisor removes the containers of a service by their labels when the service has stopped.
Only containers with the token of the stack in their label are listed or removed.

Source: the manuals podman-run(1), podman-ps(1), podman-rm(1), and Docker documentation, "docker run".
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence

#: the name of the engine in references: `${bin.container-engine}`
ENGINE = "container-engine"
#: the labels with the token of the stack and with the name of the service
STACK, SERVICE = "pytest-infra.stack", "pytest-infra.service"
#: the name of a service's container, as a string of a spec
NAME = "infra-${stack.token}-${stack.service}"
#: seconds until a command of the engine is killed
TIMEOUT = 20.0
#: the number of times that the containers of a stack are listed and removed
ATTEMPTS = 3
#: seconds in which the containers of a stopped service are removed; usually, it takes less than one second
REMOVAL_SECONDS = (2 * ATTEMPTS + 1) * TIMEOUT
#: the variables that the client of an engine reads itself. Source: podman(1), docker(1), containers.conf(5)
CLIENT_VARIABLES = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "LD_PRELOAD"),
        *(
            "XDG_RUNTIME_DIR",
            "XDG_CONFIG_HOME",
            "XDG_DATA_HOME",
            "XDG_CACHE_HOME",
            "DBUS_SESSION_BUS_ADDRESS",
        ),
        *("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINERS_REGISTRIES_CONF", "REGISTRY_AUTH_FILE"),
        *("CONTAINER_HOST", "CONTAINER_CONNECTION", "CONTAINER_SSHKEY", "STORAGE_DRIVER", "STORAGE_OPTS"),
        *("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"),
        *("DOCKER_API_VERSION", "DOCKER_TLS", "DBUS_SESSION_BUS_ADDRESS"),
    }
)


def client_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the client of an engine needs, such as HOME and DOCKER_HOST."""
    return {name: value for name, value in environ.items() if name in CLIENT_VARIABLES}


# --- command lines -----------------------------------------------------------------------------------


def qualified(image: str) -> str:
    """Return the name of an image with its registry, as docker completes a short name.

    podman searches for short names in other registries, or not at all. Source: distribution/reference.
    """
    first, slash, _ = image.partition("/")
    if not slash:
        return f"docker.io/library/{image}"
    if first != "localhost" and "." not in first and ":" not in first:
        return f"docker.io/{image}"
    return image


def pinned(image: str, digest: str) -> str:
    """Return the reference to an image with its registry: by digest if there is one, otherwise by tag.

    podman does not accept a tag and a digest at the same time.
    """
    name, _, own_digest = qualified(image).partition("@")
    digest = own_digest or digest
    if not digest:
        return name
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}@{digest}"


def run(
    engine: str,
    image: str,
    *,
    variables: Iterable[str] = (),
    values: Mapping[str, str] | None = None,
    published: Mapping[str, int] | None = None,
    mounts: Sequence[str] = (),
    options: Sequence[str] = (),
    entrypoint: str | None = None,
    command: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return the command line that runs a container in the foreground until it exits, and then removes it.

    `variables` are the names of variables whose values the client takes from its own environment, so that
    secrets are not in the command line; `values` are variables with their values. `published` is the name of
    a port → its number in the container; None stands for the network of the machine. The log driver stores
    no second copy of the output.
    """
    network = ["--network=host"]
    if published is not None:
        network = [f"--publish=${{host}}:${{port.{name}}}:{number}" for name, number in published.items()]
    return (
        *(engine, "run", "--rm", "--pull=never", f"--name={NAME}"),
        *(f"--label={STACK}=${{stack.token}}", f"--label={SERVICE}=${{stack.service}}"),
        *("--log-driver=none", "--no-healthcheck", "--security-opt=no-new-privileges"),
        "--stop-timeout=0",  # `rm --force` of podman would wait for this time after SIGTERM
        *network,
        *(f"--env={name}" for name in variables),
        *(f"--env={name}={value}" for name, value in (values or {}).items()),
        *(f"--mount={mount}" for mount in mounts),
        *options,
        *([] if entrypoint is None else [f"--entrypoint={entrypoint}"]),
        image,
        *command,
    )


def mount(source: str, target: str, *, writable: bool) -> str:
    """Return the value of the option `--mount` for a folder or file of the machine, which has to exist."""
    return f"type=bind,source={source},target={target}{'' if writable else ',readonly'}"


def execute(engine: str, command: Sequence[str]) -> tuple[str, ...]:
    """Return the command line that runs a command in the container of the service."""
    return (engine, "exec", NAME, *command)


def inspect(engine: str, image: str) -> list[str]:
    """Return the command line that prints the properties of an image as a JSON list."""
    return [engine, "image", "inspect", image]


def pull(engine: str, image: str) -> list[str]:
    """Return the command line that downloads an image, with the progress on the terminal."""
    return [engine, "pull", image]


def listing(engine: str, token: str, service: str = "") -> list[str]:
    """Return the command line that prints the names of the containers of a stack or of one service."""
    filters = [f"--filter=label={STACK}={token}"]
    filters += [f"--filter=label={SERVICE}={service}"] if service else []
    return [engine, "ps", "--all", "--format={{.Names}}", *filters]


def removal(engine: str, names: Sequence[str]) -> list[str]:
    """Return the command line that kills containers and removes them with their anonymous volumes."""
    return [engine, "rm", "--force", "--volumes", *names]


# --- removal ----------------------------------------------------------------------------------------


def left(engine: str, token: str, service: str = "") -> list[str]:
    """Describe each container that a stack has left, or the reason why the engine cannot list them."""
    try:
        return [f"container {name}" for name in _output(listing(engine, token, service)).split()]
    except (OSError, subprocess.SubprocessError) as error:
        return [f"containers that {engine} does not list ({_reason(error)})"]


def remove(engine: str, token: str, service: str = "") -> list[str]:
    """Kill and remove the containers of a stack, or of one of its services; return what `left` returns then.

    The call blocks, at most for about `REMOVAL_SECONDS`. podman does not remove a container at the first
    attempt if the processes of the container and its monitor were killed before.
    """
    for _ in range(ATTEMPTS):
        try:
            names = _output(listing(engine, token, service)).split()
            if not names:
                return []
            _output(removal(engine, names))
        except (OSError, subprocess.SubprocessError) as error:
            print(f"{engine}: {_reason(error)}", file=sys.stderr, flush=True)
    return left(engine, token, service)


def _output(command: Sequence[str]) -> str:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=True
    ).stdout


def _reason(error: OSError | subprocess.SubprocessError) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = str(error.stderr).strip().splitlines() or [f"exit status {error.returncode}"]
        return lines[-1]
    return getattr(error, "strerror", None) or str(error)


def removing_process(engine: str, token: str, service: str) -> tuple[str, ...]:
    """Return the command line of a process that removes the containers of a service.

    Its exit status is 0 if no container is left. The supervisor does not wait for processes itself, except in
    `Children`, so it starts this process instead of calling `remove`.
    """
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = f"import sys; sys.path.insert(0, {root!r}); import infra_runtime.host.containers as c; "
    code += "sys.exit('\\n'.join(c.remove(*sys.argv[1:])) or 0)"
    return (sys.executable, "-I", "-S", "-c", code, engine, token, service)
