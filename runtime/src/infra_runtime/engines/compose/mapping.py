"""The tables that describe how each field of a service is exported to Docker Compose, and their page.

`python -m infra_runtime.engines.compose.mapping > docs/reference/export-compose.md` writes the page.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from infra_runtime.engines.mapping import (
    CONTAINER_FIELDS,
    CONTAINER_IMAGE_KEYS,
    CONTAINER_REFERENCES,
    CONTAINER_USER_KEYS,
    FIELD_KEYS,
    Row,
    table,
)

_STOP = (
    "The signal of the first stop step, and the seconds of all stop steps together. Docker sends SIGKILL "
    "after these seconds."
)
_RESTART = (
    "In staging and production, `on-failure` becomes `unless-stopped`, so that the service starts again "
    "after a reboot."
)
_PORTS = (
    "In development, a port is published on 127.0.0.1 with the same number; in tests, on a free port; in "
    "staging and production, only the ports of public services are published, on all addresses. Inside the "
    "container, a service of the catalogue uses the port numbers of its image."
)
_WATCH = (
    "In development, the action for an image that is not built is `restart`. For a built image, it is "
    "`sync+restart`, or `rebuild` if the folder of the project in the image is not known."
)

_START_TIMEOUT = "A health check that fails during this time does not make the container unhealthy."

#: field of `ServiceSpec` → its row
SPEC: Mapping[str, Row] = {
    "name": Row(
        outcome="kept",
        attribute="the key in `services`",
        remark=(
            "The name is also the host name of the container. In the host name, `-` replaces `_`, and a name "
            "with more than 63 characters is shortened and ends with a hash."
        ),
    ),
    "command": Row(
        outcome="changed",
        attribute="`command`, `entrypoint`",
        remark=(
            "The command of your own service is kept. For a service of the catalogue, arguments for the "
            "entry point of its image replace the command."
        ),
    ),
    "env": Row(
        outcome="kept",
        attribute="`environment`",
        remark=(
            "When the container starts, it reads each variable with a secret from the secret's file. For a "
            "service of the catalogue, variables for its image replace the variables of the local server. "
            "The variable `INFRA_ENV` is added to your own services."
        ),
    ),
    "cwd": Row(
        outcome="kept",
        attribute="`working_dir`",
        remark=(
            "The directory is kept for your own services; a service of the catalogue uses the working "
            "directory of its image."
        ),
    ),
    "prepare": Row(
        outcome="changed",
        attribute="`configs`, `secrets`, `volumes`",
        remark=(
            "The entry point of the image prepares the data of the service. Commands and seeds of the local "
            "engine are not exported."
        ),
    ),
    "ports": Row(outcome="changed", attribute="`ports`", remark=_PORTS),
    "ready": Row(
        outcome="changed",
        attribute="`healthcheck.test`",
        remark=(
            "The health check is a command in the image. If the image contains no program for the check, the "
            "export is refused."
        ),
    ),
    "exports": Row(
        outcome="changed",
        attribute="the values that refer to the exports",
        remark=(
            "The values contain the host name of the service's container. A value with a path, a socket or "
            "`localhost` is refused."
        ),
    ),
    "needs": Row(
        outcome="kept",
        attribute="`depends_on`",
        remark=(
            "The condition is `service_completed_successfully` for a task, `service_started` for a service "
            "without a probe, and `service_healthy` for all other services. Services to which references "
            "without `?` refer are added to `depends_on`, too. A needed service without an image is refused."
        ),
    ),
    "start_timeout": Row(outcome="kept", attribute="`healthcheck.start_period`", remark=_START_TIMEOUT),
    "stop": Row(outcome="changed", attribute="`stop_signal`, `stop_grace_period`", remark=_STOP),
    "restart": Row(outcome="changed", attribute="`restart`", remark=_RESTART),
    "task": Row(
        outcome="kept",
        attribute='`restart: "no"`',
        remark="The services that need the task wait until the task has exited with 0.",
    ),
    "watch": Row(outcome="kept", attribute="`develop.watch`", remark=_WATCH),
    "refuses_root": Row(outcome="left out", remark="The entry point of the image changes the user."),
    "container": Row(
        outcome="kept",
        attribute="`image`, `build`, `volumes`, `configs`, `secrets`",
        remark=(
            "If the kind of a service has no field `container`, the service is left out. The file and the "
            "output of the command contain a note about this."
        ),
    ),
    **CONTAINER_FIELDS,
}

#: key of a user's own service in the stack file → its row
USER_SERVICE: Mapping[str, Row] = {
    "command": Row(
        outcome="kept",
        attribute="`command`",
        remark=(
            "The entry point of the image is removed. The key `container.command` replaces the command. A "
            "command with a secret is refused."
        ),
    ),
    "cwd": Row(
        outcome="kept",
        attribute="`working_dir`",
        remark=(
            "If the folder of the project in the image is not known, the working directory of the image is "
            "used instead."
        ),
    ),
    "ports": Row(
        outcome="changed", attribute="`ports`", remark=("The port has the same number inside the container.")
    ),
    "route": Row(
        outcome="kept",
        attribute="the configuration of the proxy",
        remark=("The route contains the host name of the service's container."),
    ),
    **CONTAINER_USER_KEYS,
    "container": Row(
        outcome="kept",
        attribute="`image` or `build`",
        remark="Without `image`, `build` and `dockerfile`, a Dockerfile for Python is generated.",
    ),
    **{key: SPEC[key] for key in FIELD_KEYS},
}

#: key of a user's service that has an `image` → its row
IMAGE_SERVICE: Mapping[str, Row] = {
    **CONTAINER_IMAGE_KEYS,
    "command": Row(outcome="kept", attribute="`command`"),
    "entrypoint": Row(outcome="kept", attribute="`entrypoint`"),
    "cwd": Row(outcome="kept", attribute="`working_dir`"),
    "user": Row(outcome="kept", attribute="`user`"),
    "container_ports": Row(outcome="kept", attribute="`ports`", remark="The number inside the container."),
    "volumes": Row(
        outcome="changed",
        attribute="`volumes`",
        remark=(
            "The path `${data}` is a named volume, and a path of the project is mounted read-only. Volumes "
            "below `${data}`, writable volumes, and volumes outside of the project are refused."
        ),
    ),
    "env": Row(
        outcome="kept",
        attribute="`environment`",
        remark="A variable with a secret is refused, unless `entrypoint` is set.",
    ),
    "container": Row(
        outcome="kept",
        attribute="`healthcheck`, `ports`",
        remark="`health`, `health_client` and `public`.",
    ),
    **{key: USER_SERVICE[key] for key in USER_SERVICE if key not in {"command", "cwd", "env", "container"}},
}

#: reference → its row
REFERENCES: Mapping[str, Row] = {
    "${host}": Row(
        outcome="changed",
        attribute="`0.0.0.0`",
        remark=("The service listens on all addresses of the container."),
    ),
    "${port.NAME}": Row(outcome="changed", remark="The value is the port number inside the container."),
    "${SERVICE.EXPORT}": Row(
        outcome="changed",
        remark=(
            "The value contains the host name of SERVICE's container, and the port number inside SERVICE's "
            "container."
        ),
    ),
    "${SERVICE.EXPORT?}": Row(
        outcome="changed",
        remark=("The value is empty if the stack does not contain SERVICE, or if SERVICE is left out."),
    ),
    "${env.NAME}": Row(
        outcome="kept",
        attribute="`${NAME:?…}`",
        remark=(
            "Docker Compose reads the environment variable at the start. If the variable is not set, Compose "
            "reads the value from the file `.env` beside `compose.yaml`."
        ),
    ),
    "${env.NAME:-other}": Row(outcome="kept", attribute="`${NAME:-other}`"),
    "${secret.NAME}": Row(
        outcome="changed",
        attribute="`secrets`",
        remark="The secret is a file in `/run/secrets`. This reference is allowed only in `env`.",
    ),
    "${data}": Row(
        outcome="changed",
        attribute="`volumes`",
        remark=("The data folder is a named volume; for your own service, the volume is mounted at `/data`."),
    ),
    "${run}": Row(
        outcome="changed",
        attribute="`/tmp`",
        remark=("This reference is refused in exports that other services use."),
    ),
    "${root}": Row(
        outcome="changed",
        remark=(
            "The value is `container.root`, or `/app` in the generated image. If the image is not generated "
            "and `container.root` is not set, the reference is refused."
        ),
    ),
    "${bin.NAME}": Row(
        outcome="changed",
        remark=("The value is the name of the executable, which is searched in the PATH of the image."),
    ),
    "${stack.environment}": Row(outcome="kept", remark="The value is the name of the environment."),
    "${stack.service}": Row(outcome="kept", remark="The value is the name of the service."),
    "${stack.logs}": Row(outcome="refused", remark="The container engine stores the logs."),
    **CONTAINER_REFERENCES,
}

_PAGE = """\
# How a stack is exported to Compose

<!-- written by `python -m infra_runtime.engines.compose.mapping`; a test compares it with the code -->

The command `infra export compose` writes files for a stack, so that `docker compose` can run the stack in
containers. [Export a stack to Docker Compose](../how-to/export-to-compose.md) explains how to use the
command. The tables on this page list every field of a service, and the outcome of its export:

- **kept**: Compose has the same setting
- **changed**: Compose has a setting with the same effect in a container
- **left out**: the field is not exported, because only the local engine uses it
- **refused**: the command fails with an error that contains the line of the stack file

The exported files need Docker Compose 2.23.1 or later, because this version can read configuration files
whose content is part of the Compose file.

## A service of the stack

{spec}
## Your own service, in the stack file

{own}
## Your own service with an image

{image}
## References

{references}"""


def page() -> str:
    """Return the text of the page about the export to Compose, in Markdown."""
    return _PAGE.format(
        spec=table("field", "in Compose", SPEC),
        own=table("key", "in Compose", USER_SERVICE),
        image=table("key", "in Compose", IMAGE_SERVICE),
        references=table("reference", "in Compose", REFERENCES),
    )


if __name__ == "__main__":
    sys.stdout.write(page())
