"""A launch script: the values that the supervisor computes for a stack, so that it can start without one.

The script contains all values that can be computed before: ports, executables, texts of configuration files.
So the comparison favours the launch without a supervisor.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import infra_runtime
from infra_runtime.config.resolve import Resolved
from infra_runtime.data_directory.paths import Paths
from infra_runtime.host.ownership import make_private_folder
from infra_runtime.host.ports import Ports
from infra_runtime.spec import (
    Remove,
    RequireFile,
    Run,
    Secret,
    Seed,
    ServiceSpec,
    WriteFile,
    encode,
    substitute,
)
from infra_runtime.supervisor.binding import Bound, Scope, bind, resolver
from infra_runtime.supervisor.prepare import seed_key


class Script:
    """A resolved plan in the form that `benchmarks.bare` launches. Its seeds must be in the cache."""

    def __init__(self, resolved: Resolved) -> None:
        self._paths = Paths(str(resolved.data))
        make_private_folder(self._paths.home, shared=True)
        make_private_folder(self._paths.run)
        Path(self._paths.logs).mkdir(parents=True, exist_ok=True)
        self._ports = Ports(self._paths.ports, self._paths.data, leased=True)
        scope = Scope(resolved.plan.root, resolved.environment, resolved.binaries, resolved.variables)
        others: dict[str, Bound] = {}
        self.services = [self._service(spec, scope, others) for spec in resolved.plan.services]
        shutil.rmtree(self._paths.services)
        self._path = resolved.data / "bare.json"
        self._path.write_text(json.dumps(self.services), encoding="utf-8")

    def _service(self, spec: ServiceSpec, scope: Scope, others: dict[str, Bound]) -> dict[str, Any]:
        paths = self._paths
        ports = {name: self._ports.take(spec.name, name, wanted) for name, wanted in spec.ports.items()}
        bound = Bound(spec, paths.service_data(spec.name), paths.service_run(spec.name), ports)
        lookup = resolver(bound, scope, others)
        files, trees = [], []
        for step in spec.prepare:
            if isinstance(step, WriteFile):
                files.append((substitute(step.path, lookup), substitute(step.text, lookup)))
            elif isinstance(step, Secret):
                secret = Path(substitute(step.path, lookup))
                secret.parent.mkdir(parents=True, exist_ok=True)
                secret.write_text(secrets.token_hex(24), encoding="ascii")  # the next steps refer to it
                files.append((str(secret), secret.read_text(encoding="ascii")))
            elif isinstance(step, Seed):
                tree = f"{paths.cache}/seeds/{spec.name}-{seed_key(step, scope)}"
                trees.append((tree, substitute(step.into, lookup)))
                shutil.copytree(*trees[-1])  # binding reads the secrets in it
            elif isinstance(step, Run):  # its result is part of the tree that the script copies
                into = trees[-1][1]
                for path, text in files:
                    Path(path).parent.mkdir(parents=True, exist_ok=True)
                    Path(path).write_text(text, encoding="utf-8")
                command = [substitute(word, lookup) for word in step.command]
                env = {name: substitute(text, lookup) for name, text in step.env.items()}
                subprocess.run(command, env={**os.environ, **env}, check=True, capture_output=True)
                tree = f"{paths.data}/prepared/{spec.name}"
                shutil.copytree(into, tree)
                trees[-1] = tree, into
                files = [(path, text) for path, text in files if not path.startswith(f"{into}/")]
            elif not isinstance(step, RequireFile | Remove):  # these steps have no effect in a new folder
                raise TypeError(
                    f"{spec.name}: a launch script does not support the step {type(step).__name__}"
                )
        bind(bound, scope, others)
        others[spec.name] = bound
        return {
            "name": spec.name,
            "data": bound.data,
            "run": bound.run,
            "files": files,
            "trees": trees,
            "command": bound.command,
            "env": {**os.environ, **bound.env},
            "cwd": bound.cwd,
            "log": f"{paths.logs}/{spec.name}.log",
            "refuses_root": spec.refuses_root,
            "ready": encode(bound.ready),
            "ports": ports,
            "stop": spec.stop[0].signal,
        }

    def command(self) -> list[str]:
        """Return the argv that launches the script, in an interpreter as isolated as the supervisor's."""
        roots = [str(Path(file).resolve().parents[1]) for file in (__file__, infra_runtime.__file__)]
        code = f"import sys; sys.path[:0] = {roots!r}; sys.modules['ssl'] = None; "
        code += "from benchmarks.bare import main; main()"
        return [sys.executable, "-I", "-S", "-c", code, str(self._path)]

    def close(self) -> None:
        """End the leases of the ports, and remove the folder of the sockets."""
        for service in self.services:
            self._ports.give_back(service["name"])
        shutil.rmtree(self._paths.run)
