"""The receiver of telemetry: the variables that it contributes to the user's own services."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import socket
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes.distribution import Distribution
from fakes.engine import spec_of
from fakes.project import Project
from fakes.small_disk import on_a_small_disk
from fakes.stacks import kill, services_of, until
from fakes.suite import free_port
from fakes.users import MALLORY, run_as
from infra_runtime.contributions import Contribution, TraceSink, Variables
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import InfraError
from infra_runtime.services import telemetry as module
from infra_runtime.services.telemetry import ENTRY, TelemetrySettings
from infra_runtime.services.user_service import UserServiceSettings, user_service
from infra_runtime.spec import ServiceSpec


def own(contributions: list[Contribution], **settings: object) -> ServiceSpec:
    return user_service(UserServiceSettings(command=("api",), **settings), contributions)


def offers(interval: float = 1.0) -> list[Contribution]:
    contributions = ENTRY.contributions(TelemetrySettings(export_interval=interval))
    (offer,) = [offer for offer in contributions if offer.key == "variables"]
    return [Contribution(key=offer.key, value=offer.value, service="telemetry")]


def test_own_services_get_the_address_and_the_key_by_optional_references() -> None:
    spec = own(offers())

    assert spec.env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "${telemetry.url?}"
    assert spec.env["OTEL_EXPORTER_OTLP_HEADERS"] == "x-otlp-api-key=${telemetry.key?}"
    assert spec.env["OTEL_SERVICE_NAME"] == "${stack.service}"
    assert spec.all_needs() == ()
    assert "OTEL_EXPORTER_OTLP_HEADERS" in spec.sensitive


def test_a_variable_of_the_service_is_not_changed_and_resource_attributes_are_added() -> None:
    spec = own(offers(), env={"OTEL_SERVICE_NAME": "mine", "OTEL_RESOURCE_ATTRIBUTES": "team=shop"})

    assert spec.env["OTEL_SERVICE_NAME"] == "mine"
    assert spec.env["OTEL_RESOURCE_ATTRIBUTES"] == (
        "team=shop,service.namespace=${stack.project},service.instance.id=${stack.service}-${stack.run},"
        "deployment.environment.name=${stack.environment},infra.run.id=${stack.run}"
    )


def test_a_resource_attribute_of_the_service_is_not_changed() -> None:
    given = "service.namespace=eu, infra.run.id=7,service.instance.id="
    spec = own(offers(), env={"OTEL_RESOURCE_ATTRIBUTES": given})

    added = "deployment.environment.name=${stack.environment}"
    assert spec.env["OTEL_RESOURCE_ATTRIBUTES"] == f"{given},{added}"


def test_a_variable_that_the_service_does_not_set_is_a_default() -> None:
    spec = own(offers(), env={"OTEL_SERVICE_NAME": "mine", "OTEL_RESOURCE_ATTRIBUTES": "team=shop"})

    defaults = {default.name: default for default in spec.env_defaults}
    assert defaults.keys() >= spec.env.keys() - {"OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"}
    assert not defaults.keys() & {"OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"}
    assert "OTEL_RESOURCE_ATTRIBUTES" in {default.name for default in own(offers()).env_defaults}


@pytest.mark.real("telemetry")
def test_variables_of_the_shell_are_not_replaced_in_own_services(
    run: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import json, os; json.dump(dict(os.environ), open('env.json', 'w'))"
    command = json.dumps([sys.executable, "-c", code])
    project.write(f'use = ["telemetry"]\n[services.api]\ncommand = {command}\ntask = true\n')
    monkeypatch.setenv("OTEL_SERVICE_NAME", "from-the-shell")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.namespace=shell,team=shop")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector.test:4318")
    monkeypatch.delenv("OTEL_BSP_SCHEDULE_DELAY", raising=False)

    run("telemetry", "api")

    variables = json.loads((project.root / "env.json").read_text(encoding="utf-8"))
    assert variables["OTEL_SERVICE_NAME"] == "from-the-shell"
    attributes = variables["OTEL_RESOURCE_ATTRIBUTES"]
    assert attributes.startswith("service.namespace=shell,team=shop,service.instance.id=api-")
    assert variables["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] == "http://collector.test:4318"
    # The key of the stack's receiver is not sent to another receiver.
    assert "OTEL_EXPORTER_OTLP_HEADERS" not in variables
    assert "OTEL_EXPORTER_OTLP_TRACES_HEADERS" not in variables
    assert variables["OTEL_EXPORTER_OTLP_LOGS_HEADERS"].startswith("x-otlp-api-key=")
    assert variables["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"].endswith("/v1/logs")
    assert variables["OTEL_BSP_SCHEDULE_DELAY"] == "200"


def test_the_setting_telemetry_leaves_all_variables_out() -> None:
    assert own(offers(), telemetry=False).env == {}


def test_the_interval_of_exports_is_in_milliseconds() -> None:
    assert own(offers(0.2)).env["OTEL_BSP_SCHEDULE_DELAY"] == "200"


def test_the_receiver_starts_at_the_first_connection_and_has_no_container() -> None:
    spec = spec_of("telemetry")

    assert spec.starts_on_connection
    assert spec.ready is None
    assert spec.container is None
    assert spec.ports_may_vary
    assert not spec_of("telemetry", ports={"otlp": 4318}).ports_may_vary


def test_the_port_for_grpc_is_offered_only_with_its_library() -> None:
    without, with_grpc = spec_of("telemetry"), spec_of("telemetry", grpc=True)

    assert set(without.ports) == {"otlp", "query"}
    assert "grpc_url" not in without.exports
    assert with_grpc.ports["otlp_grpc"] == 4317
    assert with_grpc.exports["grpc_url"] == "http://${host}:${port.otlp_grpc}"


def test_the_library_for_grpc_is_searched_in_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for installed in (True, False):
        monkeypatch.setattr(module, "is_importable", lambda _, answer=installed: answer)

        assert ENTRY.facts is not None
        assert ENTRY.facts(Path(sys.executable)) == {"grpc": installed}
        assert ENTRY.facts(Path("/other/python")) == {}


def test_spans_are_forwarded_to_the_trace_sinks_by_optional_references() -> None:
    sink = Contribution(key="trace-sink", value=TraceSink(), service="sink")

    spec = ENTRY.make(TelemetrySettings(), [sink])

    assert "--forward=${sink.otlp_url?}" in spec.command
    assert spec.all_needs() == ()


def test_the_contribution_survives_the_cache_of_plans() -> None:
    (offer,) = offers()

    again = Contribution.from_json(offer.to_json())

    assert isinstance(again.value, Variables)
    assert again == offer


@pytest.mark.real("telemetry")
def test_a_real_receiver_in_development_keeps_the_records_of_earlier_runs(run: Any) -> None:
    ports = {"otlp": free_port(), "query": free_port()}
    stack = run("telemetry", environment="development", ports=ports, grpc=False)
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "before"}}]}]}]}
    asked(stack.telemetry, "/v1/logs", body)

    stack.restart("telemetry")

    state = asked(stack.telemetry, "/api/v1/state")
    (first, second) = state["runs"]
    assert second == state["run"]
    (record,) = asked(stack.telemetry, f"/api/v1/logs?run={first}")["items"]
    assert record["body"] == "before"


def asked(server: Endpoint, path: str, body: object = None) -> Any:
    url = f"{server['url'] if body else server['query_url']}{path}"
    headers = {"x-otlp-api-key": server["key"], "content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


# --- bad luck ----------------------------------------------------------------------------------------


def decoded(body: bytes, *, is_json: bool) -> Any:
    from infra_runtime.telemetry.decode import decode  # the minimal profile has no protobuf

    return decode("traces", body, is_json=is_json)


def traces(*names: str, trace: int = 1) -> dict[str, Any]:
    spans = [
        {"traceId": f"{trace:032x}", "spanId": f"{number:016x}", "name": name}
        for number, name in enumerate(names, 1)
    ]
    return {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}


def five_more(numbers: list[int]) -> Callable[[], bool]:
    count = len(numbers) + 5
    return lambda: len(numbers) > count


@pytest.mark.real("telemetry")
def test_a_new_receiver_serves_the_same_sockets_when_one_is_killed_while_services_send(run: Any) -> None:
    stack = run("telemetry")
    server, refused, lost = stack.telemetry, list[str](), list[int]()
    first = traces("before")
    asked(server, "/v1/traces", first)
    until(lambda: asked(server, "/api/v1/spans?name=before")["items"])
    stop = threading.Event()
    sent = list[int]()

    def send() -> None:
        """Send spans one after another, as an exporter that repeats a failed request once."""
        for number in itertools.count(2):
            if stop.is_set():
                return
            for _ in range(2):
                try:
                    asked(server, "/v1/traces", traces("during", trace=number))
                    sent.append(number)
                    break
                except ConnectionRefusedError as error:
                    refused.append(str(error))
                except (OSError, http.client.HTTPException):  # the receiver was killed before it answered
                    lost.append(number)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for _ in range(2):
            until(five_more(sent))
            (state,) = stack.status().services
            kill(state.pid)
            until(lambda pid=state.pid: stack.status().services[0].pid not in {0, pid})
            until(five_more(sent))
    finally:
        stop.set()
        sender.join(60)

    stored = {
        int(span["trace"], 16) for span in asked(server, "/api/v1/spans?name=during&limit=10000")["items"]
    }
    state = asked(server, "/api/v1/state")
    assert refused == []
    assert {*sent} - stored == set()
    assert len(lost) <= 4
    assert state["interruptions"] == 2
    assert asked(server, "/api/v1/spans?name=before")["items"]
    assert asked(server, "/api/v1/traces?limit=1")["items"]


@pytest.mark.real("telemetry")
def test_spans_are_forwarded_to_a_service_with_the_role(run: Any, distribution: Distribution) -> None:
    distribution.install("sink_kind", SINK, {"sink": "ENTRY"})
    stack = run("telemetry", "sink")
    asked(stack.telemetry, "/v1/traces", traces("a", "b"))

    until(lambda: asked(stack.telemetry, "/api/v1/state")["forwarding"][0]["sent"] == 2)

    with urllib.request.urlopen(stack.sink["otlp_url"], timeout=60) as answer:
        received: Any = decoded(answer.read(), is_json=False)
    (scope,) = received.resource_spans[0].scope_spans
    assert [span.name for span in scope.spans] == ["a", "b"]


TRACES_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
#: a kind whose service receives spans, and returns all received bytes
SINK = '''
import sys
from infra_runtime.catalogue import Entry, Port, Ports, ServiceSettings
from infra_runtime.binaries import Binary
from infra_runtime.spec import ServiceSpec, TcpProbe

SERVER = """
import http.server, sys
received = b""

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global received
        assert self.path == "/v1/traces"
        received += self.rfile.read(int(self.headers["content-length"]))
        self.do_GET(b"")

    def do_GET(self, body=None):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(received if body is None else body)

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

