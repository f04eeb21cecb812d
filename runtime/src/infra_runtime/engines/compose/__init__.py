"""The Compose engine, which writes a plan as files for `docker compose`."""

from infra_runtime.engines.compose.engine import FIRST_LINE, Compose
from infra_runtime.engines.compose.model import Folders

__all__ = ["FIRST_LINE", "Compose", "Folders"]
