"""Measure a control plane with the stacks of many tenants, and what each step of a deploy costs.

The control plane is the kind `kubernetes`: real programs, and pods that kwok simulates. Each tenant has a
namespace with a stack of a Valkey, a worker and an API. One stack is then deployed with `infra workflows
deploy`, changed, returned to its revision and scaled, while the other pods exist. Needs `infra bin install
kubernetes kwok etcd` and kubectl.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

import infra_runtime as infra
from benchmarks.footprint import MIB, family, memory
from benchmarks.rounds import Measures, Spread, headline, rounds, table
from benchmarks.stage import project, stage
from infra_runtime.binaries import store
from infra_runtime.config.resolve import resolve
from infra_runtime.engines.kubernetes import Kubernetes
from infra_runtime.engines.kubernetes.live import operations, rollout
from infra_runtime.engines.kubernetes.live.deploy import Request, deploy
from infra_runtime.engines.kubernetes.live.kubectl import Answer, Key, Kubectl, Object, kubectl
from infra_runtime.errors import ClusterError
from infra_runtime.value import frozen

#: simulated pods of one node, and seconds until all pods must be ready
PODS_OF_A_NODE, PATIENCE = 100, 900.0
CLUSTER = 'use = ["kubernetes"]\ntelemetry = false\ndashboard = false\n'
STACK = """\
use = ["valkey", "api", "worker"]
telemetry = false
dashboard = false
[services.api]
command = ["serve"]
needs = ["valkey"]
ports = {{ http = 8000 }}
[services.api.container]
image = "shop/api:{tag}"
replicas = {replicas}
[services.worker]
command = ["work"]
needs = ["valkey"]
[services.worker.container]
image = "shop/worker:1"
replicas = 1
"""


@frozen
class Counted(Kubectl):
    """A client of kubectl that records how many seconds each call takes."""

    calls: list[tuple[str, float]] = field(default_factory=list)

    def run(self, *arguments: str, documents: Iterable[Object] | None = None, **options: Any) -> Answer:
        """Run kubectl as the class `Kubectl` does, and record the call."""
        start_time = time.perf_counter()
        try:
            return Kubectl.run(self, *arguments, documents=documents, **options)
        finally:
            dry = ", dry run" if "--dry-run=server" in arguments else ""
            self.calls.append((f"{arguments[0]}{dry}", time.perf_counter() - start_time))


def main() -> None:
    """Measure the variants of this benchmark and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1, help="number of rounds; default: 1")
    parser.add_argument("--tenants", type=int, default=100, help="number of stacks; default: 100")
    parser.add_argument("--pods", type=int, default=10, help="pods of each stack, at least 3; default: 10")
    options = parser.parse_args()
    if options.rounds < 1 or options.tenants < 1 or options.pods < 3:
        parser.error("--rounds and --tenants must be at least 1, and --pods at least 3")
    headline(f"A control plane with {options.tenants} stacks of {options.pods} pods", ())
    installed = store.default_folder()
    with stage() as folder:
        if installed:
            os.environ["INFRA_BINARIES"] = str(installed)

        def measure() -> Measures:
            return control_plane(folder, options.tenants, options.pods)

        results = rounds([measure], options.rounds, warm=False)
    for unit, scale in (("s", 1.0), ("calls of kubectl", 1.0), ("ms", 1000.0), ("MiB", MIB)):
        figures_of_unit = _figures_of_unit(results, f"{unit}: ")
        if figures_of_unit:
            table(figures_of_unit, unit=unit.partition(" ")[0], scale=scale, digits=2)


def _figures_of_unit(results: dict[str, Spread], start: str) -> dict[str, Spread]:
    return {name.removeprefix(start): spread for name, spread in results.items() if name.startswith(start)}


