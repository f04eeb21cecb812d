"""Pairs of documents that differ by one fact outside of schemas, for every rule about such facts."""

from __future__ import annotations

import datetime as dt
from typing import Any

from fakes.api import JSON, body, document, operation, query, takes

TODAY = dt.date(2026, 6, 1)
TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
LIST = {"type": "array", "items": TEXT}


def one(**more: Any) -> dict[str, Any]:
    """Return a document with one operation."""
    return document({"/a": {"get": operation(**more)}})


def two(**more: Any) -> dict[str, Any]:
    """Return a document with two operations; the second operation has these keywords."""
    return document({"/a": {"get": operation(), "put": operation(**more)}})


def answer(**more: Any) -> dict[str, Any]:
    return one(responses={"200": {"description": "", **more}})


def header(**more: Any) -> dict[str, Any]:
    return answer(headers={"X-Rate": {"schema": TEXT, **more}})


def statuses(*names: str) -> dict[str, Any]:
    return one(responses={name: {"description": ""} for name in names})


def content(*names: str, **more: Any) -> dict[str, Any]:
    return {"content": {name: {"schema": TEXT, **more} for name in names}}


def written(direction: str, **xml: Any) -> dict[str, Any]:
    """Return a document with an XML body in a request or response."""
    schema = {"type": "object", "properties": {"a": {**TEXT, "xml": xml}}}
    held = {"content": {"application/xml": {"schema": schema}}}
    return one(requestBody=held) if direction == "request" else answer(**held)


def form(**encoding: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"tags": LIST}}
    return one(
        requestBody={"content": {"multipart/form-data": {"schema": schema, "encoding": {"tags": encoding}}}}
    )


def link(**more: Any) -> dict[str, Any]:
    return answer(links={"next": {"operationId": "b", **more}})


