"""The services of the newest state as rows and as HTML, which all pages and streams share."""

from __future__ import annotations

import itertools

from infra_runtime.dashboard.rendering import template_of
from infra_runtime.dashboard.stack import State
from infra_runtime.dashboard.streams import Parts
from infra_runtime.dashboard.view import Row, rows

#: the number of pages whose parts are remembered until their streams begin
PAGES = 50


class ServiceRows:
    """Rows and HTML, which are computed once per state; the HTML of a row that did not change is kept."""

    def __init__(self) -> None:
        #: the number of a page → its parts, the newest last
        self._pages: dict[str, Parts[str]] = {}
        self._numbers = itertools.count(1)
        self._state: State | None = None
        self._rows: list[Row] = []
        #: template → service → the row and its HTML
        self._texts: dict[str, dict[str, tuple[Row, str]]] = {}
        #: template → the parts of `_state`
        self._parts: dict[str, Parts[str]] = {}

    def of(self, state: State) -> list[Row]:
        """Return the rows of a state, in dependency order."""
        if state is not self._state:
            self._state, self._rows, self._parts = state, rows(state), {}
        return self._rows

    def parts(self, state: State, template: str, prefix: str) -> Parts[str]:
        """Return `PREFIX-SERVICE` → the HTML of the row, in dependency order."""
        shown = self.of(state)
        if template not in self._parts:
            earlier = self._texts.get(template, {})
            made = template_of(template)
            texts = {}
            for row in shown:
                before, text = earlier.get(row.name, (None, ""))
                texts[row.name] = row, text if before == row else made.render(row=row)
            self._texts[template] = texts
            self._parts[template] = {f"{prefix}-{name}": text for name, (_, text) in texts.items()}
        return self._parts[template]

    def add(self, parts: Parts[str]) -> str:
        """Return the number of a new page with these parts."""
        number = str(next(self._numbers))
        self._pages[number] = parts
        while len(self._pages) > PAGES:
            del self._pages[next(iter(self._pages))]
        return number

    def remembered(self, number: str) -> Parts[str]:
        """Return the parts of a page, and remove them; no parts if the number is unknown."""
        return self._pages.pop(number, {})
