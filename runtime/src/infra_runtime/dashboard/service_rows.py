"""The services of the newest state as rows and as HTML, which all pages and streams share."""

from __future__ import annotations

from infra_runtime.dashboard.rendering import template_of
from infra_runtime.dashboard.stack import State
from infra_runtime.dashboard.streams import Parts
from infra_runtime.dashboard.view import Row, rows


class ServiceRows:
    """Rows and HTML, which are computed once per state; the HTML of a row that did not change is kept."""

    def __init__(self) -> None:
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
            known = self._texts.get(template, {})
            made = template_of(template)
            texts = {}
            for row in shown:
                before, text = known.get(row.name, (None, ""))
                texts[row.name] = row, text if before == row else made.render(row=row)
            self._texts[template] = texts
            self._parts[template] = {f"{prefix}-{name}": text for name, (_, text) in texts.items()}
        return self._parts[template]
