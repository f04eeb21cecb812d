"""Packages of npm are downloaded by npm, here from a registry on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.artefacts import Files, save, serving, tar
from infra_runtime.binaries import installation
from infra_runtime.binaries.installation import install
from infra_runtime.binaries.lockfile import Artefact, Locked
from infra_runtime.binaries.platforms import current
from infra_runtime.binaries.recipe import Npm, Recipe
from infra_runtime.binaries.sources import npm
from infra_runtime.binaries.store import Store
from infra_runtime.errors import InstallError, IntegrityError

pytestmark = pytest.mark.real("npm")
RECIPE = Recipe(
    name="greet",
    programs={"greet": "package/bin/greet.js"},
    sources=(Npm(package="@acme/greet"),),
    licence="MIT",
    is_users=True,
)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    """A registry with the versions 1.0.0 and 1.1.0 of a package. Source: npm, "Package metadata"."""
    with serving() as files:
        publish(files, "1.0.0", "1.1.0")
        monkeypatch.setenv("npm_config_registry", files.address)
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
        monkeypatch.setenv("npm_config_fetch_retries", "0")
        yield files


def publish(files: Files, *versions: str, text: str = "hello") -> None:
    """Add versions of the package to a registry; the last version is the newest."""
    documents = {}
    for version in versions:
        metadata = {"name": "@acme/greet", "version": version, "license": "MIT"}
        content = tar(
            {
                "package/package.json": json.dumps(metadata).encode(),
                "package/bin/greet.js": f'#!/usr/bin/env node\nconsole.log("{text} {version}")\n'.encode(),
                "package/LICENSE": b"the text of the licence\n",
            }
        )
        digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
        distribution = {
            "tarball": files.add(f"@acme/greet/-/greet-{version}.tgz", content),
            "integrity": f"sha512-{digest}",
        }
        documents[version] = {**metadata, "dist": distribution}
    package = {"name": "@acme/greet", "dist-tags": {"latest": versions[-1]}, "versions": documents}
    files.add("@acme%2fgreet", json.dumps(package).encode())


def locked(registry: Files, version: str) -> Locked:
    """Return the lock entry of a version in the registry."""
    content = registry.contents[f"@acme/greet/-/greet-{version}.tgz"]
    artefact = Artefact(
        registry=npm.NAME,
        name="@acme/greet",
        version=version,
        path=f"acme-greet-{version}.tgz",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        licence="MIT",
    )
    return Locked.single(RECIPE, current(), npm.NAME, artefact)


def test_the_newest_version_is_locked_and_installed(registry: Files, tmp_path: Path) -> None:
    entry = installation.lock(RECIPE, current())
    (installed,) = install([(RECIPE, entry)], Store(tmp_path / "binaries"))

    assert entry == locked(registry, "1.1.0")
    assert subprocess.check_output([installed.program("greet")], text=True) == "hello 1.1.0\n"
    assert [path.name for path in (installed.folder / "licences").iterdir()] == ["package-LICENSE"]


def test_a_package_that_was_replaced_is_refused(registry: Files, tmp_path: Path) -> None:
    entry = locked(registry, "1.0.0")
    publish(registry, "1.0.0", "1.1.0", text="good day")

    with pytest.raises(IntegrityError, match=r"SHA-256|bytes"):
        install([(RECIPE, entry)], Store(tmp_path / "binaries"))


def test_the_version_is_that_of_the_recipe_and_registry_and_token_are_those_of_npmrc(
    registry: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = registry.address.removeprefix("http:")
    text = f"registry=http://127.0.0.1:9/\n@acme:registry={registry.address}/\n{host}/:_authToken=secret-1\n"
    save(tmp_path, ".npmrc", text.encode())
    monkeypatch.delenv("npm_config_registry")
    monkeypatch.setenv("npm_config_userconfig", str(tmp_path / ".npmrc"))
    registry.logins = dict.fromkeys(registry.contents, "Bearer secret-1")

    recipe = replace(RECIPE, sources=(Npm(package="@acme/greet", version="1.0.0"),))

    assert installation.lock(recipe, current()).version == "1.0.0"
    registry.logins = dict.fromkeys(registry.contents, "Bearer other")
    with pytest.raises(InstallError, match="npm failed") as caught:
        installation.lock(RECIPE, current())
    assert "secret-1" not in str(caught.value)


@pytest.mark.parametrize(
    "licence", [{"license": {"type": "AGPL-3.0"}}, {"licenses": [{"type": "MIT"}, {"type": "AGPL-3.0"}]}]
)
def test_the_licence_of_an_old_package_is_found(licence: dict[str, object], tmp_path: Path) -> None:
    text = json.dumps({"name": "greet", "version": "1", **licence})
    package = save(tmp_path, "greet.tgz", tar({"package/package.json": text.encode()}))

    assert RECIPE.refused_licence(npm._metadata(package)[2]) == ""
    assert replace(RECIPE, is_users=False).refused_licence(npm._metadata(package)[2]) == "AGPL-3.0"


@pytest.mark.parametrize(
    "content",
    [b"this is a page", tar({"package/package.json": b"["}), tar({"package/package.json": b"[]"}), tar({})],
)
def test_a_file_that_is_not_a_package_is_an_error(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"cannot be read|contains no package\.json"):
        npm._metadata(save(tmp_path, "greet.tgz", content))


def test_a_missing_npm_and_a_missing_node_are_errors(
    registry: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = locked(registry, "1.1.0")
    store = Store(tmp_path / "binaries")
    store.prepare()
    content = registry.contents["@acme/greet/-/greet-1.1.0.tgz"]
    save(store.downloads / entry.recipe, entry.artefacts[0].file_name, content)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(InstallError, match=r"needs Node\.js"):
        install([(RECIPE, entry)], store)
    with pytest.raises(InstallError, match="npm is missing"):
        installation.lock(RECIPE, current())
