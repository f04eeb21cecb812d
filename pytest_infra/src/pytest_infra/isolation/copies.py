"""Copies of a service; a copy is a separate process that the supervisor starts from the same spec."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from infra_runtime.config.resolve import Resolved
from infra_runtime.engines.local.client import raise_failures
from infra_runtime.engines.local.engine import attach
from infra_runtime.engines.local.stack import Endpoint, Stack
from infra_runtime.host import disk
from pytest_infra.isolation.slots import Slots

#: The maximum number of copies of a service in a stack.
MAX_COPIES = 128


class Copier:
    """An object that starts and stops copies of a service; the copies have the names `SERVICE.N`.

    Each copy has its own folder, ports and sockets. No service in a stack file has the name of a copy,
    because a stack file does not allow a dot in the name of a service.
    """

    def __init__(
        self,
        server: Endpoint,
        stack: Path,
        resolved: Resolved,
        *,
        shared: tuple[str, ...] = (),
        fill: Callable[[Path], object] = lambda _: None,
    ) -> None:
        self._server, self._data, self._resolved = server, stack, resolved
        #: the prefixes of command-line flags whose values are folders that a copy only reads; a copy uses the
        #: same folders as the service
        self._shared = shared
        #: the function that fills the folder of a copy; the argument is the path of this folder, which does
        #: not exist yet
        self._fill = fill
        hint = f"Increase the scope of the fixture of {server.name}: `infra_scope = {server.name}: module`."
        self._slots = Slots(stack, server.name, range(1, MAX_COPIES + 1), hint)
        self._stack: Stack | None = None
        self.endpoints: dict[str, Endpoint] = {}

    def make(self) -> str:
        """Start a copy of the service, wait until the copy is ready, and return its name."""
        number = self._slots.take(self._clean)
        try:
            return self._start(self._name(number))
        except BaseException:
            self._slots.free(number, clean=False)
            self.close()
            raise

    def _start(self, name: str) -> str:
        stack = self._open()
        (spec,) = [spec for spec in self._resolved.plan.services if spec.name == self._server.name]
        command = tuple(
            argument.replace("${data}", str(self._server.data))
            if argument.startswith(self._shared)
            else argument
            for argument in spec.command
        )
        copy = replace(spec, name=name, command=command, copy_of=spec.name)
        plan = replace(self._resolved.plan, services=(copy,))
        self._fill(self.folder(name))
        raise_failures(stack.up(replace(self._resolved, plan=plan)).failures)
        self.endpoints[name] = endpoint = stack[name]
        endpoint.driver_urls = self._server.driver_urls
        return name

    def reset(self, name: str) -> str | None:  # noqa: ARG002 - the interface of a factory
        """Return None: a copy that a test has used cannot be reset and must be removed."""
        return None

    def remove(self, name: str) -> None:
        """Stop a copy of the service, and remove its data folder; files that cannot be removed remain."""
        number = self._number(name)
        self._slots.free(number, clean=self._clean(number))
        self.endpoints.pop(name, None)

    def stop(self, name: str) -> None:
        """Stop a copy; its folder remains until `remove` is called."""
        self._open().stop(name)

    def restart(self, name: str) -> None:
        """Restart a copy, and wait until it is ready again."""
        self._open().restart(name)

    def folder(self, name: str) -> Path:
        """Return the path of a copy's data folder."""
        return self._server.data.parent / name

    def keep(self, name: str) -> None:
        """Keep a copy of the service running; no later copy gets the same number."""
        self._slots.free(self._number(name), keep=True)

    def close(self) -> None:
        """Close the connection to the supervisor; the next start or stop of a copy opens a new connection."""
        if self._stack is not None:
            self._stack.close()
            self._stack = None

    def _name(self, number: int | str) -> str:
        return f"{self._server.name}.{number}"

    def _number(self, name: str) -> int:
        return int(name.removeprefix(self._name("")))

    def _clean(self, number: int) -> bool:
        stack, name = self._open(), self._name(number)
        if name in stack.endpoints():
            stack.stop(name)
        with contextlib.suppress(OSError):
            disk.remove(str(self.folder(name)))
        return True

    def _open(self) -> Stack:
        if self._stack is None:
            # This connection does not need a lease, because the session of the test has a lease.
            self._stack = attach(self._data, lease=False)
        return self._stack
