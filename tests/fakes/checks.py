"""Run `infra dev api-check` in a directory, without a new process, because this is faster."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra_cli.main import run

pytest.importorskip("yaml", reason="needs the extra `openapi`")

HEAD = "openapi: 3.0.3\ninfo: {title: Pets, version: '1'}\n"
#: two operations share a schema, whose name is in line 21
PETS = """\
openapi: 3.0.3
info:
  title: Pets
  version: "1"
paths:
  /pets:
    get:
      responses:
        "200":
          description: all
          content: {application/json: {schema: {$ref: "#/components/schemas/Pet"}}}
  /pets/{id}:
    get:
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses:
        "200":
          description: one
          content: {application/json: {schema: {$ref: "#/components/schemas/Pet"}}}
components:
  schemas:
    Pet:
      type: object
      required: [name]
      properties:
        name:
          type: string
        age:
          type: integer
"""
#: the property `name` is no longer required
BROKEN = PETS.replace("required: [name]", "required: [age]")
#: an optional property is added
GROWN = PETS.replace("        age:\n", "        colour:\n          type: string\n        age:\n")


@dataclass(frozen=True, slots=True)
class Said:
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return standard output as JSON."""
        return json.loads(self.out)


class Checks:
    """Functions that run commands and write files in a directory, which is the working directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file below the directory."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def pair(self, base: str = PETS, revision: str = BROKEN) -> tuple[str, str]:
        """Write two documents, and return the names of their files."""
        self.write("base.yaml", base)
        self.write("revision.yaml", revision)
        return "base.yaml", "revision.yaml"

    def git(self, *arguments: str) -> str:
        """Run git in the directory, without the configuration of the user."""
        no_configuration = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        person = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "init.defaultBranch=main"]
        process = subprocess.run(
            ["git", *person, *arguments],
            cwd=self.root,
            env={**os.environ, **no_configuration},
            check=True,
            capture_output=True,
            text=True,
        )
        return process.stdout

    def commit(self) -> None:
        """Commit all files, in a new repository if necessary."""
        if not (self.root / ".git").exists():
            self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-qm", "now")

    def __call__(self, *arguments: str) -> Said:
        """Run `infra dev api-check ARGUMENTS`."""
        return self.infra("dev", "api-check", *arguments)

    def snapshot(self, *arguments: str) -> Said:
        """Run `infra dev api-snapshot ARGUMENTS`."""
        return self.infra("dev", "api-snapshot", *arguments)

    def infra(self, *arguments: str) -> Said:
        """Run `infra ARGUMENTS`; the command writes its output to memory, not to a terminal."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(arguments)
        for stream in (out, err):
            stream.flush()
            stream.seek(0)
        return Said(code, out.read(), err.read())
