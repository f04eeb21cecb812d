"""Verdicts of changes outside schemas: can a client that follows the base document fail?"""

from __future__ import annotations

import datetime as dt
from typing import Any

from fakes.api import JSON, body, document, operation, query, report, takes
from fakes.samples import sample

TODAY = dt.date(2026, 6, 1)
TEXT, WHOLE, OPEN = {"type": "string"}, {"type": "integer"}, {"description": "anything"}
LIST = {"type": "array", "items": TEXT}
TRUTHS = {**TEXT, "enum": ["true", "false"]}
THING = {"type": "object", "properties": {"a": TEXT}}
FORM, PARTS = "application/x-www-form-urlencoded", "multipart/form-data"
FIELDS = {"type": "object", "properties": {"list": LIST, "thing": THING, "text": TEXT, "any": {}}}
DEEP = {"style": "deepObject", "explode": True}
OR_EMPTY = {"anyOf": [THING, {**TEXT, "enum": [""]}]}
EITHER = {"oneOf": [{**TEXT, "minLength": 9}, WHOLE]}
SAME, BOTH = ("compatible", "compatible"), ("breaking", "breaking")
PAST, FUTURE = {"deprecated": True, "x-sunset": "2026-01-01"}, {"deprecated": True, "x-sunset": "2027-01-01"}


def one(**more: Any) -> dict[str, Any]:
    return document({"/a": {"get": operation(**more)}})


def at(place: str, schema: Any = None, **more: Any) -> dict[str, Any]:
    """Return a document with one operation and one parameter with this `in`."""
    parameter = {"in": place, "name": "q", "schema": schema or TEXT, **more}
    if place == "path":
        return takes({**parameter, "required": True}, path="/a/{q}")
    return takes(parameter)


def whole_query(name: str, **more: Any) -> dict[str, Any]:
    parameter = {"in": "querystring", "name": name, "required": True, "content": {FORM: {"schema": THING}}}
    return takes({**parameter, **more}, openapi="3.2.0")


def content(*names: str, schema: Any = TEXT) -> dict[str, Any]:
    return {"content": {name: {"schema": schema} for name in names}}


def sent(*names: str, schema: Any = TEXT) -> dict[str, Any]:
    return one(requestBody=content(*names, schema=schema))


def answered(*names: str, schema: Any = TEXT) -> dict[str, Any]:
    return one(responses={"200": {"description": "", **content(*names, schema=schema)}})


def form(kind: str, **encoding: Any) -> dict[str, Any]:
    return one(requestBody={"content": {kind: {"schema": FIELDS, "encoding": encoding}}})


def part(kind: str, encoding: dict[str, Any], schema: Any) -> dict[str, Any]:
    """Return a document with one operation and a form with one part."""
    content_of_form = {"schema": obj(schema), **({"encoding": {"a": encoding}} if encoding else {})}
    return one(requestBody={"content": {kind: content_of_form}})


def obj(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}}


def fields(kind: str, schema: Any, part: str = "") -> dict[str, Any]:
    """Return a document with one operation and a form with this field; `part` is its media type."""
    said = {"encoding": {"a": {"contentType": part}}} if part else {}
    return one(requestBody={"content": {kind: {"schema": obj(schema), **said}}})


def statuses(**schemas: Any) -> dict[str, Any]:
    """Return a document with one operation and these responses: `s200=…`, `default=…`."""
    return one(
        responses={
            name.removeprefix("s"): {"description": "", **content(JSON, schema=schema)}
            for name, schema in schemas.items()
        }
    )


def header(**more: Any) -> dict[str, Any]:
    return one(responses={"200": {"description": "", "headers": {"X-A": {"schema": TEXT, **more}}}})


def calling(name: str = "done", at: str = "{$request.body#/u}", **more: Any) -> dict[str, Any]:
    """Return a document with one operation that has a callback."""
    return one(callbacks={name: {at: {"post": operation(**more)}}})


def hook(**more: Any) -> dict[str, Any]:
    return {**one(), "webhooks": {"new": {"post": operation(**more)}}}


