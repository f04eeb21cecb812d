"""Credentials: the configuration files of Docker and podman, and their helpers."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from infra_runtime.errors import ImageError
from infra_runtime.images.credentials import Credentials, find_credentials

REGISTRY = "registry.example.com:5000"
AUTH = base64.b64encode(b"me:pass:word").decode()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home folder without other configuration of registries."""
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def configure(home: Path, document: dict[str, Any], name: str = ".docker/config.json") -> Path:
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def helper(home: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = home / "bin" / "docker-credential-box"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def test_without_configuration_no_credentials_are_found(home: Path) -> None:
    assert find_credentials(REGISTRY) is None


@pytest.mark.parametrize(
    "key", [REGISTRY, f"https://{REGISTRY}", f"http://{REGISTRY}", f"https://{REGISTRY}/v2/", f"{REGISTRY}/"]
)
def test_the_password_of_docker_login_is_used(home: Path, key: str) -> None:
    configure(home, {"auths": {key: {"auth": AUTH}}})

    assert find_credentials(REGISTRY) == Credentials(user="me", password="pass:word")
    assert find_credentials("other.example.com") is None
    assert "pass" not in repr(find_credentials(REGISTRY))


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io/v1/"])
def test_docker_hub_has_special_names(home: Path, key: str) -> None:
    configure(home, {"auths": {key: {"auth": AUTH}, "other.example.com": {"auth": "x"}}})

    assert find_credentials("docker.io") == Credentials(user="me", password="pass:word")


def test_a_file_without_a_password_does_not_hide_the_next_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(home, {"auths": {REGISTRY: {}}})
    configure(home, {"auths": {REGISTRY: {"auth": AUTH}}}, "run/containers/auth.json")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))

    assert find_credentials(REGISTRY) == Credentials(user="me", password="pass:word")


def test_the_file_of_podman_is_read_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(home, {"auths": {REGISTRY: {"auth": AUTH}}})
    path = configure(home, {"auths": {REGISTRY: {"identitytoken": "t"}}}, "auth.json")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(path))

    assert find_credentials(REGISTRY) == Credentials(token="t")


def test_a_user_and_a_password_in_plain_text_are_used(home: Path) -> None:
    """Source: docker/cli, `config/types/authconfig.go`."""
    configure(home, {"auths": {REGISTRY: {"username": "me", "password": "pass:word"}}})

    assert find_credentials(REGISTRY) == Credentials(user="me", password="pass:word")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"auths": ["p4ssword"]}',
        '{"auths": {"registry.example.com:5000": "p4ssword"}}',
        '{"auths": {"registry.example.com:5000": {"auth": ["p4ssword"]}}}',
        '{"auths": {"registry.example.com:5000": {"auth": "%"}}}',
        '{"credHelpers": "box"}',
        '{"credsStore": {}}',
    ],
)
def test_a_damaged_file_is_an_error_without_its_values(home: Path, text: str) -> None:
    configure(home, {}).write_text(text)

    with pytest.raises(ImageError, match=r"\.docker/config\.json: ") as error:
        find_credentials(REGISTRY)
    assert "p4ssword" not in str(error.value)


def test_an_empty_helper_replaces_the_store_for_its_registry(home: Path) -> None:
    """Source: docker/cli, `configfile.getConfiguredCredentialStore`."""
    document = {"credsStore": "missing", "credHelpers": {REGISTRY: ""}, "auths": {REGISTRY: {"auth": AUTH}}}
    configure(home, document)

    assert find_credentials(REGISTRY) == Credentials(user="me", password="pass:word")


def test_the_name_of_a_helper_cannot_be_a_path(home: Path) -> None:
    configure(home, {"credsStore": "../../evil; rm"})

    with pytest.raises(ImageError, match="is not the name of a credential helper"):
        find_credentials(REGISTRY)


@pytest.mark.process
@pytest.mark.parametrize("document", [{"credsStore": "box"}, {"credHelpers": {REGISTRY: "box"}}])
def test_a_credential_helper_returns_the_credentials(
    home: Path, monkeypatch: pytest.MonkeyPatch, document: dict[str, Any]
) -> None:
    configure(home, document)
    helper(
        home,
        monkeypatch,
        f"""test "$1 $(cat)" = "get {REGISTRY}" && echo '{{"Username":"u","Secret":"s"}}'""",
    )
    assert find_credentials(REGISTRY) == Credentials(user="u", password="s")

    helper(home, monkeypatch, """cat >/dev/null; echo '{"Username":"<token>","Secret":"s"}'""")
    assert find_credentials(REGISTRY) == Credentials(token="s")


@pytest.mark.process
def test_a_failed_credential_helper_is_an_error_and_missing_credentials_are_not(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(home, {"credsStore": "box"})
    with pytest.raises(ImageError, match="docker-credential-box: the credential helper is not on PATH"):
        find_credentials(REGISTRY)

    helper(home, monkeypatch, "echo 'credentials not found in native keychain'; exit 1")
    assert find_credentials(REGISTRY) is None
    helper(home, monkeypatch, "echo locked >&2; exit 1")
    with pytest.raises(ImageError, match="the credential helper failed: locked"):
        find_credentials(REGISTRY)
    helper(home, monkeypatch, "echo nothing")
    with pytest.raises(ImageError, match="is not valid"):
        find_credentials(REGISTRY)


def test_the_login_of_a_namespace_is_not_that_of_the_registry(home: Path) -> None:
    configure(home, {"auths": {f"{REGISTRY}/team": {"auth": AUTH}}})

    assert find_credentials(REGISTRY) is None


def test_null_is_an_empty_value(home: Path) -> None:
    """Source: Go, package `encoding/json`, "Unmarshal": null has no effect on a string."""
    login = {"auth": AUTH, "username": None, "password": None, "identitytoken": None}
    configure(home, {"credsStore": None, "credHelpers": {REGISTRY: None}, "auths": {REGISTRY: login}})

    assert find_credentials(REGISTRY) == Credentials(user="me", password="pass:word")
