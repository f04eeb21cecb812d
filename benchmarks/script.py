"""Write a launch script with the values that a supervisor would compute for a stack.

With this script, `benchmarks.bare` starts the stack without a supervisor. The script contains all values that
can be computed in advance, and the prepared data folders, which a start only copies. Therefore the comparison
favours the launch without a supervisor.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import infra_runtime
from infra_runtime.config.resolve import Resolved
from infra_runtime.data_directory.paths import Paths
from infra_runtime.host import memory
from infra_runtime.host.ownership import make_private_folder
from infra_runtime.host.ports import Ports
from infra_runtime.spec import ServiceSpec, encode
from infra_runtime.supervisor.binding import Bound, Scope, bind
from infra_runtime.supervisor.prepare import prepare


class Script:
    """A resolved plan in the form that `benchmarks.bare` launches."""

    def __init__(self, services: list[dict[str, Any]], path: Path) -> None:
        self.services, self._path = services, path
        path.write_text(json.dumps(services), encoding="utf-8")

    def command(self) -> list[str]:
        """Return the arguments of the process that launches the script.

        The options of the interpreter are those of the supervisor's interpreter.
        """
        roots = [str(Path(file).resolve().parents[1]) for file in (__file__, infra_runtime.__file__)]
        code = f"import sys; sys.path[:0] = {roots!r}; sys.modules['ssl'] = None; "
        code += "from benchmarks.bare import main; main()"
        return [sys.executable, "-I", "-S", "-c", code, str(self._path)]


@contextlib.contextmanager
def script(resolved: Resolved) -> Iterator[Script]:
    """Yield the launch script of a stack; at the end, release its ports and remove its run folder."""
    paths = Paths(str(resolved.data))
    make_private_folder(paths.home, shared=True)
    make_private_folder(paths.run)
    ports = Ports(paths.ports, paths.data, leased=True)
    try:
        Path(paths.logs).mkdir(parents=True, exist_ok=True)
        # The supervisor also keeps the data of tests in RAM, if possible.
        folder = None if memory.obstacle() else memory.TMPFS
        with tempfile.TemporaryDirectory(prefix="infra-bench-", dir=folder) as services_folder:
            paths.services = services_folder
            yield Script(asyncio.run(_services(resolved, paths, ports)), resolved.data / "bare.json")
    finally:
        ports.close()
        shutil.rmtree(paths.run)


async def _services(resolved: Resolved, paths: Paths, ports: Ports) -> list[dict[str, Any]]:
    scope = Scope(resolved.plan.root, resolved.environment, resolved.binaries, resolved.variables)
    bound_services: dict[str, Bound] = {}
    services = []
    for spec in resolved.plan.services:
        leased = {name: ports.take(spec.name, name, number) for name, number in spec.ports.items()}
        bound = Bound(spec, paths.service_data(spec.name), paths.service_run(spec.name), leased)
        await prepare(bound, scope, bound_services, paths.seeds(), _run)
        bind(bound, scope, bound_services)
        bound_services[spec.name] = bound
        tree = f"{paths.data}/prepared/{spec.name}"
        Path(tree).parent.mkdir(exist_ok=True)
        shutil.move(bound.data, tree)
        services.append(_service(spec, bound, tree, f"{paths.logs}/{spec.name}.log"))
    return services


def _service(spec: ServiceSpec, bound: Bound, tree: str, log: str) -> dict[str, Any]:
    return {
        "name": spec.name,
        "tree": tree,
        "data": bound.data,
        "run": bound.run,
        "command": bound.command,
        "env": {**os.environ, **bound.env},
        "cwd": bound.cwd,
        "log": log,
        "refuses_root": spec.refuses_root,
        "ready": encode(bound.ready),
        "ports": bound.ports,
        "stop": spec.stop[0].signal,
    }


async def _run(command: tuple[str, ...], env: Mapping[str, str]) -> int:
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **env}, stdout=asyncio.subprocess.DEVNULL
    )
    return await process.wait()
