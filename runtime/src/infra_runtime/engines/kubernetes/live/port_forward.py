"""The program of one port-forward: `python -m infra_runtime.engines.kubernetes.live.port_forward`.

The program chooses a ready pod of a service, forwards local ports to it, and exits when the pod is lost:
deleted, terminating or no longer ready. The supervisor then starts the program again, with the same local
ports, and a ready pod is chosen again. All messages go to the log of the service.

`kubectl port-forward` keeps its connection to a pod that is terminating, and ends all connections when the
pod resets one of them, so `kubectl proxy` and the module `tunnel` are used instead. Sources: the output of
`kubectl proxy --help` and `kubectl get --help`; kubernetes/kubernetes #74551 and #78446.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from infra_runtime.engines.kubernetes.live.kubectl import Kubectl, Object
from infra_runtime.engines.kubernetes.live.rollout import snapshot
from infra_runtime.engines.kubernetes.live.tunnel import Place, portforward, relay
from infra_runtime.engines.kubernetes.live.workloads import Snapshot, State, is_ready
from infra_runtime.errors import ClusterError, InfraError
from infra_runtime.host.ports import LOOPBACK

#: seconds between two queries of the cluster while no pod is ready, and between two watches of a pod: the API
#: server ends each watch after some time
INTERVAL = 1.0
#: seconds between two attempts to connect to `kubectl proxy` while it starts
_SOCKET_INTERVAL = 0.02
#: the fields in a line of the watch: the type of the event, the time of the deletion, and whether the pod is
#: ready; kubectl replaces tabs by spaces
_FIELDS = (
    "{.type}|{.object.metadata.deletionTimestamp}|"
    '{.object.status.conditions[?(@.type=="Ready")].status}{"\\n"}'
)


def choose(
    kubectl: Kubectl,
    stack: str,
    host: str,
    say: Callable[[str], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Wait until a pod of a service is ready, and return the name of the pod.

    `say` is called with the reason why no pod is ready, and again when the reason changes. The
    function has no time limit, because the supervisor limits the time of the start. Raises `ClusterError` if
    the service is not deployed, or its pods cannot become ready without a change.
    """
    last = ""
    while True:
        current = snapshot(kubectl, stack)
        if pods := [pod["metadata"]["name"] for pod in current.pods if _of(pod, host) and _is_usable(pod)]:
            return str(min(pods))
        reason = _reason(_state(current, kubectl, stack, host), kubectl)
        if reason != last:
            say(f"waits for a ready pod in the namespace {kubectl.namespace}: {reason}")
            last = reason
        sleep(INTERVAL)


def _of(pod: Object, host: str) -> bool:
    return bool((pod["metadata"].get("labels") or {}).get("app.kubernetes.io/name") == host)


def _is_usable(pod: Object) -> bool:
    return is_ready(pod) and not pod["metadata"].get("deletionTimestamp")


def _state(current: Snapshot, kubectl: Kubectl, stack: str, host: str) -> State:
    for (kind, name), state in current.states().items():
        if name == host and kind != "Job":
            return state
    raise ClusterError(
        f"the namespace {kubectl.namespace} has no workload {host} of the stack {stack}",
        "Deploy the stack with `infra workflows deploy --to kubernetes`, or select another place with "
        "--infra-namespace and --infra-context.",
    )


def _reason(state: State, kubectl: Kubectl) -> str:
    if state.wanted == 0:
        raise ClusterError(
            f"{state.kind}/{state.name} in the namespace {kubectl.namespace} has 0 pods",
            f"Start one with `infra workflows scale {state.name} 1 --to kubernetes "
            f"--namespace {kubectl.namespace}`.",
        )
    if state.failure:
        pod = f" pod {state.failure.pod}" if state.failure.pod else f" {state.kind.lower()} {state.name}"
        raise ClusterError(
            f"{state.kind}/{state.name} in the namespace {kubectl.namespace}: {state.failure.reason}",
            f"See `kubectl --namespace {kubectl.namespace} describe{pod}`, and correct the deployed stack.",
        )
    return state.reason or "a new pod starts"


