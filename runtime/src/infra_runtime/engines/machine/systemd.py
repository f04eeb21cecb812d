"""The engine that writes a systemd unit for each service, and a target for the stack.

Sources: systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.kill(5).
"""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import ClassVar

from infra_runtime.engines.machine.document import FILE, document
from infra_runtime.engines.machine.launch import MODULE
from infra_runtime.engines.output import first_line
from infra_runtime.engines.references import shortened
from infra_runtime.host.ports import UNPRIVILEGED
from infra_runtime.plan import Plan
from infra_runtime.spec import ServiceSpec
from infra_runtime.value import frozen

#: seconds that are added to a service's `start_timeout` for its preparation
_PREPARATION = 60
#: folders that `ProtectHome=yes` hides
_HOMES = (PurePosixPath("/home"), PurePosixPath("/root"), PurePosixPath("/run/user"))
#: the greatest length of a user's name. Source: systemd.io, "User/Group Name Syntax"
_LONGEST_USER = 31
_RESTART = {"on-failure": "on-failure", "always": "always", "never": "no"}
#: settings that also have an effect in the units of a user, because they need no privileges
_FOR_USERS = (
    "NoNewPrivileges=yes",
    "UMask=0077",
    "LockPersonality=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RestrictNamespaces=yes",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "SystemCallErrorNumber=EPERM",
)
#: settings of system units; their services run as a user without shell, home folder and other files
_FOR_SYSTEM = (
    "ProtectSystem=strict",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "PrivateUsers={private_users}",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "RemoveIPC=yes",
    "CapabilityBoundingSet={capabilities}",
    "AmbientCapabilities={capabilities}",
    "DevicePolicy=closed",
)


