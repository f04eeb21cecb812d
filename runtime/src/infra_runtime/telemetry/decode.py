"""Decode the body of an OTLP request, protobuf or JSON, to a protobuf message; encode the response.

In the JSON of OTLP, ids are hexadecimal, enums are integers, 64-bit numbers are strings or numbers, and
unknown keys are ignored. `google.protobuf.json_format` expects ids in base64 and takes ten times as long.

Source: OpenTelemetry specification, "OTLP", sections "OTLP/HTTP" and "JSON Protobuf Encoding".
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError as ProtobufError
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

Signal: TypeAlias = Literal["traces", "logs", "metrics"]

REQUESTS: Mapping[Signal, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
_RESPONSES: Mapping[Signal, type[Message]] = {
    "traces": ExportTraceServiceResponse,
    "logs": ExportLogsServiceResponse,
    "metrics": ExportMetricsServiceResponse,
}
#: signal → the names of the field with the number of rejected records: in protobuf, and in JSON
_REJECTED: Mapping[Signal, tuple[str, str]] = {
    "traces": ("rejected_spans", "rejectedSpans"),
    "logs": ("rejected_log_records", "rejectedLogRecords"),
    "metrics": ("rejected_data_points", "rejectedDataPoints"),
}
#: the largest number of characters of the reason for a refusal, which can contain a part of the request
LONGEST_REASON = 500
#: the largest depth of nested messages in JSON; protobuf has the same limit
_DEPTH = 100
#: the largest number of opening brackets in JSON, also in strings; an empty object needs fifty times the
#: memory of its text
_CONTAINERS = 4_000_000
#: both alphabets of base64 are valid, with or without padding. Source: protobuf documentation, "ProtoJSON"
_FROM_URL_SAFE = str.maketrans("-_", "+/")
#: the names of the fields whose bytes are hexadecimal in JSON
_HEXADECIMAL = frozenset({"trace_id", "span_id", "parent_span_id"})


class DecodeError(ValueError):
    """The body of a request is not an encoded OTLP request."""


def decode(signal: Signal, body: bytes, *, is_json: bool) -> Message:
    """Return the OTLP request in `body`. Raises `DecodeError` if the body is not valid."""
    message = REQUESTS[signal]()
    if not is_json:
        try:
            message.ParseFromString(body)
        except ProtobufError as error:
            raise DecodeError(f"the body is not a protobuf message: {error}") from error
        return message
    if body.count(b"{") + body.count(b"[") > _CONTAINERS:
        raise DecodeError(f"the body has more than {_CONTAINERS} objects and arrays")
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"the body is not JSON: {error}") from error
    _fill(message, data, _DEPTH, "the body")
    return message


def response(signal: Signal, rejected: int, reason: str, *, is_json: bool) -> bytes:
    """Return the body of the response; if no record is rejected, `partial_success` is not set."""
    name, json_name = _REJECTED[signal]
    if is_json:
        partial = {json_name: str(rejected), "errorMessage": reason}
        return json.dumps({"partialSuccess": partial} if rejected else {}).encode()
    message: Any = _RESPONSES[signal]()
    if rejected:
        setattr(message.partial_success, name, rejected)
        message.partial_success.error_message = reason
    encoded: bytes = message.SerializeToString()
    return encoded


def error(reason: str, *, is_json: bool) -> bytes:
    """Return the body of the response to a refused request: a `google.rpc.Status` without its code."""
    return json.dumps({"message": reason[:LONGEST_REASON]}).encode() if is_json else status(reason)


def status(reason: str, *, code: int = 0, retry_after: int = 0) -> bytes:
    """Return an encoded `google.rpc.Status`, with a `RetryInfo` if `retry_after` (in seconds) is not 0.

    Source: google/rpc/status.proto, google/rpc/error_details.proto; protobuf documentation, "Encoding".
    """
    encoded = _number_field(1, code) if code else b""
    encoded += _field(2, reason[:LONGEST_REASON].encode(errors="replace"))
    if retry_after:
        duration = _number_field(1, retry_after)
        retry = _field(1, b"type.googleapis.com/google.rpc.RetryInfo") + _field(2, _field(1, duration))
        encoded += _field(3, retry)
    return encoded


def _field(number: int, content: bytes) -> bytes:
    """Return an encoded field, whose content is a string, bytes or a message."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _number_field(number: int, value: int) -> bytes:
    return bytes([number << 3]) + _varint(value)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*encoded, number))


# --- JSON ------------------------------------------------------------------------------------------


def _fill(message: Message, data: Any, depth: int, path: str) -> None:
    """Set each field of a protobuf message to the value of its key in a JSON object."""
    if not isinstance(data, dict):
        raise DecodeError(f"{path} must be a JSON object")
    if not depth:
        raise DecodeError(f"{path} is nested in more than {_DEPTH} objects")
    fields = _fields(message.DESCRIPTOR)
    for key, value in data.items():
        field = fields.get(key)
        if field is None or value is None:
            continue
        name, convert, repeated = field
        location = f"{path}.{key}"
        if not repeated:
            if convert is None:
                child = getattr(message, name)
                child.SetInParent()
                _fill(child, value, depth - 1, location)
            else:
                _set(message, name, _converted(convert, value, location), location)
            continue
        if not isinstance(value, list):
            raise DecodeError(f"{location} must be a JSON array")
        items = getattr(message, name)
        if convert is None:
            for number, item in enumerate(value):
                _fill(items.add(), item, depth - 1, f"{location}[{number}]")
        else:
            converted = [_converted(convert, item, location) for item in value]
            try:
                items.extend(converted)
            except (TypeError, ValueError) as error:
                raise DecodeError(f"{location}: {error}") from error


def _set(message: Message, name: str, value: Any, location: str) -> None:
    try:
        setattr(message, name, value)
    except (TypeError, ValueError) as error:
        raise DecodeError(f"{location}: {error}") from error


def _converted(convert: Callable[[Any], Any], value: Any, location: str) -> Any:
    try:
        return convert(value)
    except (TypeError, ValueError, OverflowError, binascii.Error) as error:
        raise DecodeError(f"{location}: {error}") from error


#: key in JSON → the name of the field, the function that converts a value (None for a message), and whether
#: the field is an array
_Fields: TypeAlias = dict[str, tuple[str, Callable[[Any], Any] | None, bool]]


@cache
def _fields(descriptor: Descriptor) -> _Fields:
    fields: _Fields = {}
    for field in descriptor.fields:
        fields[field.json_name] = fields[field.name] = field.name, _converter(field), _is_repeated(field)
    return fields


def _is_repeated(field: FieldDescriptor) -> bool:
    # `is_repeated` is missing before protobuf 6.30, and `label` in protobuf 7.
    return isinstance(field.default_value, list)


def _converter(field: FieldDescriptor) -> Callable[[Any], Any] | None:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_MESSAGE:
        return None
    if field.type == FieldDescriptor.TYPE_BYTES:
        return bytes.fromhex if field.name in _HEXADECIMAL else _base64
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return _text
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return _boolean
    if kind in {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}:
        return float
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        names = field.enum_type.values_by_name if field.enum_type else {}
        return lambda value: names[value].number if value in names else _integer(value)
    return _integer


def _base64(value: Any) -> bytes:
    text = _text(value).translate(_FROM_URL_SAFE).rstrip("=")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"{value!r} must be an integer")
    return int(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} must be a boolean")  # noqa: TRY004 - the value of a key is wrong
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} must be a string")  # noqa: TRY004 - the value of a key is wrong
    # Lone surrogates, which JSON can contain, are not valid in protobuf.
    return value.encode("utf-8", "replace").decode()
