"""`infra workflows build` and `infra runtime container`: an image is built, pushed, pulled and run."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.base_image import MACHINE, bare_base, python_base
from fakes.command_line import CommandLine
from fakes.suite import free_port
from infra_runtime.engines.local.engine import attach
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import IntegrityError
from infra_runtime.images.layout import Layout
from infra_runtime.images.reference import parse_reference

pytest.importorskip("httpx", reason="the minimal profile has no HTTP client")

from infra_runtime.images.registry import Registry

#: a web server whose answer contains its user, the version of a package and a variable
PROGRAM = """\
import http.server, os, signal, sys
import colours

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        try:
            open("/app/written", "w")
        except OSError as error:
            problem = error.errno
        self.wfile.write(f"{os.getuid()} {colours.VERSION} {os.environ['TOKEN']} {problem}".encode())

signal.signal(signal.SIGTERM, lambda *_: (print("stopped", flush=True), os._exit(0)))
http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""
STACK = """\
use = ["registry"]

[services.api]
command = ["${{bin.python}}", "-m", "shop", "${{host}}", "${{port.http}}"]
env = {{ TOKEN = "${{env.API_TOKEN}}" }}
ports = {{ http = {port} }}
ready = {{ http = "/", contains = "65532 1.5 t0ken 30" }}
"""