def control_plane(folder: Path, tenants: int, pods: int) -> Measures:
    """Start a control plane with simulated nodes, and return its figures; their names begin with the unit."""
    cwd = project(folder, f"cluster-{time.monotonic_ns()}", infra_toml=CLUSTER)
    settings = {
        "nodes": math.ceil(tenants * pods / PODS_OF_A_NODE) + 1,
        "volumes": tenants + 1,
        "start_timeout": PATIENCE,
    }
    start_time = time.perf_counter()
    with infra.start(
        directory=cwd, environment="test", overrides={"services": {"kubernetes": settings}}
    ) as stack:
        figures = {"s: start of the control plane": time.perf_counter() - start_time}
        os.environ["KUBECONFIG"] = stack.kubernetes["kubeconfig"]
        os.environ["KUBECACHEDIR"] = str(cwd / "kubectl")
        (service,) = stack.status().services
        figures |= apply(folder, tenants, pods)
        figures |= {
            f"MiB: memory of {Path(f'/proc/{pid}/comm').read_text('ascii').strip()} (RSS)": memory(
                [pid], "Rss"
            )
            for pid in family(service.pid)
        }
        figures |= steps(folder, pods)
    return figures


def apply(folder: Path, tenants: int, pods: int) -> dict[str, float]:
    """Write the stacks of all tenants with one call of kubectl, and wait until their pods are ready."""
    stacks = [resources(folder, f"tenant-{number}", pods) for number in range(tenants)]
    all_resources = [resource for stack in stacks for resource in stack]
    # A namespace is created before the resources in it.
    all_resources.sort(key=lambda resource: resource["kind"] != "Namespace")
    start_time = time.perf_counter()
    subprocess.run(
        ["kubectl", "apply", "--server-side", "--field-manager=infra", "--filename=-"],
        input="\n---\n".join(map(json.dumps, all_resources)),
        text=True, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    applied = time.perf_counter() - start_time
    while (ready := _ready()) < tenants * pods:
        if time.perf_counter() - start_time > PATIENCE:
            raise ClusterError(f"{ready} of {tenants * pods} pods are ready after {PATIENCE:g} s")
        time.sleep(0.5)
    return {
        f"s: {len(all_resources)} resources are applied": applied,
        f"s: {tenants * pods} pods are ready, since the first write": time.perf_counter() - start_time,
    }


def _ready() -> int:
    template = "{range .items[*]}{.status.readyReplicas} {end}"
    words = [
        "kubectl",
        "get",
        "deployments,statefulsets",
        "--all-namespaces",
        f"--output=jsonpath={template}",
    ]
    return sum(map(int, subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()))


def resources(folder: Path, namespace: str, pods: int, tag: str = "1") -> list[Object]:
    """Return the resources of a stack with some pods in a namespace."""
    cwd = folder / "stack"
    cwd.mkdir(exist_ok=True)
    (cwd / "infra.toml").write_text(STACK.format(replicas=pods - 2, tag=tag), encoding="utf-8")
    plan = resolve((), directory=cwd, environment="staging", executables=False, variables_required=False).plan
    return [resource for _, resource in Kubernetes(project="shop", namespace=namespace).model(plan).values()]


def steps(folder: Path, pods: int) -> dict[str, float]:
    """Deploy one more stack, change it, and measure each step and each kind of call of kubectl."""
    program = kubectl("shop")
    counted = Counted(program=program.program, namespace="shop")
    figures: dict[str, float] = {}

    def step(name: str, act: Callable[[], object]) -> None:
        previous_count, start_time = len(counted.calls), time.perf_counter()
        act()
        figures[f"s: {name}"] = time.perf_counter() - start_time
        figures[f"calls of kubectl: {name}"] = len(counted.calls) - previous_count

    def deployed(tag: str) -> list[object]:
        shop_resources = resources(folder, "shop", pods, tag)
        return [*deploy(counted, Request(stack="shop", resources=shop_resources, create_namespace=True))]

    def waited(keys: Sequence[Key]) -> list[object]:
        return [*rollout.wait(counted, "shop", keys, timeout=PATIENCE)]

    api = ("Deployment", "api")
    step("first deploy", lambda: deployed("1"))
    step("deploy without changes", lambda: deployed("1"))
    step("deploy of another image", lambda: deployed("2"))
    step("undo", lambda: (operations.undo(counted, *api), waited([api])))
    step("scale", lambda: waited([operations.scale(counted, "shop", "api", pods)]))
    step("deletion", lambda: operations.delete_stack(counted, "shop", data=True))
    for name in dict.fromkeys(name for name, _ in counted.calls):
        values = tuple(seconds for call, seconds in counted.calls if call == name)
        figures[f"ms: kubectl {name}"] = Spread(values=values).median
    return figures


if __name__ == "__main__":
    main()
