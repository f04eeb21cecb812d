"""Functions that build small OpenAPI documents, and functions that compare two of them."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("yaml", reason="needs the extra `openapi`")

from infra_openapi import Report, compare, parse

JSON = "application/json"


def document(paths: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return an OpenAPI document with these paths; `more` are further keys of the document."""
    return {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": paths or {}, **more}


def operation(responses: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return an operation; by default its response has status 204."""
    return {"responses": responses or {"204": {"description": ""}}, **more}


def body(schema: Any, **more: Any) -> dict[str, Any]:
    """Return a request or response body in JSON with this schema."""
    return {"content": {JSON: {"schema": schema}}, **more}


def sends(schema: Any, **more: Any) -> dict[str, Any]:
    """Return a document in which clients send this schema."""
    return document({"/things": {"post": operation(requestBody=body(schema))}}, **more)


def receives(schema: Any, **more: Any) -> dict[str, Any]:
    """Return a document in which clients receive this schema."""
    response = {"200": {"description": "", **body(schema)}}
    return document({"/things": {"get": operation(response)}}, **more)


def takes(*parameters: dict[str, Any], path: str = "/things", **more: Any) -> dict[str, Any]:
    """Return a document with one operation that has these parameters."""
    return document({path: {"get": operation(parameters=list(parameters))}}, **more)


def query(schema: Any = None, name: str = "q", **more: Any) -> dict[str, Any]:
    """Return a query parameter."""
    return {"in": "query", "name": name, "schema": schema or {"type": "string"}, **more}


def report(base: dict[str, Any], revision: dict[str, Any], **how: Any) -> Report:
    """Compare two documents, and return the report."""
    return compare(parse(base, name="base"), parse(revision, name="revision"), **how)


def rules(base: dict[str, Any], revision: dict[str, Any], **how: Any) -> list[str]:
    """Compare two documents, and return the rules of the findings, sorted."""
    return sorted(finding.rule for finding in report(base, revision, **how).findings)