def secured(
    *requirements: dict[str, list[str]], schemes: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    known = {"key": KEY, "token": {"type": "http", "scheme": "bearer"}, "oauth": OAUTH} | (schemes or {})
    return {**one(**more), "security": list(requirements), "components": {"securitySchemes": known}}


KEY = {"type": "apiKey", "in": "header", "name": "X-Key"}
FLOW = {"tokenUrl": "https://a/token", "scopes": {"read": "", "write": ""}}
OAUTH = {"type": "oauth2", "flows": {"clientCredentials": FLOW}}
READS = {"type": "oauth2", "flows": {"clientCredentials": {**FLOW, "scopes": {"read": ""}}}}
CODE = {**FLOW, "authorizationUrl": "https://a/"}
SUNK, AHEAD, LATER = "2026-01-01", "2026-12-31", "2027-12-31"
CALLBACK = {"done": {"{$request.body#/url}": {"post": operation()}}}

PAIRS: list[tuple[str, Any, Any]] = [
    ("operation-removed", two(), one()),
    ("operation-removed-before-sunset", two(deprecated=True, **{"x-sunset": AHEAD}), one()),
    ("operation-removed-after-sunset", two(deprecated=True, **{"x-sunset": SUNK}), one()),
    ("operation-removed-deprecated", two(deprecated=True), one()),
    ("operation-removed-unstable", two(**{"x-stability-level": "alpha"}), one()),
    ("operation-added", one(), two()),
    ("operation-deprecated", one(), one(deprecated=True, **{"x-sunset": AHEAD})),
    ("operation-reactivated", one(deprecated=True), one()),
    ("operation-sunset-removed", one(deprecated=True, **{"x-sunset": AHEAD}), one(deprecated=True)),
    (
        "operation-sunset-earlier",
        one(deprecated=True, **{"x-sunset": LATER}),
        one(deprecated=True, **{"x-sunset": AHEAD}),
    ),
    (
        "operation-sunset-invalid",
        one(deprecated=True, **{"x-sunset": LATER}),
        one(deprecated=True, **{"x-sunset": "some day"}),
    ),
    ("operation-stability-decreased", one(), one(**{"x-stability-level": "beta"})),
    ("operation-stability-invalid", one(), one(**{"x-stability-level": "solid"})),
    (
        "operation-stability-increased",
        one(**{"x-stability-level": "beta"}),
        one(**{"x-stability-level": "stable"}),
    ),
    ("operation-id-changed", one(operationId="a"), one(operationId="b")),
    ("operation-id-removed", one(operationId="a"), one()),
    ("operation-id-added", one(), one(operationId="a")),
    ("operation-tag-removed", one(tags=["a", "b"]), one(tags=["b"])),
    ("operation-tag-added", one(tags=["b"]), one(tags=["a", "b"])),
    ("callback-removed", one(callbacks=CALLBACK), one()),
    ("callback-added", one(), one(callbacks=CALLBACK)),
    ("callback-removed", {**one(), "webhooks": {"new": {"post": operation()}}}, one()),
    (
        "server-removed",
        one(servers=[{"url": "https://a"}, {"url": "https://b"}]),
        one(servers=[{"url": "https://b/"}]),
    ),
    (
        "server-added",
        one(servers=[{"url": "https://b"}]),
        one(servers=[{"url": "https://a"}, {"url": "https://b"}]),
    ),
    ("security-added", secured(), secured({"key": []})),
    ("security-removed", secured({"key": []}), secured({"key": []}, {})),
    ("security-alternative-removed", secured({"key": []}, {"token": []}), secured({"token": []})),
    ("security-alternative-added", secured({"token": []}), secured({"key": []}, {"token": []})),
    ("security-scope-added", secured({"oauth": ["read"]}), secured({"oauth": ["read", "write"]})),
    ("security-scope-removed", secured({"oauth": ["read", "write"]}), secured({"oauth": ["read"]})),
    (
        "security-scheme-changed",
        secured({"key": []}),
        secured({"key": []}, schemes={"key": {**KEY, "in": "query"}}),
    ),
    (
        "security-scheme-changed",
        secured({"key": []}),
        secured({"key": []}, schemes={"key": {**KEY, "name": "X-Other"}}),
    ),
    (
        "security-flow-removed",
        secured(
            {"oauth": []},
            schemes={"oauth": {**OAUTH, "flows": {"clientCredentials": FLOW, "authorizationCode": CODE}}},
        ),
        secured({"oauth": []}),
    ),
    (
        "security-flow-added",
        secured({"oauth": []}),
        secured(
            {"oauth": []},
            schemes={"oauth": {**OAUTH, "flows": {"clientCredentials": FLOW, "authorizationCode": CODE}}},
        ),
    ),
    (
        "security-url-changed",
        secured({"oauth": []}),
        secured(
            {"oauth": []},
            schemes={"oauth": {**OAUTH, "flows": {"clientCredentials": {**FLOW, "tokenUrl": "https://b"}}}},
        ),
    ),
    ("security-option-removed", secured({"key": []}, {}), secured({"token": []}, {})),
    ("security-flow-scope-removed", secured({"oauth": []}), secured({"oauth": []}, schemes={"oauth": READS})),
    ("security-flow-scope-added", secured({"oauth": []}, schemes={"oauth": READS}), secured({"oauth": []})),
    # --- requests
    ("request-parameter-added", takes(), takes(query())),
    ("request-parameter-added-required", takes(), takes(query(required=True))),
    (
        "request-parameter-added-required-with-default",
        takes(),
        takes(query({**TEXT, "default": "a"}, required=True)),
    ),
    ("request-parameter-removed", takes(query()), takes()),
    (
        "request-parameter-removed-before-sunset",
        takes(query(deprecated=True, **{"x-sunset": AHEAD})),
        takes(),
    ),
    ("request-parameter-removed-after-sunset", takes(query(deprecated=True, **{"x-sunset": SUNK})), takes()),
    ("request-parameter-became-required", takes(query()), takes(query(required=True))),
    (
        "request-parameter-became-required-with-default",
        takes(query({**TEXT, "default": "a"})),
        takes(query({**TEXT, "default": "a"}, required=True)),
    ),
    ("request-parameter-became-optional", takes(query(required=True)), takes(query())),
    ("request-parameter-serialization-changed", takes(query(LIST)), takes(query(LIST, explode=False))),
    (
        "request-parameter-serialization-changed",
        takes(query(LIST)),
        takes(query(LIST, style="pipeDelimited", explode=True)),
    ),
    (
        "request-parameter-serialization-changed",
        takes(query(LIST)),
        takes({"in": "query", "name": "q", "content": {JSON: {"schema": LIST}}}),
    ),
    ("request-parameter-reserved-allowed", takes(query()), takes(query(allowReserved=True))),
    ("request-parameter-reserved-forbidden", takes(query(allowReserved=True)), takes(query())),
    ("request-parameter-empty-allowed", takes(query()), takes(query(allowEmptyValue=True))),
    ("request-parameter-empty-forbidden", takes(query(allowEmptyValue=True)), takes(query())),
    ("request-parameter-deprecated", takes(query()), takes(query(deprecated=True))),
    ("request-parameter-reactivated", takes(query(deprecated=True)), takes(query())),
    (
        "request-parameter-sunset-removed",
        takes(query(deprecated=True, **{"x-sunset": AHEAD})),
        takes(query(deprecated=True)),
    ),
    (
        "request-parameter-sunset-earlier",
        takes(query(deprecated=True, **{"x-sunset": LATER})),
        takes(query(deprecated=True, **{"x-sunset": AHEAD})),
    ),
    ("request-body-added", one(), one(requestBody=body(TEXT))),
    ("request-body-added-required", one(), one(requestBody=body(TEXT, required=True))),
    ("request-body-removed", one(requestBody=body(TEXT)), one()),
    ("request-body-became-required", one(requestBody=body(TEXT)), one(requestBody=body(TEXT, required=True))),
    ("request-body-became-optional", one(requestBody=body(TEXT, required=True)), one(requestBody=body(TEXT))),
    ("request-media-type-removed", one(requestBody=content("a/b", JSON)), one(requestBody=content(JSON))),
    ("request-media-type-added", one(requestBody=content(JSON)), one(requestBody=content("a/b", JSON))),
    ("request-media-type-added", one(requestBody=content(JSON)), one(requestBody=content("application/*"))),
    ("request-encoding-changed", form(), form(style="spaceDelimited")),
    (
        "request-part-media-type-removed",
        form(contentType="text/plain, text/csv"),
        form(contentType="text/csv"),
    ),
    ("request-part-media-type-added", form(contentType="text/csv"), form(contentType="text/*")),
    ("request-xml-changed", written("request", name="b"), written("request", attribute=True)),
    # --- responses
    ("response-xml-changed", written("response"), written("response", namespace="urn:a")),
    ("response-media-type-removed", answer(**content("a/b", JSON)), answer(**content(JSON))),
    ("response-media-type-added", answer(**content(JSON)), answer(**content("a/b", JSON))),
    ("response-media-type-generalized", answer(**content(JSON)), answer(**content("application/*"))),
    ("response-media-type-specialized", answer(**content("application/*")), answer(**content(JSON))),
    ("response-success-status-removed", statuses("200", "201"), statuses("200")),
    ("response-success-status-added", statuses("200"), statuses("200", "201")),
    ("response-status-removed", statuses("200", "404"), statuses("200")),
    ("response-status-added", statuses("200"), statuses("200", "4XX")),
    ("response-header-removed", header(), answer()),
    ("response-required-header-removed", header(required=True), answer()),
    ("response-header-added", answer(), header()),
    ("response-header-added-required", answer(), header(required=True)),
    ("response-header-became-optional", header(required=True), header()),
    ("response-header-became-required", header(), header(required=True)),
    (
        "response-header-serialization-changed",
        header(schema={"type": "object"}),
        header(schema={"type": "object"}, explode=True),
    ),
    ("response-header-deprecated", header(), header(deprecated=True)),
    ("response-header-reactivated", header(deprecated=True), header()),
    ("response-link-removed", link(), answer()),
    ("response-link-added", answer(), link()),
    ("response-link-changed", link(), link(operationId="c")),
]
