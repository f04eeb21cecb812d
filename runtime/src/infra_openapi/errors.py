"""The errors that are raised when two documents cannot be compared."""

from __future__ import annotations

from typing import ClassVar


class OpenApiError(Exception):
    """The base class of the errors of `infra_openapi` that a user can fix.

    The attribute `hint` explains how to fix the problem, or is empty.
    """

    hint: str = ""
    #: The exit code of `infra` after this error.
    exit_code: ClassVar[int] = 2


class CompareError(OpenApiError):
    """Raised if a document is missing, unreadable or not an OpenAPI document, or if a setting is invalid.

    Settings are, for example, the levels of rules and the file of accepted findings. The comparison has no
    verdict in this case. `line` and `column` are numbers from 1; 0 means that the error has no location
    inside the file.
    """

    def __init__(self, file: str, reason: str, line: int = 0, column: int = 0, hint: str = "") -> None:
        super().__init__(file, reason, line, column, hint)
        self.file, self.reason, self.line, self.column = file, reason, line, column
        self.hint = hint

    @property
    def where(self) -> str:
        """Return the location of the error as `file`, `file:line` or `file:line:column`."""
        parts = [self.file] if self.file else []
        if self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}" if self.where else self.reason
