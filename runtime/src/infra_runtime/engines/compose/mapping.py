"""What becomes of each field of a service in Compose, as data and as a page of Markdown.

`python -m infra_runtime.engines.compose.mapping > docs/reference/export-compose.md` writes the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Outcome: TypeAlias = Literal["kept", "changed", "left out", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One field: what becomes of it, the attribute of Compose, and the remark of the table."""

    outcome: Outcome
    attribute: str = ""
    remark: str = ""


_STOP = "The first signal; the seconds of all steps together. SIGKILL follows."
_RESTART = "In staging and production `on-failure` becomes `unless-stopped`: it survives a reboot."
_PORTS = (
    "In development on 127.0.0.1 with the same number, in tests with a free one; in staging and production"
    " those of public services alone, on all addresses. Inside the container a kind uses its image's numbers."
)
_WATCH = "In development: synchronise and restart; without a known folder `rebuild` or `restart`."

_START_TIMEOUT = "Until then a failed check does not count."

#: field of `ServiceSpec` → what becomes of it
SPEC: Mapping[str, Row] = {
    "name": Row(
        outcome="kept",
        attribute="the key in `services`",
        remark="It is the host name too: `_` becomes `-`, and more than 63 letters are cut, with a hash.",
    ),
    "command": Row(
        outcome="changed",
        attribute="`command`, `entrypoint`",
        remark="Your own service keeps it. A kind gets the arguments of its image's entry point.",
    ),
    "kind": Row(outcome="left out", remark="It chose the image when the stack was planned."),
    "summary": Row(outcome="left out", remark="A text for people."),
    "env": Row(
        outcome="kept",
        attribute="`environment`",
        remark="A variable that contains a secret is read from the secret's file when the container starts. A"
        " kind has those of its image in place of those of the local server. `INFRA_ENV` is added.",
    ),
    "cwd": Row(
        outcome="kept", attribute="`working_dir`", remark="Of services of your own; a kind has its image's."
    ),
    "prepare": Row(
        outcome="changed",
        attribute="`configs`, `secrets`, `volumes`",
        remark="The image's own script prepares the data; local commands and seeds are never exported.",
    ),
    "ports": Row(outcome="changed", attribute="`ports`", remark=_PORTS),
    "ready": Row(
        outcome="changed",
        attribute="`healthcheck.test`",
        remark="A command that the image has. Refused when there is none.",
    ),
    "exports": Row(
        outcome="changed",
        attribute="the values of those that refer to them",
        remark="With the service's host name. Refused: a path, a socket, `localhost`.",
    ),
    "needs": Row(
        outcome="kept",
        attribute="`depends_on`",
        remark="`service_healthy`, for a task `service_completed_successfully`, without a probe"
        " `service_started`. References count too. Refused: a service without an image.",
    ),
    "start_timeout": Row(outcome="kept", attribute="`healthcheck.start_period`", remark=_START_TIMEOUT),
    "stop": Row(outcome="changed", attribute="`stop_signal`, `stop_grace_period`", remark=_STOP),
    "restart": Row(outcome="changed", attribute="`restart`", remark=_RESTART),
    "quiesce": Row(outcome="left out", remark="Snapshots belong to the local engine."),
    "task": Row(outcome="kept", attribute='`restart: "no"`', remark="Others wait until it has ended with 0."),
    "watch": Row(outcome="kept", attribute="`develop.watch`", remark=_WATCH),
    "refuses_root": Row(outcome="left out", remark="The image changes its user by itself."),
    "copy_of": Row(outcome="left out", remark="Copies for single tests are never in a plan."),
    "container": Row(
        outcome="kept",
        attribute="`image`, `build`, `volumes`, `configs`, `secrets`",
        remark="A kind without one is left out, with a note in the file and in the output.",
    ),
}

#: key of a table of the stack file with a command → what becomes of it
OWN: Mapping[str, Row] = {
    "command": Row(
        outcome="kept",
        attribute="`command`",
        remark="The image's entry point is removed. `container.command` replaces it. Refused: a secret.",
    ),
    "env": SPEC["env"],
    "cwd": Row(
        outcome="kept",
        attribute="`working_dir`",
        remark="Without a folder that stands for the project the image's own.",
    ),
    "ports": Row(outcome="changed", attribute="`ports`", remark="The same number inside the container."),
    "route": Row(
        outcome="kept", attribute="the configuration of Caddy", remark="With the service's host name."
    ),
    **{
        key: Row(
            outcome="kept",
            attribute="the configuration of the service that uses it",
            remark="Planning puts it there, in containers as here.",
        )
        for key in ("metrics", "alert", "log")
    },
    "container": Row(
        outcome="kept",
        attribute="`image` or `build`",
        remark="Without it a Dockerfile for Python is generated.",
    ),
    **{
        key: SPEC[key]
        for key in (
            "summary",
            "needs",
            "ready",
            "exports",
            "task",
            "watch",
            "start_timeout",
            "stop",
            "restart",
        )
    },
}

#: reference → what becomes of it
REFERENCES: Mapping[str, Row] = {
    "${host}": Row(outcome="changed", attribute="`0.0.0.0`", remark="All addresses of the container."),
    "${port.NAME}": Row(outcome="changed", remark="The number inside the container."),
    "${SERVICE.EXPORT}": Row(outcome="changed", remark="With that service's host name and inner port."),
    "${SERVICE.EXPORT?}": Row(outcome="changed", remark="Empty where that service is absent or left out."),
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
    "${data}": Row(outcome="changed", attribute="`volumes`", remark="A named volume; yours is at `/data`."),
    "${run}": Row(outcome="changed", attribute="`/tmp`", remark="Refused in exports for others."),
    "${root}": Row(
        outcome="changed",
        remark="`container.root`; `/app` in the generated image. Else refused.",
    ),
    "${bin.NAME}": Row(outcome="changed", remark="The name alone, as on the image's PATH."),
    "${stack.environment}": Row(outcome="kept", remark="Its text."),
}

_PAGE = """\
# What becomes of a stack in Compose

<!-- written by `python -m infra_runtime.engines.compose.mapping`; a test holds it against the code -->

`infra export compose` writes a stack for `docker compose`: [how to](../how-to/export-to-compose.md). The
tables name every field of a service, and what becomes of it:

- **kept**: Compose has the same
- **changed**: Compose has something that does the same in a container
- **left out**: it has a meaning for the local engine alone
- what is **refused** is an error with the line of the stack file, never a warning

The files need Docker Compose 2.23.1 or later, which reads configurations from the file itself.

## A service of the stack

{spec}
## A service of your own, in the stack file

{own}
## References

{references}"""


def page() -> str:
    """Return the whole page."""
    return _PAGE.format(
        spec=_table("field", SPEC), own=_table("key", OWN), references=_table("reference", REFERENCES)
    )


def _table(head: str, rows: Mapping[str, Row]) -> str:
    return "\n".join([f"| {head} | outcome | in Compose | |", "| --- | --- | --- | --- |", *_lines(rows), ""])


def _lines(rows: Mapping[str, Row]) -> Iterable[str]:
    for name, row in rows.items():
        yield f"| `{name}` | {row.outcome} | {row.attribute} | {row.remark} |".replace("|  |", "| |")


if __name__ == "__main__":
    sys.stdout.write(page())
