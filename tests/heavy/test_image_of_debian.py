"""An image on a base of Debian, read by skopeo and run: `apt-get install mmdebstrap skopeo`, as root.

The base takes some minutes, and is stored in the user's cache.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.command_line import CommandLine
from fakes.suite import free_port
from infra_runtime.data_directory.paths import user_cache
from infra_runtime.engines.local.engine import attach
from infra_runtime.errors import IntegrityError
from infra_runtime.images.base_image import open_base
from infra_runtime.images.layout import Layout
from infra_runtime.images.reference import parse_reference
from infra_runtime.images.registry import Registry

pytestmark = pytest.mark.skipif(
    not (shutil.which("mmdebstrap") and shutil.which("skopeo") and os.geteuid() == 0),
    reason="mmdebstrap or skopeo is missing, or the user is not root",
)

EPOCH = "1750000000"
STACK = """\
[services.web]
command = ["${{bin.python}}", "-m", "http.server", "--bind", "${{host}}", "${{port.http}}"]
ports = {{ http = {port} }}
ready = {{ http = "/infra.toml" }}
"""


@pytest.fixture(scope="module")
def base() -> Path:
    """Return the tar file of a small Debian with Python."""
    path = Path(user_cache()) / f"test-debian-bookworm-{EPOCH}.tar"
    if not path.exists():
        new = path.with_suffix(".new.tar")
        new.parent.mkdir(parents=True, exist_ok=True)
        left_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale")]
        command = ["mmdebstrap", "--mode=root", "--variant=minbase", "--include=python3", *left_out]
        environ = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
        subprocess.run([*command, "bookworm", str(new)], env=environ, check=True, timeout=1800)
        new.rename(path)
    return path


@pytest.fixture
def web(tmp_path: Path) -> Iterator[CommandLine]:
    line = CommandLine(tmp_path / "project", SOURCE_DATE_EPOCH=EPOCH)
    line.write(STACK.format(port=free_port()))
    yield line
    line.end()


def skopeo(*words: str) -> subprocess.CompletedProcess[str]:
    command = ["skopeo", "--insecure-policy", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.process
def test_an_image_on_debian_is_reproducible_read_by_skopeo_and_run(
    web: CommandLine, base: Path, tmp_path: Path
) -> None:
    build = ("workflows", "build", "web", "--base", str(base), "--archive", "--json")
    (image,) = web(*build).json["images"]
    (again,) = web(*build, "--output", "other").json["images"]
    components = json.loads(Path(image["sbom"]).read_bytes())["components"]

    assert image["digest"] == again["digest"]
    assert any(component["purl"].startswith("pkg:deb/debian/python3-minimal@") for component in components)

    layout = f"oci:{image['layout']}:{image['tags'][0]}"
    assert json.loads(skopeo("inspect", layout).stdout)["Digest"] == image["digest"]
    loaded = skopeo("copy", f"docker-archive:{image['archives'][0]}", f"dir:{tmp_path}/loaded")
    assert loaded.returncode == 0, loaded.stderr

    run = web("runtime", "container", "web", "--base", str(base), "--check")
    assert run.code == 0, run.err
    assert "web is ready after" in run.err

    layer = max((Path(image["layout"]) / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    half = layer.read_bytes()[: layer.stat().st_size // 2]
    layer.unlink()  # a hard link to the blob of the base
    layer.write_bytes(half)
    assert skopeo("copy", layout, f"dir:{tmp_path}/half").returncode != 0


@pytest.mark.real("registry")
def test_an_image_on_debian_in_a_registry_is_pushed_pulled_refused_when_damaged_and_run(
    web: CommandLine, base: Path, tmp_path: Path
) -> None:
    web.write(f'use = ["registry"]\n{(web.root / "infra.toml").read_text()}')
    assert web("runtime", "up", "--detach").code == 0
    with attach(web.data, lease=False) as stack:
        server = stack.registry
    address, source = (
        server.address,
        open_base(str(base), tmp_path, tmp_path / "base", lock=tmp_path / "lock"),
    )
    with Registry(parse_reference(f"{address}/base/debian")) as registry:
        registry.push(source.layout, source.image, ["12"])
    reference = f"{address}/base/debian:12"

    build = web("workflows", "build", "web", "--base", reference, "--push", f"{address}/shop", "--json")
    (image,) = build.json["images"]
    remote = f"docker://{address}/shop/web:{image['tags'][0]}"
    inspected = skopeo("inspect", "--tls-verify=false", remote)
    pulled = skopeo("copy", "--src-tls-verify=false", remote, f"oci:{tmp_path}/pulled:1")
    runs = {
        name: web("runtime", "container", "web", "--base", reference, "--runner", name, "--check")
        for name in ("bubblewrap", "runc")
        if shutil.which({"bubblewrap": "bwrap"}.get(name, name))
    }
    layer = Layout.open(tmp_path / "pulled").document(Layout.open(tmp_path / "pulled").find())["layers"][-1]
    (blob,) = server.data.rglob(f"{layer['digest'].removeprefix('sha256:')}/data")
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)
    damaged = skopeo("copy", "--src-tls-verify=false", remote, f"oci:{tmp_path}/damaged:1")

    assert json.loads(inspected.stdout)["Digest"] == image["digest"], inspected.stderr
    assert pulled.returncode == 0, pulled.stderr
    assert runs
    for name, run in runs.items():
        assert run.code == 0, run.err
        assert f"with {name}" in run.err
    assert damaged.returncode != 0
    with (
        Registry(parse_reference(f"{address}/shop/web")) as registry,
        pytest.raises(IntegrityError, match="have the digest"),
    ):
        registry.pull(image["tags"][0], Layout.create(tmp_path / "refused"))
