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
    """A request for a stack, together with its settings, which are merged from all sources."""

    request: Request
    stack: StackSettings
    merged: Merged
    #: whether settings such as a version are read from the executables
    executables: bool

    def table(self, service: str) -> Mapping[str, Any]:
        """Return the settings of a service, merged from all sources; empty if no source sets any.

        The service `proxy` also has the settings in the table of the kind that the setting `proxy` selects.
        """
        own = self.stack.services.get(service, {})
        if service == PROXY and self.stack.proxy is not None:
            return catalogue.overlaid(self.stack.services.get(self.stack.proxy, {}), own)
        return own

    def kind(self, service: str) -> str | None:
        """Return the service's kind: `USER` for a user's own service, None if no service has this name.

        The kind of the service `proxy` is the setting `proxy` of the stack.

        A table with `command` or `kind` takes precedence over a kind with the same name, so that a kind that
        is added to the catalogue later does not change an existing stack. A table with the name of a kind and
        the key `image` is a service of this kind; `image` is then used only for exports.
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
            yield from needs.split(",") if isinstance(needs, str) else needs
            for text in texts(table):
                yield from filter(None, map(other_service, references(text)))

    def location(self, key: Key) -> str:
        """Return where a setting (or the table that contains it) is set, such as `infra.toml:3`."""
        if key[:2] == ("services", PROXY) and self.stack.proxy and not self.merged.exact_location(key):
            of_kind = ("services", self.stack.proxy, *key[2:])
            return self.merged.exact_location(of_kind) or self.merged.location(key)
        return self.merged.location(key)

    def location_of_text(self, service: str, text: str) -> str:
        """Return the location (`infra.toml:3`) of the setting of a service that contains `text`.

        If no setting contains the text, return the location of the table.
        """
        for key, value in leaves(self.table(service)):
            if text and text in str(value):
                return self.location(("services", service, *key))
        return self.location(("services", service))
