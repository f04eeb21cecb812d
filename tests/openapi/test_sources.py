"""Sources of documents: their kinds, and the limits of reading, fetching and importing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fakes.checks import PETS, Checks
from infra_openapi import CompareError
from infra_openapi.document.reference import follow
from infra_openapi.sources import Access, Kind, app, kind_of, open_source
from infra_openapi.sources.app_schema import schema_of

pytestmark = pytest.mark.process

SPLIT = "openapi: 3.1.0\npaths:\n  /x:\n    $ref: '{}'\n"
PATH = "get: {responses: {'200': {description: x}}}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checks:
    monkeypatch.chdir(tmp_path)
    return Checks(tmp_path)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("openapi.yaml", Kind.FILE),
        ("api/openapi", Kind.FILE),
        ("/tmp/x", Kind.FILE),
        ("-", Kind.STDIN),
        ("http://127.0.0.1:8000/openapi.json", Kind.URL),
        ("https://example.org", Kind.URL),
        ("service:api/openapi.json", Kind.SERVICE),
        ("main:openapi.yaml", Kind.GIT),
        ("main:openapi.JSON", Kind.GIT),
        ("HEAD~1:spec", Kind.GIT),
        ("origin/main:spec", Kind.GIT),
        ("v1.0:api/openapi", Kind.GIT),
        ("refs/heads/main:spec", Kind.GIT),
        ("shop:app", Kind.APP),
        ("shop.web:app", Kind.APP),
        ("shop.web:api.v1", Kind.APP),
        ("shop.web:create_app()", Kind.APP),
    ],
)
def test_the_text_of_a_source_determines_its_kind(word: str, kind: Kind) -> None:
    assert kind_of(word) is kind


def test_an_existing_path_is_always_a_file(folder: Checks) -> None:
    folder.write("shop:app", PETS)

    assert kind_of("shop:app") is Kind.FILE
    assert open_source("shop:app").document.version == "3.0.3"


# --- files -----------------------------------------------------------------------------------------


def test_a_file_is_named_relative_to_the_working_directory(folder: Checks) -> None:
    folder.write("api/openapi.yaml", PETS)

    source = open_source("openapi.yaml", directory=folder.root / "api")

    assert (source.name, source.path) == ("api/openapi.yaml", Path("api/openapi.yaml"))


def test_a_reference_outside_the_root_is_an_error(folder: Checks, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write("api/openapi.yaml", SPLIT.format("../common/x.yaml"))
    folder.write("common/x.yaml", PATH)
    assert open_source("api/openapi.yaml").document.is_single_file is False
    monkeypatch.chdir(folder.root / "api")

    with pytest.raises(CompareError, match="is outside of"):
        open_source("openapi.yaml")
    assert open_source("openapi.yaml", access=Access(root=folder.root)).document.is_single_file is False


# --- git -------------------------------------------------------------------------------------------


def test_a_git_revision_is_read_instead_of_the_working_tree(folder: Checks) -> None:
    folder.write("openapi.yaml", PETS)
    folder.commit()
    folder.write("openapi.yaml", "changed since")

    source = open_source("main:openapi.yaml")

    assert source.name == "main:openapi.yaml"
    assert source.path is None
    assert source.document.text == PETS


def test_without_a_revision_the_staged_file_is_read(folder: Checks) -> None:
    folder.write("api/openapi.yaml", SPLIT.format("../common.yaml"))
    folder.write("common.yaml", PATH)
    folder.git("init", "--quiet")
    folder.git("add", ".")
    for name in ("api/openapi.yaml", "common.yaml"):
        (folder.root / name).write_text("changed since", encoding="utf-8")

    staged = open_source(":api/openapi.yaml").document
    below = open_source(":./openapi.yaml", directory=folder.root / "api").document

    assert staged.text == below.text == SPLIT.format("../common.yaml")
    assert [str(follow(path).location()) for path in staged.root.mapping("paths").values()] == [
        ":/common.yaml:1:1"
    ]


def test_references_are_followed_inside_the_revision(folder: Checks) -> None:
    folder.write("api/openapi.yaml", SPLIT.format("../common/x.yaml"))
    folder.write("common/x.yaml", "get: {responses: {'200': {$ref: './y.yaml#/ok'}}}\n")
    folder.write("common/y.yaml", "ok: {description: then}\n")
    folder.commit()
    for name in ("common/x.yaml", "common/y.yaml"):
        (folder.root / name).unlink()

    document = open_source("main:api/openapi.yaml").document

    (path,) = document.root.mapping("paths").values()
    (response,) = follow(path).mapping("get")["responses"].members().values()
    assert follow(response).raw == {"description": "then"}
    assert str(follow(response).location()).startswith("main:/common/y.yaml:1:")


@pytest.mark.parametrize(
    "target", ["../secret.yaml", "../../secret.yaml", "/etc/passwd", "http://127.0.0.1:1/x"]
)
def test_a_reference_outside_the_revision_is_an_error(folder: Checks, target: str) -> None:
    """Files of the working tree are outside too."""
    folder.write("secret.yaml", PATH)
    folder.write("repository/openapi.yaml", SPLIT.format(target))
    inner = Checks(folder.root / "repository")
    inner.commit()

    with pytest.raises(CompareError, match=r"outside of the revision|on the network"):
        open_source("main:openapi.yaml", directory=inner.root)


def test_a_path_with_a_dot_is_relative_to_the_directory_and_others_to_the_root(folder: Checks) -> None:
    folder.write("api/openapi.yaml", PETS)
    folder.commit()
    below = folder.root / "api"

    assert open_source("main:./openapi.yaml", directory=below).document.text == PETS
    assert open_source("main:../api/openapi.yaml", directory=below).document.text == PETS
    with pytest.raises(CompareError, match="is not in the revision") as caught:
        open_source("main:openapi.yaml", directory=below)
    assert "main:./openapi.yaml" in caught.value.hint


def test_the_shown_name_of_a_revision_is_a_valid_source(folder: Checks) -> None:
    folder.write("openapi.yaml", PETS)
    folder.commit()
    name = open_source("main:openapi.yaml").document.name

    assert name == "main:/openapi.yaml"
    assert open_source(name).document.text == PETS


def test_a_symbolic_link_is_followed_inside_the_revision_only(folder: Checks) -> None:
    folder.write("api/openapi.yaml", PETS)
    (folder.root / "inside.yaml").symlink_to("api/openapi.yaml")
    (folder.root / "outside.yaml").symlink_to("/etc/passwd")
    folder.commit()

    assert open_source("main:inside.yaml").document.text == PETS
    with pytest.raises(CompareError, match="is not in the revision"):
        open_source("main:outside.yaml")


def test_every_git_notation_of_a_revision_is_accepted(folder: Checks) -> None:
    folder.write("openapi.yaml", PETS)
    folder.commit()
    folder.git("tag", "v1.0")
    folder.git("branch", "feature/x")
    commit = folder.git("rev-parse", "HEAD").strip()

    for revision in ("HEAD", "v1.0", "feature/x", commit[:8], "HEAD^{commit}", "@"):
        assert open_source(f"{revision}:./openapi.yaml").document.text == PETS


# --- the web ---------------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    """Returns responses from a table: path → status, headers, body."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, headers, body = self.server.answers.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    pytest.importorskip("httpx")
    new_server = Server()
    thread = threading.Thread(target=new_server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield new_server
    new_server.shutdown()
    thread.join()
    new_server.server_close()


def test_a_url_is_fetched(server: Server) -> None:
    server.answers["/openapi.yaml?v=2"] = (200, {}, PETS.encode())

    source = open_source(f"{server.url}/openapi.yaml?v=2")

    assert source.document.text == PETS
    assert server.asked == ["/openapi.yaml?v=2"]


def test_secrets_of_a_url_are_not_in_the_error(server: Server) -> None:
    secret = server.url.replace("//", "//ann:hunter2@") + "/gone?token=hunter2"

    with pytest.raises(CompareError) as caught:
        open_source(secret)

    assert "hunter2" not in str(caught.value)
    assert str(caught.value) == f"{server.url}/gone: the server returned 404 Not Found"


def test_references_are_followed_on_the_same_server(server: Server) -> None:
    server.answers["/api/openapi.yaml"] = (200, {}, SPLIT.format("../common/x.yaml").encode())
    server.answers["/common/x.yaml"] = (200, {}, PATH.encode())

    assert open_source(f"{server.url}/api/openapi.yaml").document.is_single_file is False


@pytest.mark.parametrize(
    "target", ["http://127.0.0.2:1/x.yaml", "file:///etc/passwd", "https://example.org/x"]
)
def test_a_reference_to_another_server_is_an_error(server: Server, target: str) -> None:
    server.answers["/openapi.yaml"] = (200, {}, SPLIT.format(target).encode())

    with pytest.raises(CompareError, match="is not on the server of the document"):
        open_source(f"{server.url}/openapi.yaml")


def test_a_redirect_is_followed_on_the_same_server_only(server: Server) -> None:
    server.answers["/old"] = (302, {"Location": "/new"}, b"")
    server.answers["/new"] = (200, {}, PETS.encode())
    server.answers["/away"] = (302, {"Location": "http://127.0.0.2:1/x?token=hunter2"}, b"")
    server.answers["/round"] = (302, {"Location": "/round"}, b"")

    assert open_source(f"{server.url}/old").document.text == PETS
    with pytest.raises(CompareError, match=r"another server: http://127.0.0.2:1/x$"):
        open_source(f"{server.url}/away")
    with pytest.raises(CompareError, match="redirects more than 5 times"):
        open_source(f"{server.url}/round")


def test_five_redirects_are_followed(server: Server) -> None:
    for number in range(5):
        server.answers[f"/{number}"] = (302, {"Location": f"/{number + 1}"}, b"")
    server.answers["/5"] = (200, {}, PETS.encode())

    assert open_source(f"{server.url}/0").document.text == PETS


def test_a_response_above_the_size_limit_is_an_error(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra_openapi.document.text.MAX_BYTES", 100)
    server.answers["/openapi.yaml"] = (200, {}, PETS.encode())

    with pytest.raises(CompareError, match="more than 100 bytes"):
        open_source(f"{server.url}/openapi.yaml")


def test_proxies_of_the_environment_are_not_used_for_loopback(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server.answers["/openapi.yaml"] = (200, {}, PETS.encode())

    assert open_source(f"{server.url}/openapi.yaml").document.text == PETS


def test_a_reference_of_a_file_to_a_url_needs_network_access(folder: Checks, server: Server) -> None:
    server.answers["/x.yaml"] = (200, {}, PATH.encode())
    folder.write("openapi.yaml", SPLIT.format(f"{server.url}/x.yaml"))

    with pytest.raises(CompareError, match="network access is not allowed"):
        open_source("openapi.yaml")
    assert server.asked == []
    assert open_source("openapi.yaml", access=Access(network=True)).document.is_single_file is False


# --- apps ------------------------------------------------------------------------------------------

DOCUMENT = "{'openapi': '3.1.0', 'info': {'title': 'T', 'version': '1'}, 'paths': {'/x': {}}}"


def test_the_output_of_an_app_is_not_part_of_its_document(folder: Checks) -> None:
    folder.write("shop.py", f"import os\nprint('hello')\nos.write(1, b'noise')\napp = {DOCUMENT}\n")

    assert list(open_source("shop:app").document.data["paths"]) == ["/x"]


def test_an_app_imports_its_own_modules_and_not_those_of_infra_openapi(folder: Checks) -> None:
    """A module of the app can have the name of a module of infra_openapi."""
    folder.write("text.py", f"app = {DOCUMENT}")
    folder.write("shop/__init__.py", "")
    folder.write("shop/web.py", "import sys, text\nassert 'infra_runtime' not in sys.modules\napp = text.app")

    assert open_source("shop.web:app").document.data["openapi"] == "3.1.0"


def test_a_factory_is_called_and_a_dotted_attribute_is_resolved(folder: Checks) -> None:
    folder.write("shop.py", f"def make(): return {DOCUMENT}\nclass api:\n    v1 = {DOCUMENT}\n")

    assert open_source("shop:make()").document.data["openapi"] == "3.1.0"
    assert open_source("shop:api.v1").document.data["openapi"] == "3.1.0"


@pytest.mark.parametrize("safe_path", ["", "1"])
def test_an_app_is_imported_from_the_directory(
    folder: Checks, monkeypatch: pytest.MonkeyPatch, safe_path: str
) -> None:
    """With PYTHONSAFEPATH, Python itself does not import modules of the working directory."""
    monkeypatch.setenv("PYTHONSAFEPATH", safe_path)
    folder.write("backend/shop.py", f"app = {DOCUMENT}")

    assert open_source("shop:app", directory=folder.root / "backend").document.data["openapi"] == "3.1.0"


def test_a_set_is_written_in_the_same_order_every_time(folder: Checks) -> None:
    tags = "{'b', 'a', 'c', 'e', 'd'}"
    folder.write("shop.py", f"app = dict({DOCUMENT}, tags=[{{'name': it}} for it in {tags}], x={tags})")

    assert len({open_source("shop:app").document.text for _ in range(3)}) == 1


def test_processes_that_an_app_started_are_killed(folder: Checks) -> None:
    folder.write(
        "shop.py",
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open('pid', 'w').write(str(child.pid))\n"
        f"app = {DOCUMENT}\n",
    )

    open_source("shop:app")

    assert ended(int((folder.root / "pid").read_text()))


def ended(pid: int) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if status == "Z":
            return True
        time.sleep(0.01)
    return False


def test_a_running_thread_of_the_app_does_not_delay_the_result(folder: Checks) -> None:
    folder.write(
        "shop.py",
        f"import threading, time\nthreading.Thread(target=time.sleep, args=[600]).start()\napp = {DOCUMENT}",
    )

    assert open_source("shop:app", access=Access(timeout=60)).document.data["openapi"] == "3.1.0"


# --- frameworks ------------------------------------------------------------------------------------

FASTAPI = """
from fastapi import FastAPI
app = FastAPI()

@app.get("/pets")
def pets(limit: int = 3) -> list[str]: return []
"""
LITESTAR = """
from litestar import Litestar, get

@get("/pets")
async def pets(limit: int = 3) -> list[str]: return []

app = Litestar([pets])
"""
STARLETTE = """
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.schemas import SchemaGenerator

schemas = SchemaGenerator({"openapi": "3.0.0", "info": {"title": "T", "version": "1"}})

def pets(request):
    '''
    responses:
      200:
        description: All of them.
    '''

def schema(request): return schemas.OpenAPIResponse(request=request)

app = Starlette(routes=[Route("/pets", pets), Route("/schema", schema, include_in_schema=False)])
"""
DJANGO_NINJA = """
import django
from django.conf import settings
settings.configure(ROOT_URLCONF=__name__, SECRET_KEY="x", DEBUG=True)
django.setup()
from django.urls import path
from ninja import NinjaAPI

app = NinjaAPI()

@app.get("/pets")
def pets(request, limit: int = 3) -> list[str]: return []

urlpatterns = [path("", app.urls)]
"""
FRAMEWORKS = {"fastapi": FASTAPI, "litestar": LITESTAR, "starlette": STARLETTE, "ninja": DJANGO_NINJA}


@cache
def can_import(name: str) -> bool:
    command = [app.interpreter(), "-c", f"from importlib.util import find_spec as f; exit(not f({name!r}))"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_document_of_a_framework_app_is_read(folder: Checks, framework: str) -> None:
    if not can_import(framework):
        pytest.skip(f"{framework} is not installed")
    folder.write("shop.py", FRAMEWORKS[framework])

    document = open_source("shop:app").document

    assert list(document.data["paths"]) == ["/pets"]
    assert document.version.startswith("3.")


def test_an_app_that_only_serves_its_document_is_requested(folder: Checks) -> None:
    """The SchemaGenerator of Starlette can be in another module than the app."""
    if not can_import("starlette"):
        pytest.skip("starlette is not installed")
    folder.write("shop.py", STARLETTE)
    folder.write("web.py", "from shop import app")

    assert list(open_source("web:app").document.data["paths"]) == ["/pets"]


def test_an_asgi_app_without_a_framework_is_requested(folder: Checks) -> None:
    folder.write(
        "shop.py",
        "import json\n"
        "async def app(scope, receive, send):\n"
        "    found = scope['path'] == '/schema'\n"
        "    await send({'type': 'http.response.start', 'status': 200 if found else 404, 'headers': []})\n"
        f"    await send({{'type': 'http.response.body', 'body': json.dumps({DOCUMENT}).encode()}})\n",
    )

    assert open_source("shop:app").document.data["openapi"] == "3.1.0"


def test_the_error_for_an_asgi_app_lists_the_requested_paths(folder: Checks) -> None:
    folder.write(
        "shop.py",
        "async def app(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': 404, 'headers': []})\n"
        "    await send({'type': 'http.response.body'})\n",
    )

    with pytest.raises(CompareError, match=r"no OpenAPI document at /openapi.json \(404\), /schema \(404\)"):
        open_source("shop:app")


def test_an_app_object_is_requested_in_a_running_event_loop_too() -> None:
    import asyncio

    async def served(scope: dict[str, str], _receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b'{"openapi": "3.1.0"}'})  # type: ignore[operator]

    async def test() -> str:
        return schema_of(served)

    assert asyncio.run(test()) == '{"openapi": "3.1.0"}'


def test_the_interpreter_is_that_of_the_active_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(os.path.realpath(sys.executable))

    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path))
    active = app.interpreter()
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "gone"))

    assert active == str(tmp_path / "bin" / "python")
    assert app.interpreter() == sys.executable
