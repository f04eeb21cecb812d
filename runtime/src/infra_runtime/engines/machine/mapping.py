"""The tables that describe how each field of a service is exported to systemd and to a Procfile.

`python -m infra_runtime.engines.machine.mapping > docs/reference/export-systemd.md` writes the page.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from infra_runtime.engines.mapping import LOCAL_FIELDS, Row, table

_LAUNCHER = "The launcher reads the field from `stack.json`."

#: field of `ServiceSpec` → its row
SPEC: Mapping[str, Row] = {
    "name": Row(
        outcome="kept",
        attribute="`STACK-NAME.service`",
        remark="In the name of a unit, characters other than letters, digits and `:_.-` are escaped.",
    ),
    "command": Row(outcome="kept", attribute="`ExecStart`", remark=_LAUNCHER),
    "kind": Row(outcome="left out", remark="The kind determines the command when the plan is created."),
    "summary": Row(outcome="kept", attribute="`Description`"),
    "env": Row(
        outcome="kept",
        attribute="`ExecStart`",
        remark=(
            f"{_LAUNCHER} You write the values of `${{env.NAME}}` to the file `/etc/STACK.env` (for units of "
            "a user, `~/.config/STACK.env`)."
        ),
    ),
    "env_defaults": Row(outcome="kept", attribute="`ExecStart`", remark=_LAUNCHER),
    "cwd": Row(outcome="kept", attribute="`ExecStart`", remark=_LAUNCHER),
    "prepare": Row(
        outcome="kept", attribute="`ExecStart`", remark="The launcher prepares the data before each start."
    ),
    "ports": Row(
        outcome="kept",
        remark=(
            "The ports have the numbers of the environment. In staging and production, a public service "
            "listens on all addresses. For a number below 1024, a system unit has the capability "
            "`CAP_NET_BIND_SERVICE`."
        ),
    ),
    "ready": Row(
        outcome="kept",
        attribute="`ExecStartPost`",
        remark="The launcher runs the probe; the unit is active when the probe has succeeded.",
    ),
    "image": Row(outcome="refused", remark="Only the supervisor removes the containers of a service."),
    "exports": Row(outcome="kept", attribute="the values that refer to the exports"),
    "needs": Row(
        outcome="kept",
        attribute="`Requires`, `After`",
        remark="With a Procfile, the launcher of a service waits until the needed services are ready.",
    ),
    "start_timeout": Row(
        outcome="kept",
        attribute="`TimeoutStartSec`",
        remark="A minute is added for the preparation of the data.",
    ),
    "stop": Row(
        outcome="changed",
        attribute="`KillSignal`, `KillMode`, `TimeoutStopSec`",
        remark=(
            "The unit has the signal of the first stop step, and the sum of the seconds of all stop steps. "
            "With a Procfile, the launcher sends the signals of all steps, until the process manager sends "
            "SIGKILL."
        ),
    ),
    "restart": Row(
        outcome="kept",
        attribute="`Restart`",
        remark="A program that reads a Procfile stops all services when one service exits.",
    ),
    "task": Row(
        outcome="kept",
        attribute="`Type=oneshot`, `RemainAfterExit=yes`",
        remark="With a Procfile, the launcher of a complete task keeps running until a signal stops it.",
    ),
    "watch": Row(outcome="left out", remark="Only `infra runtime up --watch` restarts changed services."),
    "starts_on_connection": Row(outcome="left out", remark="The process runs from the start."),
    "refuses_root": Row(
        outcome="changed",
        attribute="`DynamicUser=yes`",
        remark="The services of system units do not run as root.",
    ),
    "container": Row(outcome="left out", remark="The services run as processes of the machine."),
    **LOCAL_FIELDS,
}

#: reference → its row
REFERENCES: Mapping[str, Row] = {
    "${host}": Row(
        outcome="kept",
        attribute="`127.0.0.1`",
        remark="For a public service in staging and production, the value is `0.0.0.0`.",
    ),
    "${port.NAME}": Row(outcome="kept"),
    "${SERVICE.EXPORT}": Row(outcome="kept"),
    "${SERVICE.EXPORT?}": Row(outcome="kept"),
    "${env.NAME}": Row(outcome="kept", remark="The value is read when the service starts."),
    "${env.NAME:-other}": Row(outcome="kept"),
    "${secret.NAME}": Row(outcome="kept", remark="The launcher creates and reads the file of the secret."),
    "${data}": Row(
        outcome="changed", attribute="`StateDirectory`", remark="The value is a folder in `/var/lib/STACK`."
    ),
    "${run}": Row(
        outcome="changed", attribute="`RuntimeDirectory`", remark="The value is a folder in `/run/STACK`."
    ),
    "${root}": Row(
        outcome="kept", remark="The services of system units can read the folder, but not write to it."
    ),
    "${bin.NAME}": Row(outcome="kept", remark="The value is the path of the executable on this machine."),
    "${stack.environment}": Row(outcome="kept"),
    "${stack.project}": Row(outcome="kept"),
    "${stack.run}": Row(outcome="changed", remark="The value differs between services and between starts."),
    "${stack.service}": Row(outcome="kept"),
    "${stack.logs}": Row(outcome="refused", remark="systemd or the process manager stores the logs."),
    "${stack.data}": Row(outcome="refused", remark="The services have no supervisor."),
    "${stack.token}": Row(outcome="refused", remark="The services have no supervisor."),
}

_PAGE = """\
# How a stack is exported to systemd and to a Procfile

<!-- written by `python -m infra_runtime.engines.machine.mapping`; a test compares it with the code -->

The commands `infra export systemd` and `infra export procfile` write files for a stack, so that another
process manager can run its services on this machine. [Export a stack to
systemd](../how-to/export-to-systemd.md) explains how to use the commands. The tables on this page list every
field of a service, and the outcome of its export:

- **kept**: the setting has the same effect
- **changed**: another setting has the same purpose
- **left out**: the field is not exported, because only the local engine uses it
- **refused**: the command fails with an error that contains the line of the stack file

In both exports, a small program starts each service: the launcher. The launcher prepares the data of the
service and replaces the references, with the code of the supervisor.

## A service of the stack

{spec}
## References

{references}"""


def page() -> str:
    """Return the text of the page about the exports to systemd and to a Procfile, in Markdown."""
    return _PAGE.format(
        spec=table("field", "in the unit", SPEC), references=table("reference", "in the unit", REFERENCES)
    )


if __name__ == "__main__":
    sys.stdout.write(page())
