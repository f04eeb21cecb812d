"""The receiver with the SDK of Node, which is configured by the variables of the stack only."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

import infra_runtime as infra
from fakes.project import Project
from fakes.stacks import until
from infra_runtime.cache import user_cache
from infra_runtime.engines.local.stack import Endpoint

pytestmark = pytest.mark.real("telemetry", "node", "npm")

#: the cache outside of the tests, which keeps the packages of npm
CACHE = user_cache()
PACKAGES = {"@opentelemetry/api": "1.9.1", "@opentelemetry/sdk-node": "0.223.0"}
#: seconds in which npm has to install the packages
PATIENCE = 300.0
PROGRAM = """
const api = require("@opentelemetry/api");
const { NodeSDK } = require("@opentelemetry/sdk-node");

const sdk = new NodeSDK();
sdk.start();
api.trace.getTracer("shop").startActiveSpan("order", (span) => {
  span.setAttribute("currency", "EUR");
  span.addEvent("paid", { amount: 7 });
  api.metrics.getMeter("shop").createCounter("orders").add(2);
  span.end();
});
sdk.shutdown().catch((error) => { console.error(error); process.exit(1); });
"""
#: service → its own variables
TASKS = {
    "protobuf": {},
    "json": {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
    "grpc": {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "${telemetry.grpc_url}",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    },
}


def modules() -> Path:
    """Return the folder with the packages; npm installs them once into the cache."""
    content = json.dumps({"private": True, "dependencies": PACKAGES})
    folder = Path(CACHE or tempfile.gettempdir(), "npm", hashlib.sha256(content.encode()).hexdigest()[:16])
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            work = Path(temporary, "work")
            work.mkdir()
            (work / "package.json").write_text(content)
            command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
            result = subprocess.run(
                command, cwd=work, capture_output=True, text=True, check=False, timeout=PATIENCE
            )
            if result.returncode:
                require = pytest.fail if os.environ.get("CI") else pytest.skip
                require(f"npm cannot install the SDK of Node: {result.stderr.strip()[-500:]}")
            if not folder.exists():
                work.rename(folder)
    return folder / "node_modules"


def asked(server: Endpoint, path: str, **parameters: str) -> list[dict[str, Any]]:
    url = f"{server['query_url']}/api/v1/{path}?{urlencode(parameters)}"
    with urlopen(Request(url, headers={"x-otlp-api-key": server["key"]}), timeout=60) as answer:
        items: list[dict[str, Any]] = json.load(answer)["items"]
        return items


def test_the_sdk_of_node_exports_with_each_protocol(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hypercorn", reason="needs the extra `telemetry-grpc`")
    monkeypatch.delenv("XDG_CACHE_HOME")
    program = project.write(PROGRAM, "order.js")
    path = str(modules())
    project.write(
        "\n".join(
            f"[services.{name}]\ncommand = ['node', '{program}']\ntask = true\nstart_timeout = 120\n"
            + "".join(f"env.{key} = '{value}'\n" for key, value in {"NODE_PATH": path, **own}.items())
            for name, own in TASKS.items()
        )
    )

    names = ("telemetry", *TASKS)
    with infra.start(*names, environment="test", directory=project.root, data=tmp_path / "data") as stack:
        server = stack.telemetry
        until(lambda: len(asked(server, "spans", name="order")) == len(TASKS))
        until(lambda: len(asked(server, "points", name="orders")) >= len(TASKS))
        spans = asked(server, "spans", name="order")
        points = asked(server, "points", name="orders")

    assert {span["service"] for span in spans} == {point["service"] for point in points} == TASKS.keys()
    for span in spans:
        assert span["attributes"] == {"currency": "EUR"}
        assert [(event["name"], event["attributes"]) for event in span["events"]] == [("paid", {"amount": 7})]
        assert span["resource"]["telemetry.sdk.language"] == "nodejs"
        assert span["resource"]["service.namespace"] == "project"
        assert span["resource"]["service.instance.id"].startswith(f"{span['service']}-")
    assert {point["value"] for point in points} == {2}
