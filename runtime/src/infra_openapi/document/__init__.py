"""Documents: texts as data, what they refer to, and where each part is written."""

from __future__ import annotations

from infra_openapi.document.element import Document, Reader, Site
from infra_openapi.document.load import disk, load, parse

__all__ = ["Document", "Reader", "Site", "disk", "load", "parse"]
