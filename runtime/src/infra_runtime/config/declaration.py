"""What the merged sources declare: the stack's settings, and the kind of each service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra_runtime import catalogue
from infra_runtime.config.environment import StackSettings
from infra_runtime.config.layers import Merged, leaves
from infra_runtime.config.request import Request
from infra_runtime.config.stack_file import Key
from infra_runtime.spec import other_service, references, texts

#: the kind of a user's own service
USER = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A request, and what all its sources together give for the stack."""

    request: Request
    stack: StackSettings
    merged: Merged
    #: whether facts are read from executables
    executables: bool

    def table(self, service: str) -> Mapping[str, Any]:
        """The service's table, all sources merged; empty where none has one."""
        return self.stack.services.get(service, {})

    def kind(self, service: str) -> str | None:
        """The service's kind; `USER` for the user's own service, None where no service has this name.

        A table with `command` or `kind` hides the kind that has its name: a kind that is added to the
        catalogue changes no stack.
        """
        table = self.table(service)
        if "command" in table:
            return USER
        if "kind" in table:
            return str(table["kind"])
        return service if catalogue.exists(service) else None

    def names(self) -> list[str]:
        """Every name that means a service here, whether or not this stack has it."""
        return list(dict.fromkeys([*catalogue.names(), *self.stack.services]))

    def mentioned(self) -> Iterator[str]:
        """The services that the tables need or refer to."""
        for table in self.stack.services.values():
            needs = table.get("needs", ())
            yield from needs.split(",") if isinstance(needs, str) else needs
            for text in texts(table):
                yield from filter(None, map(other_service, references(text)))

    def place(self, key: Key) -> str:
        """Where a key, or the table around it, came from, such as `infra.toml:3`."""
        return self.merged.place(key)

    def place_in(self, service: str, text: str) -> str:
        """Where a text occurs in a service's table; the place of the table where it does not."""
        for key, value in leaves(self.table(service)):
            if text and text in str(value):
                return self.place(("services", service, *key))
        return self.place(("services", service))
