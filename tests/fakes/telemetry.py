"""The answers of a telemetry service without a process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra_runtime.dashboard.telemetry import TelemetryError


class Answers(dict[str, Any]):
    """The path of a query → its answer as JSON data; other paths are not found."""

    def __init__(self) -> None:
        super().__init__()
        #: path → the parameters of the last request
        self.parameters: dict[str, Mapping[str, str]] = {}

    def ask(self, _url: str, _key: str, path: str, parameters: Mapping[str, str]) -> Any:
        self.parameters[path] = parameters
        if path not in self:
            raise TelemetryError(f"{path} does not exist", 404)
        return self[path]
