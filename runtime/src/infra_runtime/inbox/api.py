"""The responses of the inbox to HTTP requests: JSON API, parts of messages, web page."""

from __future__ import annotations

import asyncio
import base64
import html
import re
from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from infra_runtime.inbox.message import Attachment, Message, parse
from infra_runtime.inbox.requests import Request, RequestError, Response, json_response
from infra_runtime.inbox.store import Query, Store, Summary

#: the maximum number of seconds for which a request waits for a message
LONGEST_WAIT = 60.0
#: the path of the health check; its response shows that the SMTP server and the HTTP server listen
HEALTH = "/health"
_PAGE = Path(__file__).parent / "page"
#: path of a URL → name of the file and its media type
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/inbox.js": ("inbox.js", "text/javascript; charset=utf-8"),
    "/inbox.css": ("inbox.css", "text/css; charset=utf-8"),
}
#: The policy for the HTML of a message, which must not load files or run scripts. The page lists the links of
#: the message.
_MESSAGE_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox"
)
#: The policy for a part of a message, which must not run scripts in a browser, whatever type it has.
_PART_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
_CONTENT_ID = re.compile(r"""cid:([^"'\s>)]+)""", re.IGNORECASE)
_MESSAGE = re.compile(r"/api/messages/(\d{1,18})(?:/(raw|html|attachments/(\d{1,6})))?")


class Api:
    """Answers HTTP requests with the messages of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def answer(self, request: Request) -> Response:
        """Return the response to a request. Raises `RequestError` if the request cannot be answered."""
        if request.path == HEALTH:
            _require_get(request)
            return json_response({"status": "ready", "protocol": "smtp"})
        if request.path in _FILES:
            _require_get(request)
            name, kind = _FILES[request.path]
            return Response(body=await asyncio.to_thread((_PAGE / name).read_bytes), type=kind)
        if request.path == "/api/messages":
            return await self._messages(request)
        if match := _MESSAGE.fullmatch(request.path):
            return await self._message(request, int(match[1]), match[2] or "", int(match[3] or 0))
        raise RequestError(HTTPStatus.NOT_FOUND, f"the server has no page with the path {request.path}")

    async def _messages(self, request: Request) -> Response:
        query, wait = _query(request.parameters)
        if request.method == "DELETE":
            return json_response({"deleted": self._store.delete(self._store.search(query))})
        _require_get(request)
        messages = await self._store.wait(query, wait) if wait else self._store.search(query)
        return json_response(
            {
                "messages": [asdict(message) for message in messages],
                "total": len(self._store),
                "dropped": self._store.dropped,
            }
        )

    async def _message(self, request: Request, number: int, part: str, index: int) -> Response:
        summary = self._store.get(number)
        if summary is None:
            raise RequestError(HTTPStatus.NOT_FOUND, f"the inbox does not contain the message {number}")
        if request.method == "DELETE" and not part:
            return json_response({"deleted": self._store.delete([summary])})
        _require_get(request)
        # Reading a large message takes time; in a thread, it does not delay other requests and messages.
        return await asyncio.to_thread(self._part, summary, part, index)

    def _part(self, summary: Summary, part: str, index: int) -> Response:
        try:
            content = self._store.raw(summary.id)
        except FileNotFoundError as error:
            raise RequestError(
                HTTPStatus.NOT_FOUND, f"the message {summary.id} was deleted meanwhile"
            ) from error
        if part == "raw":
            return _download(content, f"{summary.id}.eml", "message/rfc822")
        message = parse(content, asdict(summary))
        if part == "html":
            return Response(
                body=_with_images(message).encode("utf-8", "replace"),
                type="text/html; charset=utf-8",
                headers={"Content-Security-Policy": _MESSAGE_POLICY},
            )
        if not part:
            return json_response(_described(message, summary))
        if index >= len(message.attachments):
            raise RequestError(HTTPStatus.NOT_FOUND, f"the message has no attachment {index}")
        attachment = message.attachments[index]
        return _download(attachment.content, attachment.name or f"part-{index}", attachment.type)


def _require_get(request: Request) -> None:
    if request.method != "GET":
        raise RequestError(
            HTTPStatus.METHOD_NOT_ALLOWED, f"{request.path} does not support the method {request.method}"
        )


def _query(parameters: Mapping[str, str]) -> tuple[Query, float]:
    """Return the query and the seconds to wait in the parameters of a request.

    Raises `RequestError` for an unknown parameter or an invalid number.
    """
    texts = {"to": "to", "from": "sender", "subject": "subject", "unit": "unit"}
    if unknown_names := parameters.keys() - {*texts, "after", "wait"}:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"unknown parameters: {', '.join(sorted(unknown_names))}")
    try:
        after, wait = int(parameters.get("after", "0")), float(parameters.get("wait", "0"))
    except ValueError as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"`after` and `wait` must be numbers: {error}") from error
    if not 0 <= wait <= LONGEST_WAIT:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"`wait` must be a number from 0 to {LONGEST_WAIT:g}")
    conditions: dict[str, str] = {
        name: parameters[parameter] for parameter, name in texts.items() if parameter in parameters
    }
    return Query(after=after, **conditions), wait


def _described(message: Message, summary: Summary) -> dict[str, Any]:
    """Return a message as JSON data, with the URLs of its attachments instead of their content."""
    address = f"/api/messages/{message.id}"
    return {
        **asdict(summary),
        "headers": [list(pair) for pair in message.headers.pairs],
        "text": message.text,
        "html": message.html,
        "attachments": [
            {
                "name": attachment.name,
                "type": attachment.type,
                "size": attachment.size,
                "content_id": attachment.content_id,
                "url": f"{address}/attachments/{index}",
            }
            for index, attachment in enumerate(message.attachments)
        ],
        "raw_url": f"{address}/raw",
    }


def _download(content: bytes, name: str, kind: str) -> Response:
    # Source: RFC 6266. The name is encoded, so that it cannot contain the end of the header.
    disposition = f"attachment; filename*=UTF-8''{quote(name.encode('utf-8', 'replace'), safe='')}"
    plain = kind if re.fullmatch(r"[\w.+-]+/[\w.+-]+", kind, re.ASCII) else "application/octet-stream"
    return Response(
        body=content,
        type=plain,
        headers={"Content-Disposition": disposition, "Content-Security-Policy": _PART_POLICY},
    )


def _with_images(message: Message) -> str:
    """Return the HTML of a message in which `cid:` addresses are replaced by the images.

    A message without HTML is shown as text.
    """
    if not message.html:
        return f"<!doctype html><pre>{html.escape(message.text)}</pre>"
    images = {part.content_id: part for part in message.attachments if part.content_id}

    def address(match: re.Match[str]) -> str:
        image = images.get(unquote(match[1]))
        return _data_url(image) if image else match[0]

    return _CONTENT_ID.sub(address, message.html)


def _data_url(image: Attachment) -> str:
    return f"data:{image.type};base64,{base64.b64encode(image.content).decode()}"
