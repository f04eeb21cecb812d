"""The programs that run an image; `tests/cli` and `tests/heavy` run images with them."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from infra_runtime.errors import BinaryMissingError, ImageError
from infra_runtime.images.container import Container
from infra_runtime.images.runners import choose, podman_options, runtime_config, sandbox_options


def container(folder: Path, **settings: Any) -> Container:
    """Return a container with a folder for data, and a variable that is a secret."""
    return Container(
        name="api",
        folder=folder,
        settings={
            "User": "65532:65532", "Env": ["A=1", "B=2"], "WorkingDir": "/app", "Volumes": {"/data": {}},
            **settings,
        },
        variables={"B": "s3cret"},
    )  # fmt: skip


def test_bubblewrap_has_a_read_only_root_and_another_user_and_no_capabilities(tmp_path: Path) -> None:
    options = sandbox_options(container(tmp_path))

    text = " ".join(options)
    assert f"--ro-bind {tmp_path}/root /" in text
    assert f"--bind {tmp_path}/temporary /tmp --bind {tmp_path}/data /data" in text
    assert "--uid 65532 --gid 65532 --cap-drop ALL" in text
    assert "--chdir /app --clearenv --setenv A 1 --setenv B s3cret" in text
    assert {"--unshare-pid", "--unshare-user", "--die-with-parent"} < {*options}


def test_runc_has_a_read_only_root_and_another_user_and_no_capabilities(tmp_path: Path) -> None:
    config = runtime_config(container(tmp_path), ["serve", "a b"])

    process = config["process"]
    assert (process["args"], process["cwd"]) == (["serve", "a b"], "/app")
    assert (process["user"], process["capabilities"]) == ({"uid": 65532, "gid": 65532}, {})
    assert process["env"] == ["A=1", "B=s3cret"]
    assert process["noNewPrivileges"]
    assert config["root"] == {"path": f"{tmp_path}/root", "readonly": True}
    assert {"/tmp", "/data", "/proc"} < {mount["destination"] for mount in config["mounts"]}
    assert {"type": "network"} not in config["linux"]["namespaces"]


def test_podman_has_no_secret_in_its_command_line(tmp_path: Path) -> None:
    options = podman_options(container(tmp_path), "infra-1", root=True)
    ordinary = podman_options(container(tmp_path), "infra-1", root=False)

    assert {"--read-only", "--cap-drop=all", "--user=65532:65532", "--env=A=1", "--env=B"} < {*options}
    assert f"--mount=type=bind,source={tmp_path}/data,target=/data" in options
    assert options[-2:] == ["--rootfs", f"{tmp_path}/root"]
    assert "s3cret" not in " ".join(options)
    assert set(ordinary) - set(options) == {"--userns=keep-id:uid=65532,gid=65532"}


@pytest.mark.parametrize("render", [sandbox_options, lambda made: runtime_config(made, ["true"])])
def test_a_user_with_a_name_is_an_error(render: Any, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="the user 'app' of the image should be UID or UID:GID"):
        render(container(tmp_path, User="app"))


# --- the choice --------------------------------------------------------------------------------------


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes exactly these programs available; `bwrap` exits with a code."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("INFRA_BINARIES", str(tmp_path / "store"))

    def make(*names: str, code: int = 0) -> None:
        for name in names:
            path = tmp_path / name
            path.write_text(f"#!/bin/sh\nexit {code}\n")
            path.chmod(stat.S_IRWXU)

    return make


@pytest.mark.process
@pytest.mark.parametrize(
    ("names", "code", "user", "chosen"),
    [
        (("bwrap", "runc", "podman"), 0, 1000, "bubblewrap"),
        (("bwrap", "runc", "podman"), 1, 0, "runc"),  # no user namespaces
        (("bwrap", "runc", "podman"), 1, 1000, "podman"),
        (("runc", "podman"), 0, 0, "runc"),
        (("podman",), 0, 0, "podman"),
    ],
)
def test_the_first_program_that_the_machine_allows_is_chosen(
    programs: Any, monkeypatch: pytest.MonkeyPatch, names: Sequence[str], code: int, user: int, chosen: str
) -> None:
    programs(*names, code=code)
    monkeypatch.setattr(os, "geteuid", lambda: user)

    runner, program = choose("api")

    assert (runner.name, program.name) == (chosen, runner.binary)


@pytest.mark.process
def test_a_machine_without_a_program_is_an_error_with_all_reasons(
    programs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs("bwrap", "runc", code=1)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(ImageError) as caught:
        choose("api")

    assert "bwrap cannot create namespaces; runc needs root; podman is missing" in str(caught.value)
    with pytest.raises(BinaryMissingError, match="podman"):
        choose("api", "podman")
    with pytest.raises(ImageError, match="runc needs root"):
        choose("api", "runc")
