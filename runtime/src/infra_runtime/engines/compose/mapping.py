"""The mapping from the fields of a service to Compose, as data and as a page of Markdown.

`python -m infra_runtime.engines.compose.mapping > docs/reference/export-compose.md` writes the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from infra_runtime.value import frozen

Outcome: TypeAlias = Literal["kept", "changed", "left out", "refused"]


@frozen
class Row:
    """One row of the mapping: how a service's field is exported, its attribute in Compose, a remark."""

    outcome: Outcome
    attribute: str = ""
    remark: str = ""


_STOP = "Compose sends the first signal, waits for the seconds of all stop steps, and sends SIGKILL."
_RESTART = (
    "In staging and production, `on-failure` becomes `unless-stopped`, so a reboot restarts the service."
)
_PORTS = (
    "In development, ports are published on 127.0.0.1 with the same number, in tests with a free number. In"
    " staging and production, only the ports of public services are published, on all addresses. Inside the"
    " container, a kind uses the port numbers of its image."
)
_WATCH = (
    "In development, the action is `sync+restart`, or `rebuild` or `restart` if the project's folder in"
    " the image is not known."
)

_START_TIMEOUT = "During this time, a failed health check does not count."

#: field of `ServiceSpec` → its row
SPEC: Mapping[str, Row] = {
    "name": Row(
        outcome="kept",
        attribute="the key in `services`",
        remark="Also the host name, with `-` for `_`; the end of a name of more than 63 characters becomes a hash.",
    ),
    "command": Row(
        outcome="changed",
        attribute="`command`, `entrypoint`",
        remark="Your own service keeps its command. A kind has the arguments for its image's entry point.",
    ),
    "kind": Row(outcome="left out", remark="The kind determines the image."),
    "summary": Row(outcome="left out", remark="A description."),
    "env": Row(
        outcome="kept",
        attribute="`environment`",
        remark="A variable that contains a secret is read from the secret's file when the container starts. A"
        " kind has the variables of its image instead of those of the local server. `INFRA_ENV` is added.",
    ),
    "cwd": Row(
        outcome="kept",
        attribute="`working_dir`",
        remark="For your own services; a kind uses its image's directory.",
    ),
    "prepare": Row(
        outcome="changed",
        attribute="`configs`, `secrets`, `volumes`",
        remark="The image's script prepares the data; local commands and seeds are not exported.",
    ),
    "ports": Row(outcome="changed", attribute="`ports`", remark=_PORTS),
    "ready": Row(
        outcome="changed",
        attribute="`healthcheck.test`",
        remark="The probe becomes a command of the image. Refused if the image has no suitable program.",
    ),
    "sensitive": Row(outcome="left out", remark="The names of variables whose values `infra` masks."),
    "exports": Row(
        outcome="changed",
        attribute="the values that refer to exports",
        remark="An export contains the service's host name. Refused: a path, a socket, `localhost`.",
    ),
    "needs": Row(
        outcome="kept",
        attribute="`depends_on`",
        remark="The condition is `service_healthy`, for a task `service_completed_successfully`, and for a"
        " service without a probe `service_started`. References are needs. Refused: a need without an image.",
    ),
    "start_timeout": Row(outcome="kept", attribute="`healthcheck.start_period`", remark=_START_TIMEOUT),
    "stop": Row(outcome="changed", attribute="`stop_signal`, `stop_grace_period`", remark=_STOP),
    "restart": Row(outcome="changed", attribute="`restart`", remark=_RESTART),
    "quiesce": Row(outcome="left out", remark="Only the local engine makes snapshots."),
    "task": Row(
        outcome="kept",
        attribute='`restart: "no"`',
        remark="Services that need a task wait until the task has exited with 0.",
    ),
    "watch": Row(outcome="kept", attribute="`develop.watch`", remark=_WATCH),
    "refuses_root": Row(outcome="left out", remark="The start script of the image changes the user."),
    "copy_of": Row(outcome="left out", remark="Copies for single tests are not part of a plan."),
    "container": Row(
        outcome="kept",
        attribute="`image`, `build`, `volumes`, `configs`, `secrets`",
        remark="A kind without a container is left out, with a note in the file and in the output.",
    ),
}