def item(shared: dict[str, Any], **beside: Any) -> dict[str, Any]:
    """Return a document whose path is a reference, with these keywords beside it."""
    path = {"$ref": "#/components/pathItems/A", **beside}
    return document({"/a": path}, components={"pathItems": {"A": shared}})


KEY = {"type": "apiKey", "in": "header", "name": "X-Key"}
BEARER = {"type": "http", "scheme": "bearer"}
TOKENS = {"tokenUrl": "https://a/t", "scopes": {"r": "", "w": ""}}
OAUTH = {"type": "oauth2", "flows": {"clientCredentials": TOKENS}}
OTHER = {"type": "oauth2", "flows": {"clientCredentials": {**TOKENS, "tokenUrl": "https://b/t"}}}
SCHEMES = {"key": KEY, "token": BEARER, "admin": BEARER, "oauth": OAUTH, "other": OTHER}


def secured(*requirements: dict[str, list[str]], **schemes: Any) -> dict[str, Any]:
    known = {name: scheme for name, scheme in (SCHEMES | schemes).items() if scheme}
    return {**one(), "security": list(requirements), "components": {"securitySchemes": known}}


def served(url: str, **variables: Any) -> dict[str, Any]:
    return {**one(), "servers": [{"url": url, "variables": variables}]}


def many(last: int, *, back: bool = False) -> dict[str, Any]:
    """Return a document with a server that has many addresses."""
    digits = [str(number) for number in range(last + 1)]
    values = {"default": "0", "enum": digits[::-1] if back else digits}
    return served("https://{a}{b}{c}{d}.a", **dict.fromkeys("abcd", values))


def old_form(field: dict[str, Any]) -> dict[str, Any]:
    """Return a document of version 2 with a form of one field."""
    parameter = {"in": "formData", "name": "f", **field}
    called = {"consumes": [FORM], "parameters": [parameter], "responses": {"200": {"description": ""}}}
    return {"swagger": "2.0", "info": {"title": "T", "version": "1"}, "paths": {"/a": {"post": called}}}


def old_paths(*paths: str, **more: Any) -> dict[str, Any]:
    """Return a document of version 2 with paths that differ in their query string only."""
    items = {path: {"get": {"responses": {"200": {"description": ""}}, **more}} for path in paths}
    return {"swagger": "2.0", "info": {"title": "T", "version": "1"}, "paths": {}, "x-ms-paths": items}


def renewed(url: str) -> dict[str, Any]:
    return {"type": "oauth2", "flows": {"clientCredentials": {**TOKENS, "refreshUrl": url}}}


EU, ANY = {"default": "eu", "enum": ["eu", "us"]}, {"default": "eu"}
GET, HEADED = {"get": operation()}, {"X-A": {"required": True, "schema": TEXT}}
CSV, PNG = {"contentType": "text/csv"}, {"contentType": "image/png"}

