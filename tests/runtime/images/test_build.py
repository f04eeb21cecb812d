"""Building: layers, configuration, SBOM and provenance of an image, without installing packages."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.base_image import bare_base
from infra_runtime.errors import ImageError
from infra_runtime.host import file_lock
from infra_runtime.images import documents
from infra_runtime.images.base_image import Source
from infra_runtime.images.build import Built, Request, build
from infra_runtime.images.documents import Descriptor, Platform
from infra_runtime.images.layout import Layout
from infra_runtime.images.project import Project
from infra_runtime.services.user_service import UserServiceSettings, user_service
from infra_runtime.spec import ServiceSpec


def service(name: str, **keys: Any) -> ServiceSpec:
    return replace(user_service(UserServiceSettings(**keys)), name=name)


API = service(
    "api",
    command=["${bin.python}", "-m", "shop", "${port.http}"],
    ports={"http": 8000},
    ready={"http": "/"},
    env={"TOKEN": "${env.TOKEN}", "FILES": "${data}"},
)
TASK = service("migrate", command=["${bin.python}", "-m", "shop.migrate"], task=True)


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    """Return the request for an image of a small project on a base for two platforms."""
    root = tmp_path / "project"
    (root / "shop").mkdir(parents=True)
    (root / "shop" / "__main__.py").write_text("print()\n")
    base = bare_base(tmp_path / "base", architectures=("amd64", "arm64"))
    return Request(
        project=Project(
            root=root, name="Shop", version="1.2", branch="main", revision="ab12", epoch=1_750_000_000
        ),
        services=[API],
        base=Source(layout=base, image=base.find(), name="registry.example.com/base:1", is_local=False),
        platforms=[Platform(architecture="amd64")],
    )


def config(layout: Layout, manifest: Descriptor) -> Mapping[str, Any]:
    return layout.document(Descriptor.from_json(layout.document(manifest)["config"], ""))


def blobs(built: Built) -> set[str]:
    return {path.name for path in (built.layout.folder / "blobs" / "sha256").iterdir()}


def test_the_configuration_has_user_command_variables_and_health_check(
    request_: Request, tmp_path: Path
) -> None:
    (built,) = build(request_, tmp_path / "out")
    document = config(built.layout, built.layout.find("1.2"))
    settings = document["config"]

    assert settings["User"] == "65532:65532"
    assert settings["Entrypoint"] == ["/usr/bin/python3.11", "-m", "shop", "8000"]
    assert settings["WorkingDir"] == "/app"
    assert settings["ExposedPorts"] == {"8000/tcp": {}}
    assert settings["Volumes"] == {"/data": {}}
    assert settings["Healthcheck"]["Test"][:3] == ["CMD", "/usr/bin/python3.11", "-c"]
    assert {"FILES=/data", "PYTHONPATH=/app:/opt/dependencies"} <= {*settings["Env"]}
    assert not [text for text in settings["Env"] if text.startswith("TOKEN")]
    assert settings["Labels"] == {
        "io.github.pytest-infra.services": "api",
        "io.github.pytest-infra.variables": "TOKEN",
        "org.opencontainers.image.base.digest": document["config"]["Labels"][
            "org.opencontainers.image.base.digest"
        ],
        "org.opencontainers.image.base.name": "registry.example.com/base:1",
        "org.opencontainers.image.created": "2025-06-15T15:06:40Z",
        "org.opencontainers.image.revision": "ab12",
        "org.opencontainers.image.title": "api",
        "org.opencontainers.image.version": "1.2",
    }
    assert len(document["rootfs"]["diff_ids"]) == 3
    assert built.tags == ["1.2", "main", "ab12"]
    assert {built.layout.find(tag).digest for tag in built.tags} == {built.image.digest}


def test_dependencies_without_a_lock_file_are_an_error(request_: Request, tmp_path: Path) -> None:
    root = request_.project.root
    (root / "pyproject.toml").write_text('[project]\nname = "shop"\ndependencies = ["httpx"]\n')

    with pytest.raises(ImageError, match="the project has dependencies and no lock file"):
        build(request_, tmp_path / "images")
    (root / "requirements.txt").touch()
    assert build(request_, tmp_path / "images")


def test_a_second_build_in_another_folder_has_the_same_digest(request_: Request, tmp_path: Path) -> None:
    (one,) = build(request_, tmp_path / "out")
    (again,) = build(request_, tmp_path / "out")
    (other,) = build(request_, tmp_path / "other")

    assert one.image == again.image == other.image
    assert one.diff_ids == other.diff_ids
    assert one.sbom.read_bytes() == other.sbom.read_bytes()
    assert one.provenance.read_bytes() == other.provenance.read_bytes()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "api", "api.cdx.json", "api.provenance.json",
    ]  # fmt: skip


def test_two_builds_at_once_leave_a_complete_image(request_: Request, tmp_path: Path) -> None:
    requests = []
    for number in range(3):
        root = tmp_path / f"project-{number}"
        root.mkdir()
        (root / "shop.py").write_text(f"print({number})\n")
        requests.append(replace(request_, project=replace(request_.project, root=root)))

    with ThreadPoolExecutor(max_workers=3) as pool:
        for future in [pool.submit(build, request, tmp_path / "out") for request in requests * 3]:
            future.result()

    layout = Layout.open(tmp_path / "out" / "api")
    digests = {blob.digest for blob in layout.closure(layout.find("1.2")) if layout.read(blob)}
    provenance = json.loads((tmp_path / "out" / "api.provenance.json").read_bytes())
    assert len(digests) == len(layout.document(layout.find("1.2"))["layers"]) + 2
    assert f"sha256:{provenance['subject'][0]['digest']['sha256']}" == layout.find("1.2").digest


def test_the_folder_of_a_killed_build_is_removed_by_the_next_one(request_: Request, tmp_path: Path) -> None:
    (tmp_path / "out" / ".new-killed" / "layout").mkdir(parents=True)
    (tmp_path / "out" / ".new-link").symlink_to(tmp_path)  # not of a build

    build(request_, tmp_path / "out")

    assert not (tmp_path / "out" / ".new-killed").exists()
    assert (tmp_path / "out" / ".new-link").is_symlink()


def test_a_build_reports_that_it_waits_for_another_build(request_: Request, tmp_path: Path) -> None:
    folder, lines = tmp_path / "out", list[str]()
    folder.mkdir()

    with ExitStack() as other:
        other.enter_context(file_lock.folder(folder))

        def report(line: str) -> None:
            lines.append(line)
            other.close()

        build(request_, folder, report=report)

    assert lines[0] == f"waiting for another build, which writes images to {folder}"


def test_a_build_without_a_lock_keeps_the_folder_of_another_build(
    request_: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_lock, "folder", lambda *_: nullcontext(enter_result=False))
    other = tmp_path / "out" / ".new-other" / "layout"
    other.mkdir(parents=True)

    build(request_, tmp_path / "out")

    assert other.exists()


def test_an_image_for_two_platforms_has_an_index(request_: Request, tmp_path: Path) -> None:
    both = [Platform(architecture=name) for name in ("amd64", "arm64")]
    (built,) = build(replace(request_, platforms=both, archive=True), tmp_path / "out")
    inner = documents.descriptors(built.layout.document(built.image), "manifests", "")

    assert built.image.media_type == documents.INDEX
    assert [str(layer.platform) for layer in inner] == ["linux/amd64", "linux/arm64"]
    assert [config(built.layout, layer)["architecture"] for layer in inner] == ["amd64", "arm64"]
    assert built.diff_ids["linux/amd64"][1] == built.diff_ids["linux/arm64"][1]
    assert [path.name for path in built.archives] == ["api-amd64.tar", "api-arm64.tar"]


def test_a_combined_image_has_the_launcher_and_all_roles(request_: Request, tmp_path: Path) -> None:
    (built,) = build(replace(request_, services=[API, TASK], combined="shop"), tmp_path / "out")
    manifest = built.layout.find("1.2")
    settings = config(built.layout, manifest)["config"]
    layer = documents.descriptors(built.layout.document(manifest), "layers", "")[-1]
    with tarfile.open(built.layout.path(layer.digest)) as archive:
        file = archive.extractfile("opt/infra/roles.json")
        assert file is not None
        roles = json.load(file)
        owner = archive.getmember("data").uid

    assert settings["Entrypoint"] == ["/usr/bin/python3.11", "/opt/infra/launcher.py"]
    assert settings["Cmd"] == ["all"]
    assert settings["Healthcheck"]["Test"][-1] == "--health"
    assert roles["migrate"]["command"] == ["/usr/bin/python3.11", "-m", "shop.migrate"]
    assert [role["task"] for role in roles.values()] == [False, True]
    assert owner == 65532


def test_changed_code_changes_only_the_last_layer(request_: Request, tmp_path: Path) -> None:
    (before,) = build(request_, tmp_path / "out")
    old = blobs(before)
    (request_.project.root / "shop" / "new.py").touch()
    (after,) = build(request_, tmp_path / "out")

    assert before.diff_ids["linux/amd64"][0] == after.diff_ids["linux/amd64"][0]
    assert before.diff_ids["linux/amd64"][1] != after.diff_ids["linux/amd64"][1]
    assert len(blobs(after)) == len(old) == 5


def test_a_full_disk_leaves_the_last_image(
    request_: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (before,) = build(request_, tmp_path / "out")
    names = blobs(before)
    (request_.project.root / "shop" / "new.py").touch()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "out"))

    monkeypatch.setattr("infra_runtime.images.documents.manifest", full)
    with pytest.raises(ImageError, match="No space left on device") as error:
        build(request_, tmp_path / "out")

    assert "Each image is complete" in error.value.hint
    assert names <= blobs(before)
    assert before.layout.find("1.2").digest == before.image.digest
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".new")] == []


def test_the_sbom_lists_the_packages_of_the_base(request_: Request, tmp_path: Path) -> None:
    (built,) = build(request_, tmp_path / "out")
    document = json.loads(built.sbom.read_bytes())

    assert document["metadata"]["component"]["hashes"][0]["content"] == built.image.digest.removeprefix(
        "sha256:"
    )
    assert [component["purl"] for component in document["components"]] == [
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=debian-bookworm"
    ]


def test_the_provenance_names_base_commit_and_image(request_: Request, tmp_path: Path) -> None:
    (built,) = build(request_, tmp_path / "out")
    document = json.loads(built.provenance.read_bytes())
    sources = document["predicate"]["buildDefinition"]["resolvedDependencies"]

    assert document["subject"] == [
        {"name": "api", "digest": {"sha256": built.image.digest.removeprefix("sha256:")}}
    ]
    assert sources[0] == {
        "uri": "image:registry.example.com/base:1",
        "digest": {"sha256": request_.base.image.digest.removeprefix("sha256:")},
    }
    assert sources[-1]["digest"] == {"gitCommit": "ab12"}
