"""Why two documents could not be compared."""

from __future__ import annotations

from typing import ClassVar


class OpenApiError(Exception):
    """The base of every error of this package that a user can act on; `hint` is how to fix it, or empty."""

    hint: str = ""
    #: The exit code of the command line.
    exit_code: ClassVar[int] = 2


class CompareError(OpenApiError):
    """A document is missing, unreadable or not OpenAPI, so that the comparison has no verdict.

    `line` and `column` count from 1; 0 means that the reason has no location inside the file.
    """

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
