"""The credentials for a registry, from the configuration of Docker and podman and from credential helpers.

Sources: Docker CLI documentation, "Configuration files" and "Credential stores";
docker/docker-credential-helpers, the protocol of helpers; containers-auth.json(5).
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path

from pydantic import BaseModel, ValidationError

from infra_runtime.errors import ImageError
from infra_runtime.value import frozen

#: the key of Docker Hub in config.json, and the other names of Docker Hub
_DOCKER_HUB = "https://index.docker.io/v1/"
_HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")
#: a helper is `docker-credential-NAME` on PATH; another name could be a path
_HELPER = re.compile(r"[A-Za-z0-9._-]+")
#: the user name that a helper returns together with an identity token
_TOKEN = "<token>"  # noqa: S105 - not a password
#: the time limit of a helper in seconds; a helper can ask the user to unlock a key ring
_TIMEOUT = 60


@frozen
class Credentials:
    """A user with a password, or an identity token, for a registry."""

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


def find_credentials(registry: str) -> Credentials | None:
    """Return the credentials for a registry such as `127.0.0.1:5000`; None if no credentials exist.

    Raises `ImageError` if a configuration file is not valid or a credential helper fails.
    """
    names = (_DOCKER_HUB, *_HUB_NAMES) if registry in _HUB_NAMES else (registry, f"https://{registry}")
    hosts = {*map(_host, names)}
    for path in _files():
        document = _read(path)
        helpers = document.credHelpers or {}
        # Docker uses the first name for the credentials of Docker Hub, and podman writes the other names. An
        # empty helper name means that the store is not used for this registry.
        requests = [(key, helpers[key]) for key in names if key in helpers]
        requests = requests or [(names[0], document.credsStore or "")]
        for key, helper in requests:
            if helper and (credentials := _ask(helper, key, path)):
                return credentials
        for key, entry in (document.auths or {}).items():
            if entry and _host(key) in hosts and (credentials := _decoded(entry, path)):
                return credentials
    return None


def _host(key: str) -> str:
    """Return the name of the registry in a key such as `https://registry.example:5000/v2/`.

    The result is empty for a key of podman with a namespace, because such a key applies only to some
    repositories.
    """
    name, _, path = key.rpartition("://")[2].partition("/")
    return name if "://" in key or path.strip("/") in {"", "v1", "v2"} else ""


def _files() -> Iterator[Path]:
    """Yield the existing configuration files, in the order in which they are searched."""
    home = Path(os.environ.get("HOME") or "/")
    docker = Path(os.environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
    places = [os.environ.get("REGISTRY_AUTH_FILE"), docker]
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        places.append(Path(runtime) / "containers" / "auth.json")
    yield from (Path(candidate) for candidate in places if candidate and Path(candidate).is_file())


class _Entry(BaseModel):
    """The login of one registry: a token, or user and password, in Base64 or as plain text."""

    auth: str | None = None
    username: str | None = None
    password: str | None = None
    identitytoken: str | None = None


class _Configuration(BaseModel):
    """The keys of a configuration file that contain credentials or the names of helpers."""

    auths: Mapping[str, _Entry | None] | None = None
    credHelpers: Mapping[str, str | None] | None = None  # noqa: N815 - the name in the file
    credsStore: str | None = None  # noqa: N815 - the name in the file


def _read(path: Path) -> _Configuration:
    try:
        return _Configuration.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        # The message of pydantic would contain the value, which can be a password.
        key = ".".join(map(str, error.errors()[0]["loc"])) or "the document"
        raise ImageError(
            str(path), f"the file with credentials contains a value of the wrong type: {key}"
        ) from None
    except (OSError, ValueError) as error:
        raise ImageError(str(path), f"the file with credentials cannot be read: {error}") from None


def _decoded(entry: _Entry, path: Path) -> Credentials | None:
    if entry.identitytoken:
        return Credentials(token=entry.identitytoken)
    if not entry.auth:
        return Credentials(user=entry.username, password=entry.password or "") if entry.username else None
    try:
        user, _, password = base64.b64decode(entry.auth, validate=True).decode().partition(":")
    except ValueError:
        raise ImageError(
            str(path), "a value of `auth` is not valid base64; run `docker login` again"
        ) from None
    return Credentials(user=user, password=password) if user else None


def _ask(helper: str, key: str, path: Path) -> Credentials | None:
    """Return the credentials of the registry `key` from a helper; None if the helper has no credentials."""
    if not _HELPER.fullmatch(helper):
        raise ImageError(str(path), f"{helper!r} is not the name of a credential helper")
    program = f"docker-credential-{helper}"
    try:
        process = subprocess.run(
            [program, "get"], input=key, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except FileNotFoundError:
        hint = f"Install the credential helper, or remove it from {path}."
        raise ImageError(program, "the credential helper is not on PATH", hint) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImageError(program, f"the credential helper failed: {error}") from None
    if process.returncode:
        # Source: docker-credential-helpers, `credentials/error.go`.
        if "credentials not found" in process.stdout:
            return None
        raise ImageError(
            program, f"the credential helper failed: {(process.stdout + process.stderr).strip()[:200]}"
        )
    try:
        answer = json.loads(process.stdout)
        user, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError):
        raise ImageError(program, "the answer of the credential helper is not valid") from None
    return Credentials(token=secret) if user == _TOKEN else Credentials(user=user, password=secret)
