"""Read OpenAPI documents: their data, the targets of their references, and the location of each part."""

from __future__ import annotations

from infra_openapi.document.element import Document, Element, Reader
from infra_openapi.document.load import disk, load, parse

__all__ = ["Document", "Element", "Reader", "disk", "load", "parse"]