#: key of a user's own service in the stack file → its row
USER_SERVICE: Mapping[str, Row] = {
    "command": Row(
        outcome="kept",
        attribute="`command`",
        remark="`command` (or `container.command`) replaces the image's entry point. Refused: a secret.",
    ),
    "env": SPEC["env"],
    "cwd": Row(
        outcome="kept",
        attribute="`working_dir`",
        remark="If the project's folder in the image is not known, the image's working directory is used.",
    ),
    "ports": Row(
        outcome="changed", attribute="`ports`", remark="The port has the same number inside the container."
    ),
    "route": Row(
        outcome="kept",
        attribute="the configuration of Caddy",
        remark="The target is the service's host name.",
    ),
    **{
        key: Row(
            outcome="kept",
            attribute="the configuration of the services that consume the contribution",
            remark="The value is part of the plan, as for the local engine.",
        )
        for key in ("metrics", "alert", "log")
    },
    "container": Row(
        outcome="kept",
        attribute="`image` or `build`",
        remark="If the table `container` is missing, a Dockerfile for Python is generated.",
    ),
    **{
        key: SPEC[key]
        for key in (
            "summary",
            "needs",
            "ready",
            "exports",
            "sensitive",
            "task",
            "watch",
            "start_timeout",
            "stop",
            "restart",
        )
    },
}

#: reference → its row
REFERENCES: Mapping[str, Row] = {
    "${host}": Row(outcome="changed", attribute="`0.0.0.0`", remark="All addresses of the container."),
    "${port.NAME}": Row(outcome="changed", remark="The number of the port inside the container."),
    "${SERVICE.EXPORT}": Row(
        outcome="changed",
        remark="The value contains the host name of SERVICE and the port number in its container.",
    ),
    "${SERVICE.EXPORT?}": Row(
        outcome="changed", remark="The value is empty if SERVICE is missing or left out."
    ),
    "${env.NAME}": Row(
        outcome="kept",
        attribute="`${NAME:?…}`",
        remark="Compose reads it at start, from its environment or the `.env` beside `compose.yaml`.",
    ),
    "${env.NAME:-other}": Row(outcome="kept", attribute="`${NAME:-other}`"),
    "${secret.NAME}": Row(
        outcome="changed",
        attribute="`secrets`",
        remark="The secret is a file in `/run/secrets`. Refused outside `env`.",
    ),
    "${data}": Row(
        outcome="changed",
        attribute="`volumes`",
        remark="A named volume; for your own service, it is at `/data`.",
    ),
    "${run}": Row(
        outcome="changed", attribute="`/tmp`", remark="Refused in exports that other services use."
    ),
    "${root}": Row(
        outcome="changed",
        remark="`container.root`; `/app` in the generated image. Refused if neither exists.",
    ),
    "${bin.NAME}": Row(
        outcome="changed", remark="The name of the program, which is found in the image's PATH."
    ),
    "${stack.environment}": Row(outcome="kept", remark="The name of the environment."),
}

_PAGE = """\
# How a stack is exported to Compose

<!-- written by `python -m infra_runtime.engines.compose.mapping`; a test compares it with the code -->

`infra export compose` writes a stack for `docker compose`: [how to](../how-to/export-to-compose.md). The
tables list every field of a service and its outcome:

- **kept**: Compose has the same setting
- **changed**: Compose has a setting with the same effect in a container
- **left out**: only the local engine uses it
- **refused**: an error with the line of the stack file, never a warning

The files need Docker Compose 2.23.1 or later, which reads configurations from the file itself.

## A service of the stack

{spec}
## Your own service, in the stack file

{own}
## References

{references}"""


def page() -> str:
    """Return the text of the page `docs/reference/export-compose.md`, in Markdown."""
    return _PAGE.format(
        spec=_table("field", SPEC),
        own=_table("key", USER_SERVICE),
        references=_table("reference", REFERENCES),
    )


def _table(head: str, rows: Mapping[str, Row]) -> str:
    return "\n".join([f"| {head} | outcome | in Compose | |", "| --- | --- | --- | --- |", *_lines(rows), ""])


def _lines(rows: Mapping[str, Row]) -> Iterable[str]:
    for name, row in rows.items():
        yield f"| `{name}` | {row.outcome} | {row.attribute} | {row.remark} |".replace("|  |", "| |")


if __name__ == "__main__":
    sys.stdout.write(page())
