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


_STOP = "The first signal; the seconds of all steps together. SIGKILL follows."
_RESTART = "In staging and production `on-failure` becomes `unless-stopped`: it survives a reboot."
_PORTS = (
    "In development on 127.0.0.1 with the same number, in tests with a free one; in staging and production"
    " only those of public services, on all addresses. Inside the container a kind uses its image's numbers."
)
_WATCH = "In development: `sync+restart`; without a known folder `rebuild` or `restart`."

_START_TIMEOUT = "During this time a failed check does not count."

#: field of `ServiceSpec` → its row
SPEC: Mapping[str, Row] = {
    "name": Row(
        outcome="kept",
        attribute="the key in `services`",
        remark="Also the host name: `_` becomes `-`; a name of more than 63 characters is cut, with a hash.",
    ),
    "command": Row(
        outcome="changed",
        attribute="`command`, `entrypoint`",
        remark="Your own service keeps it. A kind has the arguments for its image's entry point.",
    ),
    "kind": Row(outcome="left out", remark="The image is chosen by kind during planning."),
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
        remark="A command of the image. Refused if the image has none.",
    ),
    "sensitive": Row(outcome="left out", remark="Names whose values `infra` masks in its output."),
    "exports": Row(
        outcome="changed",
        attribute="the values that refer to them",
        remark="With the service's host name. Refused: a path, a socket, `localhost`.",
    ),
    "needs": Row(
        outcome="kept",
        attribute="`depends_on`",
        remark="`service_healthy`; for a task `service_completed_successfully`; without a probe"
        " `service_started`. References are needs too. Refused: a service without an image.",
    ),
    "start_timeout": Row(outcome="kept", attribute="`healthcheck.start_period`", remark=_START_TIMEOUT),
    "stop": Row(outcome="changed", attribute="`stop_signal`, `stop_grace_period`", remark=_STOP),
    "restart": Row(outcome="changed", attribute="`restart`", remark=_RESTART),
    "quiesce": Row(outcome="left out", remark="Only the local engine makes snapshots."),
    "task": Row(
        outcome="kept",
        attribute='`restart: "no"`',
        remark="Services that need it wait until it has exited with 0.",
    ),
    "watch": Row(outcome="kept", attribute="`develop.watch`", remark=_WATCH),
    "refuses_root": Row(outcome="left out", remark="The image's script changes the user."),
    "copy_of": Row(outcome="left out", remark="Copies for single tests are not part of a plan."),
    "container": Row(
        outcome="kept",
        attribute="`image`, `build`, `volumes`, `configs`, `secrets`",
        remark="A kind without one is left out, with a note in the file and in the output.",
    ),
}

#: key of a user's own service in the stack file → its row
USER_SERVICE: Mapping[str, Row] = {
    "command": Row(
        outcome="kept",
        attribute="`command`",
        remark="The image's entry point is removed. `container.command` replaces it. Refused: a secret.",
    ),
    "env": SPEC["env"],
    "cwd": Row(
        outcome="kept",
        attribute="`working_dir`",
        remark="The image's directory if the folder of the project in the image is not known.",
    ),
    "ports": Row(outcome="changed", attribute="`ports`", remark="The same number inside the container."),
    "route": Row(
        outcome="kept", attribute="the configuration of Caddy", remark="With the service's host name."
    ),
    **{
        key: Row(
            outcome="kept",
            attribute="the configuration of the service that uses it",
            remark="Planning adds it, as for the local engine.",
        )
        for key in ("metrics", "alert", "log")
    },
    "container": Row(
        outcome="kept",
        attribute="`image` or `build`",
        remark="Without this table, a Dockerfile for Python is generated.",
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
    "${port.NAME}": Row(outcome="changed", remark="The number inside the container."),
    "${SERVICE.EXPORT}": Row(
        outcome="changed", remark="With that service's host name and port number inside the container."
    ),
    "${SERVICE.EXPORT?}": Row(outcome="changed", remark="Empty if that service is absent or left out."),
    "${env.NAME}": Row(
        outcome="kept",
        attribute="`${NAME:?…}`",
        remark="Compose reads it at start, from the environment or from `.env` beside `compose.yaml`.",
    ),
    "${env.NAME:-other}": Row(outcome="kept", attribute="`${NAME:-other}`"),
    "${secret.NAME}": Row(
        outcome="changed",
        attribute="`secrets`",
        remark="A file in `/run/secrets`. Only in `env`.",
    ),
    "${data}": Row(
        outcome="changed", attribute="`volumes`", remark="A named volume; for your own service at `/data`."
    ),
    "${run}": Row(outcome="changed", attribute="`/tmp`", remark="Refused in exports for others."),
    "${root}": Row(
        outcome="changed",
        remark="`container.root`; `/app` in the generated image. Refused if neither exists.",
    ),
    "${bin.NAME}": Row(outcome="changed", remark="The name alone, which the image finds in its PATH."),
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