#: Description, base, revision, verdict, and the verdict of the opposite change.
CASES: list[tuple[str, Any, Any, str, str]] = [
    # --- paths
    ("a reference to a path item", document({"/a": GET}), item(GET), "compatible", "compatible"),
    (
        "an operation beside it",
        item({"get": operation(), "put": operation()}),
        item(GET),
        "breaking",
        "compatible",
    ),
    (
        "an operation beside it instead of the one in its target",
        item(GET),
        item(GET, get=operation(parameters=[query(required=True)])),
        "breaking",
        "warning",
    ),
    ("a parameter beside it", item(GET), item(GET, parameters=[query(required=True)]), "breaking", "warning"),
    ("a server beside it", item(GET), item(GET, servers=[{"url": "/v2"}]), "breaking", "breaking"),
    # --- parameters
    (
        "an undeclared path variable",
        document({"/a/{q}": GET}),
        at("path"),
        "compatible",
        "compatible",
    ),
    (
        "a variable that is a number now",
        document({"/a/{q}": GET}),
        at("path", WHOLE),
        "breaking",
        "compatible",
    ),
    (
        "explode of a list in a header",
        at("header", LIST),
        at("header", LIST, explode=True),
        "compatible",
        "compatible",
    ),
    (
        "explode of a list in a path",
        at("path", LIST),
        at("path", LIST, explode=True),
        "compatible",
        "compatible",
    ),
    (
        "explode of a thing in a path",
        at("path", THING),
        at("path", THING, explode=True),
        "breaking",
        "breaking",
    ),
    (
        "explode of a list in a label",
        at("path", LIST, style="label"),
        at("path", LIST, style="label", explode=True),
        "breaking",
        "breaking",
    ),
    ("explode of a text", at("query"), at("query", explode=False), "compatible", "compatible"),
    (
        "explode of an unknown style",
        at("query", OPEN),
        at("query", OPEN, explode=False),
        "breaking",
        "breaking",
    ),
    (
        "explode of a deep object",
        at("query", THING, style="deepObject"),
        at("query", THING, style="deepObject", explode=True),
        "compatible",
        "compatible",
    ),
    ("a truth is a text", at("query", {"type": "boolean"}), at("query", TRUTHS), "compatible", "compatible"),
    (
        "a list of them",
        at("query", {"type": "array", "items": WHOLE}),
        at("query", LIST),
        "compatible",
        "breaking",
    ),
    (
        "what is in a thing",
        at("query", obj(WHOLE), style="deepObject"),
        at("query", obj(TEXT), style="deepObject"),
        "compatible",
        "breaking",
    ),
    ("reserved in a header", at("header"), at("header", allowReserved=True), "compatible", "compatible"),
    ("empty in a cookie", at("cookie"), at("cookie", allowEmptyValue=True), "compatible", "compatible"),
    ("reserved in a query", at("query"), at("query", allowReserved=True), "compatible", "breaking"),
    (
        "reserved in a path since 3.2",
        at("path") | {"openapi": "3.2.0"},
        at("path", allowReserved=True) | {"openapi": "3.2.0"},
        "compatible",
        "breaking",
    ),
    ("the name of the whole query", whole_query("a"), whole_query("b"), "compatible", "compatible"),
    ("a parameter gone as announced", at("query", **PAST), takes(), "compatible", "compatible"),
    ("a parameter gone too early", at("query", **FUTURE), takes(), "breaking", "compatible"),
    (
        "an invalid sunset date",
        at("query", **FUTURE),
        at("query", **FUTURE | {"x-sunset": "soon"}),
        "breaking",
        "compatible",
    ),
    # --- bodies
    ("a range in a request", sent(JSON), sent("*/*"), "compatible", "breaking"),
    ("a version of a media type", sent("a/b;v=1"), sent("a/b;v=2"), "breaking", "breaking"),
    ("a version, quoted", sent('a/b;v="1"'), sent("a/b; V=1"), "compatible", "compatible"),
    ("a parameter of a media type", sent("a/b;v=1"), sent("a/b"), "compatible", "breaking"),
    (
        "a range with a narrower schema",
        sent(JSON, schema={}),
        sent("application/*", schema=THING),
        "breaking",
        "breaking",
    ),
    # --- forms
    (
        "explode of a text in a form",
        form(FORM),
        form(FORM, text={"explode": False}),
        "compatible",
        "compatible",
    ),
    ("explode of a list in a form", form(FORM), form(FORM, list={"explode": False}), "breaking", "breaking"),
    ("encoding of no form", form(JSON), form(JSON, list={"explode": False}), "compatible", "compatible"),
    ("encoding of no property", form(FORM), form(FORM, none={"explode": False}), "compatible", "compatible"),
    ("reserved in a form", form(FORM), form(FORM, text={"allowReserved": True}), "compatible", "breaking"),
    (
        "a text as text",
        form(PARTS),
        form(PARTS, text={"contentType": "Text/Plain"}),
        "compatible",
        "compatible",
    ),
    ("a thing as JSON", form(PARTS), form(PARTS, thing={"contentType": JSON}), "compatible", "compatible"),
    (
        "a list of texts as texts",
        form(PARTS),
        form(PARTS, list={"contentType": "text/plain"}),
        "compatible",
        "compatible",
    ),
    (
        "what has no type as bytes",
        form(PARTS),
        form(PARTS, any={"contentType": "application/octet-stream"}),
        "compatible",
        "compatible",
    ),
    ("a text as a table", form(PARTS), form(PARTS, text=CSV), "breaking", "breaking"),
    (
        "one more media type",
        form(PARTS, any=PNG),
        form(PARTS, any={"contentType": "image/gif, image/png"}),
        "compatible",
        "breaking",
    ),
    (
        "all images",
        form(PARTS, any=PNG),
        form(PARTS, any={"contentType": "image/*"}),
        "compatible",
        "breaking",
    ),
    # --- forms: `contentType` has no effect beside `style`, `explode` and `allowReserved`
    *(
        (f"{kind}: {name}", part(kind, *before), part(kind, *after), sent_verdict, received)
        for kind, name, before, after, sent_verdict, received in (
            (
                FORM,
                "alternatives of a styled part",
                (DEEP, THING),
                (DEEP, OR_EMPTY),
                "compatible",
                "breaking",
            ),
            (FORM, "media type beside a style", (DEEP, THING), (DEEP | CSV, THING), *SAME),
            (
                FORM,
                "media type beside explode",
                ({"explode": True}, LIST),
                ({"explode": True} | CSV, LIST),
                *SAME,
            ),
            (PARTS, "media type beside a style", (DEEP, THING), (DEEP | CSV, THING), *SAME),
            (FORM, "style of a single value", ({}, TEXT), (DEEP, TEXT), *SAME),
            (FORM, "style of single values", ({}, EITHER), ({"style": "pipeDelimited"}, EITHER), *SAME),
            (FORM, "style of an object", ({}, THING), (DEEP, THING), *BOTH),
            (FORM, "style of an object or a text", ({}, OR_EMPTY), (DEEP, OR_EMPTY), *BOTH),
            (FORM, "style removed", (DEEP, THING), ({}, THING), *BOTH),
            (FORM, "JSON, then a style", ({"contentType": JSON}, THING), (DEEP, THING), *BOTH),
            (FORM, "text, then a style", ({"contentType": "text/plain"}, TEXT), (DEEP, TEXT), *SAME),
            (FORM, "media type of a single value", ({}, TEXT), (CSV, TEXT), *BOTH),
            (PARTS, "JSON for the alternatives", (CSV, OR_EMPTY), (CSV, THING), "breaking", "compatible"),
            (
                PARTS,
                "default of alternatives",
                ({}, OR_EMPTY),
                ({"contentType": "application/json, text/plain"}, OR_EMPTY),
                *SAME,
            ),
            (
                PARTS,
                "default of bytes among alternatives",
                ({}, {"anyOf": [{**TEXT, "format": "binary"}, TEXT]}),
                ({"contentType": "text/plain"}, {"anyOf": [{**TEXT, "format": "binary"}, TEXT]}),
                "breaking",
                "compatible",
            ),
            (
                PARTS,
                "default of a list of alternatives",
                ({}, {"type": "array", "items": EITHER}),
                ({"contentType": "text/plain"}, {"type": "array", "items": EITHER}),
                *SAME,
            ),
        )
    ),
    (
        "style in a multipart form of OpenAPI 3.0",
        {**part(PARTS, {}, THING), "openapi": "3.0.3"},
        {**part(PARTS, DEEP, THING), "openapi": "3.0.3"},
        *SAME,
    ),
    (
        "media type beside a style in a multipart form of OpenAPI 3.0",
        {**part(PARTS, DEEP, THING), "openapi": "3.0.3"},
        {**part(PARTS, DEEP | CSV, THING), "openapi": "3.0.3"},
        *BOTH,
    ),
    ("style of a text in a query", at("query"), at("query", style="deepObject"), *SAME),
    ("style of a text in a path", at("path"), at("path", style="matrix"), *BOTH),
    (
        "style of alternatives in a query",
        at("query", {"anyOf": [TEXT, LIST]}),
        at("query", {"anyOf": [TEXT, LIST]}, style="pipeDelimited"),
        *BOTH,
    ),
    (
        "style of single alternatives in a query",
        at("query", EITHER, explode=False),
        at("query", EITHER, style="spaceDelimited"),
        *SAME,
    ),
    ("a header of a part", form(PARTS), form(PARTS, text={"headers": HEADED}), "breaking", "warning"),
    ("a field of a form is text", fields(FORM, WHOLE), fields(FORM, TEXT), "compatible", "breaking"),
    (
        "a list of them",
        fields(PARTS, {"type": "array", "items": WHOLE}),
        fields(PARTS, LIST),
        "compatible",
        "breaking",
    ),
    (
        "a truth in a form",
        fields(FORM, {"type": "boolean"}),
        fields(FORM, TRUTHS),
        "compatible",
        "compatible",
    ),
    ("what is in a thing is JSON", fields(FORM, obj(WHOLE)), fields(FORM, obj(TEXT)), "breaking", "breaking"),
    ("a part that is JSON", fields(PARTS, WHOLE, JSON), fields(PARTS, TEXT, JSON), "breaking", "breaking"),
    ("a plain text", sent("text/plain", schema=WHOLE), sent("text/plain"), "compatible", "breaking"),
    # --- responses
    ("a range in an answer", answered(JSON), answered("application/*"), "breaking", "compatible"),
    ("a range beside it", answered(JSON), answered(JSON, "*/*"), "compatible", "compatible"),
    ("a parameter in an answer", answered("a/b;v=1"), answered("a/b"), "breaking", "compatible"),
    ("another media type beside it", answered(JSON), answered(JSON, "a/b"), "compatible", "breaking"),
    ("one instead of another", answered(JSON), answered("a/b"), "breaking", "breaking"),
    (
        "a narrower schema in a range",
        answered("*/*", schema={}),
        answered(JSON, schema=THING),
        "compatible",
        "breaking",
    ),
    (
        "a status out of the default",
        statuses(s200=TEXT, default=TEXT),
        statuses(s200=TEXT, s400=TEXT, default=TEXT),
        "compatible",
        "compatible",
    ),
    (
        "another one",
        statuses(s200=TEXT, default=TEXT),
        statuses(s200=TEXT, s400=WHOLE, default=TEXT),
        "breaking",
        "breaking",
    ),
    (
        "explode of a list in an answer",
        header(schema=LIST),
        header(schema=LIST, explode=True),
        "compatible",
        "compatible",
    ),
    # --- callbacks and webhooks
    ("a callback's own name", calling(), calling("finished"), "compatible", "compatible"),
    ("a callback's address", calling(), calling(at="{$request.body#/v}"), "breaking", "breaking"),
    ("a callback gone as announced", calling(**PAST), one(), "compatible", "compatible"),
    ("a callback gone too early", calling(**FUTURE), one(), "breaking", "compatible"),
    ("a webhook gone as announced", hook(**PAST), one(), "compatible", "compatible"),
    ("a draft of a webhook gone", hook(**{"x-stability-level": "draft"}), one(), "compatible", "compatible"),
    (
        "one more media type for a webhook",
        hook(requestBody=content(JSON)),
        hook(requestBody=content(JSON, "a/b")),
        "breaking",
        "compatible",
    ),
    (
        "a range for a webhook",
        hook(requestBody=content(JSON)),
        hook(requestBody=content("application/*")),
        "breaking",
        "compatible",
    ),
    ("a parameter of a webhook", hook(parameters=[query(required=True)]), hook(), "breaking", "compatible"),
    ("one that may be missing", hook(parameters=[query()]), hook(), "warning", "compatible"),
    ("a body of a webhook", hook(requestBody=body(THING)), hook(), "breaking", "compatible"),
    # --- security
    (
        "a scheme by another name",
        secured({"key": []}),
        secured({"k": []}, k=KEY, key=None),
        "compatible",
        "compatible",
    ),
    (
        "a scheme by one more name",
        secured({"key": []}),
        secured({"key": []}, {"k": []}, k=KEY),
        "compatible",
        "compatible",
    ),
    (
        "an old key kept by another name",
        secured({"key": []}),
        secured({"key": []}, {"k": []}, k=KEY, key={**KEY, "name": "X-New"}),
        "compatible",
        "breaking",
    ),
    (
        "one bearer's credential for another's",
        secured({"token": []}),
        secured({"admin": []}),
        "breaking",
        "breaking",
    ),
    (
        "one of two bearers",
        secured({"token": []}, {"admin": []}),
        secured({"admin": []}),
        "breaking",
        "compatible",
    ),
    (
        "one of two authorization servers",
        secured({"oauth": []}, {"other": []}),
        secured({"oauth": []}),
        "breaking",
        "compatible",
    ),
    ("an option of an open operation", secured({"key": []}, {}), secured({}), "warning", "compatible"),
    (
        "a key of an open operation, moved",
        secured({"key": []}, {}),
        secured({"key": []}, {}, key={**KEY, "in": "query"}),
        "breaking",
        "breaking",
    ),
    (
        "the address of tokens",
        secured({"oauth": []}),
        secured({"oauth": []}, oauth=OTHER),
        "breaking",
        "breaking",
    ),
    (
        "a scope to another scheme",
        secured({"oauth": ["r"], "other": []}),
        secured({"oauth": [], "other": ["r"]}),
        "breaking",
        "breaking",
    ),
    # --- servers
    (
        "a free variable in a host",
        served("https://eu.a"),
        served("https://{r}.a", r=ANY),
        "compatible",
        "breaking",
    ),
    (
        "a free variable before a path's own",
        served("https://eu.a") | {"paths": at("path")["paths"]},
        served("https://{r}.a", r=ANY) | {"paths": at("path")["paths"]},
        "compatible",
        "breaking",
    ),
    (
        "a variable set free",
        served("https://{r}.a", r=EU),
        served("https://{r}.a", r=ANY),
        "compatible",
        "breaking",
    ),
    (
        "another host beside a free variable",
        served("https://eu.b"),
        served("https://{r}.a", r=ANY),
        "breaking",
        "breaking",
    ),
    (
        "a variable by another name",
        served("https://{r}.a", r=ANY),
        served("https://{s}.a", s=ANY),
        "compatible",
        "compatible",
    ),
    ("a scheme left open", served("https://eu.a"), served("//eu.a"), "compatible", "compatible"),
    ("many addresses in another order", many(9), many(9, back=True), "compatible", "compatible"),
    ("one of many addresses", many(9), many(8), "breaking", "compatible"),
    ("an address out of many", served("https://0123.a"), many(9), "compatible", "breaking"),
    ("an address that is none", served("https://[a"), served("https://[b"), "breaking", "breaking"),
    (
        "an operation's own scheme in version 2",
        old_paths("/a") | {"host": "a", "schemes": ["http", "https"]},
        old_paths("/a", schemes=["https"]) | {"host": "a", "schemes": ["http", "https"]},
        "breaking",
        "compatible",
    ),
    ("a path with a question mark", old_paths("/a?b", "/a?c"), old_paths("/a?b"), "breaking", "compatible"),
    (
        "a list of a form in version 2",
        old_form({"type": "array", "items": TEXT}),
        old_form({"type": "array", "items": TEXT, "collectionFormat": "multi"}),
        "breaking",
        "breaking",
    ),
    (
        "an address that renews tokens",
        secured({"oauth": []}),
        secured({"oauth": []}, oauth=renewed("https://r")),
        "compatible",
        "breaking",
    ),
    # --- life cycle
    (
        "a sunset that became a text",
        one(**FUTURE),
        one(**FUTURE | {"x-sunset": "soon"}),
        "breaking",
        "compatible",
    ),
    (
        "a sunset that never was a day",
        one(deprecated=True),
        one(deprecated=True, **{"x-sunset": "soon"}),
        "warning",
        "breaking",
    ),
    ("a level that is none", one(), one(**{"x-stability-level": "solid"}), "warning", "compatible"),
]


def test_the_verdict_of_a_change_outside_schemas() -> None:
    cases = sample(CASES)
    verdicts = [(name, report(before, after, today=TODAY).verdict) for name, before, after, _, _ in cases]

    assert verdicts == [(name, verdict) for name, _, _, verdict, _ in cases]


def test_the_verdict_of_the_opposite_change() -> None:
    cases = sample(CASES)
    verdicts = [(name, report(after, before, today=TODAY).verdict) for name, before, after, _, _ in cases]

    assert verdicts == [(name, verdict) for name, _, _, _, verdict in cases]
