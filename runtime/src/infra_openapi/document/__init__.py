"""Read OpenAPI documents: parse the files, resolve the references, and find the line of each element."""

from __future__ import annotations

from infra_openapi.document.element import Document, Element, Reader
from infra_openapi.document.load import disk, load, parse

__all__ = ["Document", "Element", "Reader", "disk", "load", "parse"]
