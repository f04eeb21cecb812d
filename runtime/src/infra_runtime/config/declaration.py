"""The declaration of a stack: its settings from all sources, and the kind of each service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra_runtime import catalogue
from infra_runtime.config.environment import StackSettings
from infra_runtime.config.layers import Merged, leaves
from infra_runtime.config.request import Request
from infra_runtime.config.stack_file import Key
from infra_runtime.manifest import PROXY
from infra_runtime.spec import other_service, references, texts
from infra_runtime.value import frozen

#: the kind of a user's own service
USER = ""


@frozen
class Declaration:
    """A request for a stack, and the stack's settings, which are merged from all sources."""

    request: Request
    stack: StackSettings
    merged: Merged
    #: whether settings such as a version are read from the executables
    executables: bool

    def table(self, service: str) -> Mapping[str, Any]:
        """Return the settings of a service, merged from all sources.

        The result is empty if no source contains settings of the service. The settings of the service `proxy`
        include the table of the kind that the setting `proxy` selects.
        """
        service_table = self.stack.services.get(service, {})
        if service == PROXY and self.stack.proxy is not None:
            return catalogue.overlaid(self.stack.services.get(self.stack.proxy, {}), service_table)
        return service_table

    def kind(self, service: str) -> str | None:
        """Return the service's kind: `USER` for a user's own service, None if no service has this name.

        The kind of the service `proxy` is the setting `proxy` of the stack. If the table of the service
        contains `command` or `kind`, a kind with the service's name is ignored, so that a new kind in the
        catalogue does not change existing stacks. If a table has the name of a kind and contains `image`,
        the service is of this kind, and `image` is used for exports only.
        """
        table = self.table(service)
        if "command" in table:
            return USER
        if "kind" in table:
            return str(table["kind"])
        if service == PROXY and self.stack.proxy is not None:
            return self.stack.proxy
        if catalogue.exists(service):
            return service
        return USER if "image" in table else None

    def names(self) -> list[str]:
        """Return the names of all kinds and of all services with a table, for error messages."""
        return list(dict.fromkeys([*catalogue.names(), *self.stack.services]))

    def mentioned(self) -> Iterator[str]:
        """Yield the names of the services that the tables of other services need or refer to."""
        for table in self.stack.services.values():
            needs = table.get("needs", ())
            yield from map(str.strip, needs.split(",")) if isinstance(needs, str) else needs
            for text in texts(table):
                yield from filter(None, map(other_service, references(text)))

    def location(self, key: Key) -> str:
        """Return the location of a setting or of the table that contains it, such as `infra.toml:3`."""
        if key[:2] == ("services", PROXY) and self.stack.proxy and not self.merged.exact_location(key):
            key_of_kind = ("services", self.stack.proxy, *key[2:])
            return self.merged.exact_location(key_of_kind) or self.merged.location(key)
        return self.merged.location(key)

    def location_of_text(self, service: str, text: str) -> str:
        """Return the location (`infra.toml:3`) of the first setting of a service that contains `text`.

        If no setting contains the text, return the location of the service's table.
        """
        for key, value in leaves(self.table(service)):
            if text and text in str(value):
                return self.location(("services", service, *key))
        return self.location(("services", service))
