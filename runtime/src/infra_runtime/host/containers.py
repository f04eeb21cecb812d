"""Create command lines of the container engine, and remove the containers of a stack.

The engine is podman or docker; all command lines in this module work with both engines. The client of the
engine runs in the foreground as the first process of a service. If the client is killed, the container keeps
running. Therefore, the supervisor removes the containers of a stopped service, which it identifies by their
labels. Containers without the token of the stack in a label are neither listed nor removed.

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
#: the name of a service's container, with references as in a spec
NAME = "infra-${stack.token}-${stack.service}"
#: the time limit in seconds after which a command of the engine is killed
TIMEOUT = 20.0
#: the greatest number of attempts to list and remove the containers of a stack
ATTEMPTS = 3
#: the longest time in seconds for the removal of a service's containers, which usually takes less than a
#: second
REMOVAL_SECONDS = (2 * ATTEMPTS + 1) * TIMEOUT
#: the environment variables that the client of a container engine itself reads. Source: podman(1), docker(1),
#: containers.conf(5)
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
    """Return the environment variables that the client of a container engine reads, such as DOCKER_HOST."""
    return {name: value for name, value in environ.items() if name in CLIENT_VARIABLES}


# --- command lines -----------------------------------------------------------------------------------


def qualified(image: str) -> str:
    """Return the name of an image with its registry; a short name is completed in the same way as by docker.

    podman searches for short names in other registries, or not at all. Source: distribution/reference.
    """
    registry, slash, _ = image.partition("/")
    if not slash:
        return f"docker.io/library/{image}"
    if registry != "localhost" and "." not in registry and ":" not in registry:
        return f"docker.io/{image}"
    return image


def pinned(image: str, digest: str) -> str:
    """Return the reference to an image with its registry and its digest; without a digest, with its tag.

    podman does not accept a reference with a tag and a digest.
    """
    name, _, own_digest = qualified(image).partition("@")
    digest = own_digest or digest
    if not digest:
        return name
    folder, slash, image_name = name.rpartition("/")
    return f"{folder}{slash}{image_name.partition(':')[0]}@{digest}"


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

    The client reads the values of `variables` (names of environment variables) from its own environment, so
    that the command line contains no secrets; the command line contains the names and values of `values`.
    `published` maps the name of a port to its number in the container; if it is None, the container uses the
    network of the machine. The output is not stored by a log driver, because the service's log already
    contains it.
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
    """Return the value of the option `--mount` for an existing folder or file of the machine."""
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
    """Return a text for each remaining container of a stack, or one text if the engine cannot list them."""
    try:
        return [f"container {name}" for name in _output(listing(engine, token, service)).split()]
    except (OSError, subprocess.SubprocessError) as error:
        return [f"containers that {engine} does not list ({_reason(error)})"]


def remove(engine: str, token: str, service: str = "") -> list[str]:
    """Kill and remove the containers of a stack, or of one service; return the result of `left` afterwards.

    The call takes at most about `REMOVAL_SECONDS`. The removal is repeated, because podman does not remove a
    container at the first attempt if the processes and the monitor of the container were killed before.
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

    Its exit status is 0 if no container remains. The supervisor starts this process instead of calling
    `remove`, because only `Children` may wait for child processes.
    """
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = f"import sys; sys.path.insert(0, {root!r}); import infra_runtime.host.containers as c; "
    code += "sys.exit('\\n'.join(c.remove(*sys.argv[1:])) or 0)"
    return (sys.executable, "-I", "-S", "-c", code, engine, token, service)