@pytest.fixture
def shop(infra: CommandLine) -> CommandLine:
    """Run `infra` in a project with a service, whose lock file contains one package in a local folder."""
    infra.write(STACK.format(port=free_port()))
    infra.write('[project]\nname = "shop"\nversion = "0.3"\n', "pyproject.toml")
    infra.write(PROGRAM, "shop/__main__.py")
    wheels = infra.root.parent / "wheels"
    wheels.mkdir()
    wheel = wheels / "colours-1.5-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("colours.py", 'VERSION = "1.5"\n')
        archive.writestr(
            "colours-1.5.dist-info/METADATA", "Metadata-Version: 2.1\nName: colours\nVersion: 1.5\n"
        )
        archive.writestr("colours-1.5.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("colours-1.5.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    infra.write(f"colours==1.5 --hash=sha256:{digest}\n", "requirements.txt")
    places = {"FIND_LINKS": str(wheels), "NO_INDEX": "1"}
    infra.environ |= {f"{tool}_{name}": value for tool in ("UV", "PIP") for name, value in places.items()}
    infra.environ |= {"UV_CACHE_DIR": str(wheels / "cache"), "HOME": str(infra.root.parent)}
    return infra


@pytest.fixture
def server(shop: CommandLine) -> Iterator[Endpoint]:
    """Run a real registry."""
    assert shop("runtime", "up", "--detach").code == 0
    with attach(shop.data, lease=False) as stack:
        yield stack.registry


@pytest.mark.real("registry", "bwrap")
def test_an_image_is_pushed_pulled_refused_when_damaged_and_run(
    shop: CommandLine, server: Endpoint, tmp_path: Path
) -> None:
    address = server.address
    base = python_base(tmp_path / "base")
    digest = base.find().digest
    with Registry(parse_reference(f"{address}/base/python")) as registry:
        registry.push(base, base.find(), ["1"])
    reference = f"{address}/base/python:1"
    shop.write(f'{(shop.root / "infra.toml").read_text()}\n[image]\nbase = "{reference}"\n')

    built = shop("workflows", "build", "api", "--push", f"{address}/shop", "--json")
    # A folder in the project would be a part of the next image.
    output = ("--output", str(tmp_path / "other"))
    again = shop("workflows", "build", "api", "--base", reference, *output, "--json")
    (image,) = built.json["images"]

    assert json.loads((shop.root / "infra.lock").read_bytes())["images"] == {reference: digest}
    assert image["digest"] == again.json["images"][0]["digest"]
    assert image["diff_ids"] == again.json["images"][0]["diff_ids"]
    assert (image["tags"], image["variables"]) == (["0.3"], ["TOKEN"])
    assert image["pushed"] == f"{address}/shop/api@{image['digest']}"
    components = json.loads(Path(image["sbom"]).read_bytes())["components"]
    assert [component["purl"] for component in components] == ["pkg:pypi/colours@1.5"]

    with Registry(parse_reference(f"{address}/shop/api")) as registry:
        copy = Layout.create(tmp_path / "copy")
        pulled = registry.pull("0.3", copy)
        referrers = registry.referrers(image["digest"])
    assert pulled.digest == image["digest"]
    assert {referrer.artifact_type for referrer in referrers} == {
        "application/vnd.cyclonedx+json",
        "application/vnd.in-toto+json",
    }

    layers = copy.document(pulled)["layers"]
    _damage(server.data, min(layers, key=lambda layer: layer["size"])["digest"])
    with (
        Registry(parse_reference(f"{address}/shop/api")) as registry,
        pytest.raises(IntegrityError, match="have the digest"),
    ):
        registry.pull("0.3", Layout.create(tmp_path / "damaged"))

    missing = shop("runtime", "container", "api", "--base", reference)
    assert missing.code == 17
    assert "needs these variables, which are not set: TOKEN" in missing.err
    run = shop("runtime", "container", "api", "--base", reference, "--check", environ={"TOKEN": "t0ken"})
    assert (run.code, run.out.splitlines()[-1]) == (0, "stopped")
    assert "api is ready after" in run.err


def _damage(data: Path, digest: str) -> None:
    """Change a byte of a blob in the files of the registry."""
    name = digest.removeprefix("sha256:")
    (path,) = data.rglob(f"{name}/data")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.real("bwrap")
@pytest.mark.parametrize("image", ["", '[image]\nplatforms = ["linux/amd64", "linux/arm64"]\n'])
def test_a_container_uses_the_image_of_this_machine_in_an_index(
    shop: CommandLine, tmp_path: Path, image: str
) -> None:
    bare_base(tmp_path / "base", architectures=("amd64", "arm64"))
    shop.write(f"{STACK.format(port=free_port())}{image}")

    answer = shop("runtime", "container", "api", "--base", str(tmp_path / "base"))

    assert answer.code == 17
    assert [line.partition(" for ")[2] for line in answer.err.splitlines() if "base image" in line] == [
        f"linux/{MACHINE}, Python 3.11"
    ]
    assert "needs these variables, which are not set: TOKEN" in answer.err


@pytest.mark.process
def test_the_table_shows_digest_tags_and_layout(shop: CommandLine, tmp_path: Path) -> None:
    bare_base(tmp_path / "base")
    answer = shop("workflows", "build", "api", "--base", str(tmp_path / "base"), "--archive")

    assert answer.code == 0
    header, row, load = answer.out.splitlines()
    assert header.split() == ["IMAGE", "DIGEST", "TAGS", "LAYOUT"]
    assert row.split()[0::2] == ["api", "0.3"]
    assert load == f"Load api with `docker load --input {shop.root}/dist/images/api.tar`."
    assert "api needs these variables when it runs: TOKEN" in answer.err
    assert sorted(path.name for path in (shop.root / "dist" / "images").iterdir()) == [
        "api", "api.cdx.json", "api.provenance.json", "api.tar",
    ]  # fmt: skip


@pytest.mark.process
def test_a_stack_without_an_own_service_and_an_unknown_base_are_errors(shop: CommandLine) -> None:
    without = shop("workflows", "build", "--base", "missing.tar")
    wrong = shop("workflows", "build", "registry", "--base", "missing.tar")

    assert (without.code, wrong.code) == (17, 6)
    assert "the stack has no service for which an image can be built" in without.err
    assert "registry is not one of your own services" in wrong.err


@pytest.mark.process
def test_a_secret_in_plain_text_is_not_written_to_an_image(shop: CommandLine, tmp_path: Path) -> None:
    bare_base(tmp_path / "base")
    shop.write(
        f'{STACK.format(port=free_port())}[services.api.container]\nhealth = ["check", "--key=hunter2"]\n'
    )

    answer = shop("workflows", "build", "api", "--base", str(tmp_path / "base"))

    assert answer.code == 6
    assert "services.api.container.health contains a secret in plain text" in answer.err
    assert "would be written to the image" in answer.err
    assert "hunter2" not in answer.err + answer.out
