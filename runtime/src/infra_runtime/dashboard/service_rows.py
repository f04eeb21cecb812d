"""The rows of the services and their HTML for the newest state; all pages and streams share them."""

from __future__ import annotations

import itertools

from infra_runtime.dashboard.rendering import template_of
from infra_runtime.dashboard.stack import State
from infra_runtime.dashboard.streams import Parts
from infra_runtime.dashboard.view import Row, rows

#: the largest number of pages whose parts are kept in memory until their streams begin
PAGES = 50


class ServiceRows:
    """Computes rows and their HTML once per state, and reuses the HTML of rows that have not changed."""

    def __init__(self) -> None:
        #: the number of a page → the parts of the page; the newest page is last
        self._pages: dict[str, Parts[str]] = {}
        self._numbers = itertools.count(1)
        self._state: State | None = None
        self._rows: list[Row] = []
        #: template → service → the row and its HTML
        self._texts: dict[str, dict[str, tuple[Row, str]]] = {}
        #: template → the parts for the state `_state`
        self._parts: dict[str, Parts[str]] = {}

    def of(self, state: State) -> list[Row]:
        """Return the rows of the services in a state, in dependency order."""
        if state is not self._state:
            self._state, self._rows, self._parts = state, rows(state), {}
        return self._rows

    def parts(self, state: State, template: str, prefix: str) -> Parts[str]:
        """Return a mapping from `PREFIX-SERVICE` to the HTML of a service, in dependency order."""
        rows_of_state = self.of(state)
        if template not in self._parts:
            earlier = self._texts.get(template, {})
            compiled_template = template_of(template)
            texts = {}
            for row in rows_of_state:
                previous_row, text = earlier.get(row.name, (None, ""))
                texts[row.name] = row, text if previous_row == row else compiled_template.render(row=row)
            self._texts[template] = texts
            self._parts[template] = {f"{prefix}-{name}": text for name, (_, text) in texts.items()}
        return self._parts[template]

    def add(self, parts: Parts[str]) -> str:
        """Store the parts of a new page, and return the number of the page."""
        number = str(next(self._numbers))
        self._pages[number] = parts
        while len(self._pages) > PAGES:
            del self._pages[next(iter(self._pages))]
        return number

    def remembered(self, number: str) -> Parts[str]:
        """Return the parts of a page and remove them from the memory; empty for an unknown number."""
        return self._pages.pop(number, {})