@frozen
class Systemd:
    """The engine that converts a plan to systemd units. The class implements `Engine`."""

    name: ClassVar[str] = "systemd"
    #: the name of the stack, with which the names of all units begin; `user_name` derives the name of the
    #: services' user from it
    stack: str
    #: the absolute path of the folder of the exported files
    folder: str
    #: NAME → path, for references `${bin.NAME}`
    binaries: Mapping[str, str]
    #: whether the units are for a user's service manager (`systemctl --user`), not for the system
    user: bool = False
    #: the path of the Python interpreter that runs the launcher
    python: str = sys.executable

    def render(self, plan: Plan) -> Mapping[str, str]:
        """Return the units and the document to which their commands refer, as a mapping from path to text.

        Raises:
            ConfigurationError: the environment has no fixed ports, or a service needs the supervisor; the
                location is then the dotted key of the setting.
        """
        stack = document(plan, self.binaries)
        files = {FILE: stack.text(self.name)}
        comment = first_line(self.name)
        units = {name: f"{self.stack}-{unit_name(name)}.service" for name in stack.services}
        for spec in stack.services.values():
            files[units[spec.name]] = comment + self._unit(spec, plan, units)
        files[f"{self.stack}.target"] = comment + _sections(
            Unit=[f"Description=The stack {self.stack}", *(f"Wants={unit}" for unit in units.values())],
            Install=[f"WantedBy={'default' if self.user else 'multi-user'}.target"],
        )
        return files

    def _unit(self, spec: ServiceSpec, plan: Plan, units: Mapping[str, str]) -> str:
        needs = [units[name] for name in spec.all_needs()]
        summary = spec.summary or spec.kind
        return _sections(
            Unit=[
                f"Description={_text(f'{self.stack}: {spec.name}' + (f' ({summary})' if summary else ''))}",
                f"PartOf={self.stack}.target",
                *(f"{key}={' '.join(needs)}" for key in ("Requires", "After") if needs),
                *([] if self.user else ["Wants=network.target", "After=network.target"]),
                "StartLimitIntervalSec=60",
                "StartLimitBurst=10",
            ],
            Service=[
                *self._commands(spec),
                *self._stop(spec),
                *self._folders(plan),
                *self._hardening(spec, plan),
            ],
            Install=[f"WantedBy={self.stack}.target"],
        )

    def _commands(self, spec: ServiceSpec) -> list[str]:
        data = f"%S/{self.stack}"
        command = (self.python, "-I", "-m", MODULE)
        arguments = (f"{self.folder}/{FILE}", spec.name)
        start = _command((*command, "exec"), data, arguments)
        timeout = f"TimeoutStartSec={round(spec.start_timeout + _PREPARATION)}"
        if spec.task:
            return ["Type=oneshot", "RemainAfterExit=yes", f"ExecStart={start}", timeout]
        return [
            "Type=exec",
            f"ExecStart={start}",
            # A unit that needs this service starts when the probe of the service has succeeded.
            f"ExecStartPost={_command((*command, 'wait'), data, arguments)}",
            timeout,
            f"Restart={_RESTART[spec.restart]}",
            "RestartSec=1",
        ]

    def _stop(self, spec: ServiceSpec) -> list[str]:
        if not spec.stop:
            return []
        first_step = spec.stop[0]
        return [
            f"KillSignal={signal.Signals(first_step.signal).name}",
            f"KillMode={'control-group' if first_step.group else 'mixed'}",
            f"TimeoutStopSec={max(1, round(sum(step.seconds for step in spec.stop)))}",
        ]

    def _folders(self, plan: Plan) -> list[str]:
        name = self.stack
        return [
            f"WorkingDirectory={_text(plan.root)}",
            f"StateDirectory={name}",
            "StateDirectoryMode=0700",
            f"RuntimeDirectory={name}",
            "RuntimeDirectoryMode=0700",
            # All units of the stack share the folder, so the folder must remain when one unit stops.
            "RuntimeDirectoryPreserve=yes",
            f"CacheDirectory={name}",
            f"Environment=HOME=%S/{name}",
            "Environment=PYTHONUNBUFFERED=1",
            f"EnvironmentFile=-{'%E' if self.user else '/etc'}/{name}.env",
        ]

    def _hardening(self, spec: ServiceSpec, plan: Plan) -> list[str]:
        if self.user:
            return [*_FOR_USERS]
        paths = (plan.root, self.python, self.folder, *self.binaries.values())
        needs_home = any(PurePosixPath(path).is_relative_to(home) for path in paths for home in _HOMES)
        privileged = any(number < UNPRIVILEGED for number in spec.ports.values())
        values = {
            "capabilities": "CAP_NET_BIND_SERVICE" if privileged else "",
            # A capability in a user namespace does not allow a process to listen on a privileged port of the
            # machine.
            "private_users": "no" if privileged else "yes",
        }
        container = next(planned.container for planned in plan.services if planned.name == spec.name)
        # A user's own service and a public service may use the network; other services use loopback only.
        uses_network = not spec.kind or (container is not None and container.public)
        return [
            "DynamicUser=yes",
            f"User={user_name(self.stack)}",
            *_FOR_USERS,
            *(line.format(**values) for line in _FOR_SYSTEM),
            f"ProtectHome={'read-only' if needs_home else 'yes'}",
            *([] if uses_network else ["IPAddressDeny=any", "IPAddressAllow=localhost"]),
        ]


def user_name(stack: str) -> str:
    """Return the name of the user that systemd creates for a stack: at most 31 characters, first a letter.

    Source: systemd.io, "User/Group Name Syntax", "Strict mode".
    """
    return shortened(stack if stack[0].isalpha() else f"s-{stack}", stack, (), _LONGEST_USER)


def unit_name(service: str) -> str:
    """Return the name of a service, with escapes for characters that the name of a unit cannot contain.

    Source: systemd.unit(5), "Description".
    """
    return re.sub(r"[^A-Za-z0-9:_.-]", lambda match: f"\\x{ord(match[0]):02x}", service)


def _sections(**sections: Sequence[str]) -> str:
    return "\n".join(
        "".join(f"{line}\n" for line in (f"[{name}]", *lines)) for name, lines in sections.items()
    )


def _command(start: Sequence[str], data: str, arguments: Sequence[str]) -> str:
    """Return a command line in the syntax of systemd; `data` may contain specifiers such as `%S`."""
    return " ".join([*map(_word, start), "--data", data, *map(_word, arguments)])


def _word(text: str) -> str:
    """Quote a string as one word of a command line. Source: systemd.service(5), "Command lines"."""
    escaped = _text(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return escaped if re.fullmatch(r"[A-Za-z0-9_@%+=:,./$-]+", escaped) else f'"{escaped}"'


def _text(text: str) -> str:
    return text.replace("%", "%%").replace("\n", " ")