class SinkPorts(Ports):
    http: Port = 14318

class Settings(ServiceSettings):
    ports: SinkPorts = SinkPorts()

def make(settings, contributions):
    return ServiceSpec(
        name="sink",
        command=("${bin.python}", "-c", SERVER, "${port.http}"),
        ports=settings.port_map(),
        ready=TcpProbe(port="http"),
        exports={"otlp_url": "http://${host}:${port.http}"},
    )

ENTRY = Entry(
    summary="receives spans for a test", settings=Settings, make=make, roles=("trace-sink",),
    binaries=(Binary(name="python"),),
)
'''


@pytest.mark.real("telemetry")
def test_another_user_of_the_machine_reads_and_sends_nothing(run: Any, tmp_path: Path) -> None:
    server = run("telemetry").telemetry
    asked(server, "/v1/traces", traces("secret"))
    until(lambda: asked(server, "/api/v1/spans?name=secret")["items"])
    folder = services_of(tmp_path / "data-test") / "telemetry"
    code = """
import urllib.error, urllib.request
url, query_url, *files = arguments
for request in (url + "/v1/traces", query_url + "/api/v1/spans", query_url + "/api/v1/state"):
    try:
        urllib.request.urlopen(urllib.request.Request(request, b"{}" if "v1/traces" in request else None,
            {"content-type": "application/json"}), timeout=60)
    except urllib.error.HTTPError as error:
        print(error.code)
"""
    private = [folder / "key.secret", *folder.rglob("*.sqlite3*")]

    answers = run_as(MALLORY, code, server["url"], server["query_url"])

    assert answers.split() == ["401"] * 3
    assert len(private) > 1
    assert {path.name: oct(path.stat().st_mode & 0o077) for path in (*private, folder / "runs")} == {
        path.name: "0o0" for path in (*private, folder / "runs")
    }


@pytest.mark.real("telemetry")
def test_a_port_of_another_program_is_named_with_the_program(run: Any) -> None:
    free, used = free_port(), free_port()
    with (
        socket.create_server(("127.0.0.1", used)),
        pytest.raises(InfraError, match=rf"port {used} is taken by .*{os.getpid()}"),
    ):
        run("telemetry", environment="development", ports={"otlp": free, "query": used}, grpc=False)
    with socket.create_server(("127.0.0.1", free)):
        pass  # the port of the service that did not start is free


@pytest.mark.real("telemetry")
def test_the_client_library_of_grpc_exports_to_a_real_receiver(run: Any) -> None:
    grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
    pytest.importorskip("hypercorn", reason="needs the extra `telemetry-grpc`")
    server = run("telemetry").telemetry
    metadata = (("x-otlp-api-key", server["key"]),)
    options = [("grpc.max_send_message_length", -1)]

    def exported(name: str, key: Any = metadata) -> str:
        """Return the name of the status code."""
        message = decoded(json.dumps(traces(name)).encode(), is_json=True)
        call = channel.unary_unary(TRACES_METHOD, type(message).SerializeToString, bytes)
        try:
            call(message, timeout=60, metadata=key)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"

    address = server["grpc_url"].removeprefix("http://")
    with grpc.insecure_channel(address, options, compression=grpc.Compression.Gzip) as channel:
        codes = [exported("a"), exported("b", key=()), exported("c" * 65 * 2**20), exported("d")]

    assert codes == ["OK", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "OK"]
    until(lambda: asked(server, "/api/v1/spans?name=a")["items"])


@pytest.mark.real("telemetry")
def test_no_accepted_record_is_lost_while_the_disk_is_full(tmp_path: Path) -> None:
    code = """
import json, urllib.error, urllib.request
from dataclasses import replace
from fakes.engine import spec_of

spec = spec_of("telemetry")
stack = up(replace(spec, command=(sys.executable, *spec.command[1:])))
server = stack.telemetry

def asked(path, body=None):
    url = server["url"] if body else server["query_url"]
    headers = {"x-otlp-api-key": server["key"], "content-type": "application/json"}
    content = json.dumps(body).encode() if body else None
    try:
        request = urllib.request.Request(url + path, content, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return 200, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)

def send(number):
    record = {"body": {"stringValue": "x" * 1000}, "attributes": [
        {"key": "number", "value": {"intValue": number}}]}
    return asked("/v1/logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})[0]

accepted = [number for number in range(20) if send(number) == 200]
until(lambda: asked("/api/v1/state")[1]["records"]["logs"] == 20)
fill()
statuses = set()
for number in range(20, 10_000):
    statuses.add(status := send(number))
    if status == 503:
        break
    accepted.append(number)
health, content = asked("/health")
for filler in disk.glob("filler*"):
    filler.unlink()
until(lambda: asked("/health")[0] == 200)
until(lambda: send(10_000) == 200)
until(lambda: asked("/api/v1/logs?limit=10000")[1]["items"][-1]["attributes"]["number"] == 10_000)
stored = [item["attributes"]["number"] for item in asked("/api/v1/logs?limit=10000")[1]["items"]]
is_full = "disk is full" in content["problem"]
print({503} <= statuses <= {200, 503}, health, is_full, stored == [*accepted, 10_000])
stack.close()
"""
    assert on_a_small_disk(tmp_path / "disk", "8m", code) == ["True 503 True True"]
