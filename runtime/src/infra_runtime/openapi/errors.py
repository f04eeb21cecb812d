"""Why two documents could not be compared."""

from __future__ import annotations

from infra_runtime.errors import InfraError


class CompareError(InfraError):
    """A side is missing, unreadable, or not OpenAPI. Never means *compatible*, never *breaking*.

    `line` and `column` count from 1; 0 says that the reason has no place inside the file.
    """

    exit_code = 2

    def __init__(self, file: str, reason: str, line: int = 0, column: int = 0, hint: str = "") -> None:
        super().__init__(file, reason, line, column, hint)
        self.file, self.reason, self.line, self.column = file, reason, line, column
        self.hint = hint

    @property
    def where(self) -> str:
        """`file`, `file:line` or `file:line:column`: as much as is known."""
        place = [self.file] if self.file else []
        if self.line:
            place.append(str(self.line))
            if self.column:
                place.append(str(self.column))
        return ":".join(place)

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}" if self.where else self.reason
