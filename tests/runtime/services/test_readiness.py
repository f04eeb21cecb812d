"""The key `ready` with HTTPS, through a real supervisor and a real TLS server."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes.project import Project
from fakes.stacks import until
from infra_runtime.engines.local.engine import attach
from infra_runtime.engines.local.stack import Stack
from infra_runtime.errors import NoStackError, SupervisorError, WaitTimeoutError
from infra_runtime.spec import HttpProbe

SERVER = """\
import http.server, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("certificate.pem", "key.pem")
handler = http.server.SimpleHTTPRequestHandler
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def stack_file(ready: str) -> str:
    return f"""
[services.web]
command = ["${{bin.python}}", "server.py", "${{port.https}}"]
ports = {{ https = 8443 }}
start_timeout = 120
ready = {ready}
"""


@pytest.fixture
def tls_project(project: Project) -> Project:
    """Return a project with a TLS server that has a self-signed certificate for `localhost`."""
    (project.root / "server.py").write_text(SERVER, encoding="utf-8")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    files = ("-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "certificate.pem")
    subprocess.run(
        ["openssl", *words.split(), *files], cwd=project.root, check=True, capture_output=True, timeout=300
    )
    return project


def test_the_key_https_is_an_http_probe_with_tls(project: Project) -> None:
    project.write(
        stack_file('{ https = "health", ca = "ca.pem", server_name = "web.test", contains = "ok" }')
    )

    assert project.spec("web").ready == HttpProbe(
        port="https",
        path="/health",
        tls=True,
        ca="${root}/ca.pem",
        server_name="web.test",
        contains="ok",
    )


@pytest.mark.real("openssl")
def test_a_service_with_https_is_ready_when_its_certificate_is_verified(
    tls_project: Project, run: Callable[..., Stack]
) -> None:
    tls_project.write(stack_file('{ https = "/", ca = "certificate.pem" }'))

    assert run("web")["web"].port


def reason(data: Path) -> str:
    """Return why the service is not ready yet; empty while no stack runs."""
    with contextlib.suppress(NoStackError), attach(data, lease=False) as stack:
        return next((service.reason for service in stack.status().services), "")
    return ""


@pytest.mark.real("openssl")
def test_a_certificate_with_another_name_is_reported_in_the_error(
    tls_project: Project, run: Callable[..., Stack], tmp_path: Path
) -> None:
    tls_project.write(stack_file('{ https = "/", ca = "certificate.pem", server_name = "other.test" }'))
    data = tmp_path / "data-test"

    with ThreadPoolExecutor() as threads:
        start = threads.submit(run, "web")
        until(lambda: "Hostname mismatch" in reason(data))
        with attach(data, lease=False) as stack:
            with pytest.raises(WaitTimeoutError, match="Hostname mismatch"):
                stack.wait("web", timeout=0)
            stack.down()

    assert isinstance(start.exception(), SupervisorError)
