"""The launcher of a combined image: all services, one role, another command, and the health check."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from infra_runtime.images import launcher

pytestmark = pytest.mark.process

WAIT = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"


def python(code: str, *words: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code, *words]


class Image:
    """The files of the launcher in a folder, as in an image."""

    def __init__(self, folder: Path, roles: dict[str, dict[str, Any]]) -> None:
        self.folder = folder
        shutil.copy(launcher.__file__, folder / "launcher.py")
        complete = {
            name: {"env": {}, "folder": str(folder), "health": [], "task": False, **role}
            for name, role in roles.items()
        }
        (folder / "roles.json").write_text(json.dumps(complete))

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(self.folder / "launcher.py"), *words],
            env={**os.environ, "INFRA_LAUNCHER_STATE": str(self.folder / "state"), "GIVEN": "container"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        with self.start(*words) as process:
            out, err = process.communicate(timeout=300)
            return process.returncode, out, err


def until(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} is missing"
        time.sleep(0.01)


def test_a_role_gets_its_variables_and_arguments(tmp_path: Path) -> None:
    code = "import os, sys; print(os.environ['MINE'], os.environ['GIVEN'], sys.argv[1:])"
    env = {"MINE": "role", "GIVEN": "role"}
    image = Image(tmp_path, {"migrate": {"command": python(code), "env": env, "task": True}})

    assert image.run("migrate", "--fake") == (0, "role container ['--fake']\n", "")


def test_another_command_replaces_the_launcher(tmp_path: Path) -> None:
    image = Image(tmp_path, {"api": {"command": ["true"]}})

    assert image.run(*python("print('once')")) == (0, "once\n", "")
    code, _, err = image.run("apu")
    assert code == 127
    assert "apu: No such file or directory; the roles of this image are: api" in err


def test_all_services_run_and_stop_together(tmp_path: Path) -> None:
    image = Image(
        tmp_path,
        {
            "api": {"command": python(WAIT, "api"), "health": ["true"]},
            "worker": {"command": python(WAIT, "worker")},
            "migrate": {"command": python(WAIT, "migrate"), "task": True},
        },
    )
    with image.start() as process:
        until(tmp_path / "api")
        until(tmp_path / "worker")
        health = image.run("--health")[0]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=300)

    assert process.returncode == 0
    assert health == 0
    assert not (tmp_path / "migrate").exists()


def test_when_a_service_exits_the_others_are_stopped(tmp_path: Path) -> None:
    image = Image(
        tmp_path,
        {"api": {"command": python("raise SystemExit(3)")}, "worker": {"command": python(WAIT, "worker")}},
    )
    code, _, err = image.run("all")

    assert code == 3
    assert "api exited with 3" in err


def test_the_health_check_is_that_of_the_running_role(tmp_path: Path) -> None:
    image = Image(
        tmp_path,
        {
            "api": {"command": python(WAIT, "api"), "health": ["false"]},
            "web": {"command": ["true"], "health": ["true"]},
        },
    )
    before = image.run("--health")[0]
    image.run("web")
    web = image.run("--health")[0]
    with image.start("api") as process:
        until(tmp_path / "api")
        api = image.run("--health")[0]
        process.kill()
        process.communicate(timeout=300)

    assert (before, web, api) == (1, 0, 1)