async def forward(
    kubectl: Kubectl, pod: str, ports: Sequence[str], socket: Path, say: Callable[[str], None]
) -> str:
    """Forward ports (`LOCAL:REMOTE`) to a pod until the pod is lost or kubectl exits; return the reason.

    If a local port cannot be used, return this reason at once. `socket` is the path of the Unix socket that
    `kubectl proxy` creates. `say` receives messages.
    """
    tasks = [
        asyncio.ensure_future(_exit(kubectl, pod, socket)),
        asyncio.ensure_future(_loss(kubectl, pod)),
        asyncio.ensure_future(_serve(kubectl, pod, ports, socket, say)),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # until no process of kubectl is left


async def _exit(kubectl: Kubectl, pod: str, socket: Path) -> str:
    """Run `kubectl proxy` for requests to the ports of a pod only; return an error message when it exits."""
    allowed = f"^{re.escape(portforward(kubectl.namespace, pod))}$"
    command = kubectl.command("proxy", f"--unix-socket={socket}", f"--accept-paths={allowed}")
    async with _running(command, subprocess.DEVNULL) as process:
        return f"`kubectl proxy` for the pod {pod} exited with {await process.wait()}"


async def _serve(
    kubectl: Kubectl, pod: str, ports: Sequence[str], socket: Path, say: Callable[[str], None]
) -> str:
    """Connect the clients of local ports with the pod; if a local port cannot be used, return the reason."""
    await _accepting(socket)
    with contextlib.ExitStack() as servers:
        for local, _, remote in (port.partition(":") for port in ports):
            place = Place(socket=socket, namespace=kubectl.namespace, pod=pod, port=int(remote))
            client = functools.partial(relay, place=place, say=say)
            try:
                server = await asyncio.start_server(client, LOOPBACK, int(local))
            except OSError as error:
                return f"the port {local} of this machine cannot be used: {os.strerror(error.errno or 0)}"
            # From Python 3.12 on, `async with server` would wait until the clients end their connections.
            servers.callback(server.close)
        await asyncio.Event().wait()
    return ""


async def _accepting(socket: Path) -> None:
    """Wait until a program listens on a Unix socket."""
    while True:
        try:
            _, writer = await asyncio.open_unix_connection(socket)
        except OSError:
            await asyncio.sleep(_SOCKET_INTERVAL)
        else:
            writer.close()
            return


async def _loss(kubectl: Kubectl, pod: str) -> str:
    """Wait until a pod is deleted, terminating, not ready, or cannot be watched; return this reason."""
    command = kubectl.command(
        "get", f"pod/{pod}", "--watch", "--output-watch-events", f"--output=jsonpath={_FIELDS}"
    )
    while True:
        async with _running(command, subprocess.PIPE) as process:
            assert process.stdout is not None  # noqa: S101 - for the type checker
            async for line in process.stdout:
                if reason := loss(line.decode()):
                    return f"the pod {pod} {reason}"
            if status := await process.wait():
                return f"the pod {pod} was deleted or cannot be watched (status {status})"
        await asyncio.sleep(INTERVAL)


def loss(line: str) -> str:
    """Return the reason why a pod is lost, from a line of `kubectl get --watch`; empty if it can be used."""
    kind, deleted, ready = line.strip().split("|")
    if kind == "DELETED":
        return "was deleted"
    if deleted:
        return "is terminating"
    return "" if ready == "True" else "is not ready"


@contextlib.asynccontextmanager
async def _running(command: Sequence[str], stdout: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a process during the block; afterwards it is killed if it still runs."""
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.DEVNULL, stdout=stdout)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Forward the ports of a service to one of its pods; return the exit status, which is never 0."""
    parser = argparse.ArgumentParser(prog="port_forward", allow_abbrev=False)
    for option in ("kubectl", "namespace", "context", "stack", "service", "host"):
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("--socket", required=True, type=Path)
    parser.add_argument("ports", nargs="+", metavar="LOCAL:REMOTE")
    chosen = parser.parse_args(arguments)
    kubectl = Kubectl(program=chosen.kubectl, namespace=chosen.namespace, context=chosen.context)

    def say(text: str) -> None:
        print(f"{chosen.service}: {text}", flush=True)

    chosen.socket.unlink(missing_ok=True)
    try:
        pod = choose(kubectl, chosen.stack, chosen.host, say)
        say(f"forwards {', '.join(chosen.ports)} to the pod {pod} in the namespace {kubectl.namespace}")
        reason = asyncio.run(forward(kubectl, pod, chosen.ports, chosen.socket, say))
    except InfraError as error:
        say(f"{error}. {error.hint}")
    else:
        say(f"{reason} in the namespace {kubectl.namespace}; another pod is chosen")
    return 1


if __name__ == "__main__":
    sys.exit(main())
