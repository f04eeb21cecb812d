"""Images that are not on this machine: the error, the download, and the digest in the lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.container_engine import ContainerEngine
from fakes.project import Project
from infra_runtime.binaries import lockfile
from infra_runtime.config import missing_images
from infra_runtime.config.resolve import Resolved
from infra_runtime.errors import ImageMissingError, InstallError

pytestmark = pytest.mark.process

IMAGE, REPOSITORY = "ghcr.io/acme/search:1.2", "ghcr.io/acme/search"
OLD, NEW, HERE = (f"sha256:{letter * 64}" for letter in "abc")


@pytest.fixture
def engine(tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> ContainerEngine:
    engine = ContainerEngine(tmp_path / "engine")
    monkeypatch.setenv("INFRA_CONTAINER_ENGINE", str(engine.path))
    return engine


@pytest.fixture
def resolved(project: Project, engine: ContainerEngine):
    """Return a function that resolves a stack whose only service has the image, with a digest in the lock."""

    def resolve(digest: str = "") -> Resolved:
        project.write(f"use = ['search']\n[services.search]\nimage = '{IMAGE}'\n")
        if digest:
            lock = lockfile.Lock(entries={}, images={IMAGE: digest})
            lockfile.write(project.root / lockfile.NAME, lock)
        return project.resolve(executables=True)

    return resolve


def test_an_image_on_this_machine_is_not_missing(engine: ContainerEngine, resolved) -> None:
    engine.add_image(IMAGE, OLD)

    assert missing_images.missing(resolved()) == []
    assert missing_images.missing(resolved(OLD)) == []


def test_a_missing_image_is_an_error(resolved) -> None:
    with pytest.raises(ImageMissingError) as caught:
        missing_images.check(resolved())

    assert str(caught.value) == f"search: the image {IMAGE} is not on this machine"


def test_another_digest_than_in_the_lock_is_an_error_with_both_digests(
    engine: ContainerEngine, resolved
) -> None:
    engine.add_image(IMAGE, NEW)

    with pytest.raises(ImageMissingError) as caught:
        missing_images.check(resolved(OLD))

    assert str(caught.value) == (
        f"search: the image {IMAGE} has the digest {OLD} in infra.lock, but {NEW} on this machine"
    )


def test_a_downloaded_image_is_locked_with_the_digest_of_all_platforms(
    engine: ContainerEngine, resolved, project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    engine.publish(IMAGE, HERE, NEW, digest=HERE)
    plan, lines = resolved(), []

    missing_images.pull(missing_images.missing(plan), plan, report=lines.append)

    path = project.root / lockfile.NAME
    assert lockfile.read(path).images == {IMAGE: NEW}
    assert lines == [f"{path}: {IMAGE} has the digest {NEW}"]
    assert project.resolve().plan.services[0].image == f"{REPOSITORY}@{NEW}"
    assert missing_images.missing(project.resolve(executables=True)) == []
    assert f"Trying to pull {IMAGE}..." in capfd.readouterr().err


def test_a_locked_image_is_downloaded_by_its_digest(
    engine: ContainerEngine, resolved, project: Project
) -> None:
    engine.publish(IMAGE, OLD)
    engine.publish(IMAGE, NEW)
    plan = resolved(OLD)

    missing_images.pull(missing_images.missing(plan), plan, report=print)

    assert engine.calls("pull") == [["pull", f"{REPOSITORY}@{OLD}"]]
    assert lockfile.read(project.root / lockfile.NAME).images == {IMAGE: OLD}
    assert missing_images.missing(plan) == []


def test_a_failed_download_is_an_error_and_changes_no_lock(resolved, project: Project) -> None:
    plan = resolved()

    with pytest.raises(InstallError, match=rf"pull {IMAGE}` exited with status 125"):
        missing_images.pull(missing_images.missing(plan), plan, report=print)

    assert not (project.root / lockfile.NAME).exists()


def test_an_engine_that_does_not_work_is_not_a_missing_image(engine: ContainerEngine, resolved) -> None:
    plan = resolved()
    engine.path.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")

    with pytest.raises(InstallError, match="Cannot connect to the Docker daemon"):
        missing_images.check(plan)


def test_an_image_that_docker_has_built_has_no_digest() -> None:
    assert missing_images.digests({"RepoDigests": []}) == []
    assert missing_images.digests({"Id": OLD}) == []
