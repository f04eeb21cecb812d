"""Documents: texts as data, what they refer to, and where each part is written."""

from __future__ import annotations

from infra_openapi.document.element import Document, Element, Reader
from infra_openapi.document.load import disk, load, parse

__all__ = ["Document", "Element", "Reader", "disk", "load", "parse"]
