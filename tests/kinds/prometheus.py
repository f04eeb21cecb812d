"""Prometheus in the contract suite: a value is a label of the newest sample that was sent by remote write."""

from __future__ import annotations

import json
import struct
import time
import urllib.parse
import urllib.request

from infra_runtime.engines.local.stack import Endpoint


def write(endpoint: Endpoint, name: str, value: str) -> None:
    """Send a sample whose labels contain name and value; in a unit, also the label of the unit."""
    labels = {"__name__": "contract", "name": name, "value": value, "unit": endpoint.get("test", "")}
    if "test" in endpoint:
        labels["test"] = endpoint["test"]
    now = time.time()
    series = b"".join(_field(1, _text(1, key) + _text(2, text)) for key, text in sorted(labels.items()))
    sample = b"\x09" + struct.pack("<d", now) + b"\x10" + _number(round(now * 1000))
    body = _field(1, series + _field(2, sample))
    headers = {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
    request = urllib.request.Request(endpoint["remote_write_url"], _snappy(body), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 204


def read(endpoint: Endpoint, name: str) -> str | None:
    """Return the value in the labels of the sample with the latest time, which is the sample's value."""
    selector = f'contract{{name="{name}",unit="{endpoint.get("test", "")}"}}'
    query = urllib.parse.urlencode({"query": selector})
    with urllib.request.urlopen(f"{endpoint['url']}/api/v1/query?{query}", timeout=60) as answer:
        results = json.load(answer)["data"]["result"]
    newest = max(results, key=lambda series: float(series["value"][1]), default=None)
    return newest["metric"]["value"] if newest else None


# --- remote write. Sources: Prometheus, "Remote write specification" 1.0; Protocol Buffers, "Encoding";
# --- snappy, "format_description.txt": a block of literals is valid


def _number(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _number(len(content)) + content


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode())


def _snappy(data: bytes) -> bytes:
    pieces = [data[start : start + 60] for start in range(0, len(data), 60)]
    return _number(len(data)) + b"".join(bytes([(len(piece) - 1) << 2]) + piece for piece in pieces)
