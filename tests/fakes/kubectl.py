"""A program in place of kubectl, for a cluster whose pods are servers of this machine.

A folder contains the state of the cluster: `objects.json`, `secret.json`, `targets.json` (port in the pod →
port on this machine), and `POD.watch` with the lines that a watch of the pod prints. The file `forwards` gets
a line for each `kubectl proxy`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

INTERVAL = 0.02
#: Source: RFC 6455, section 1.3
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class FakeCluster:
    """The state of a cluster in a folder, and the program that answers for it."""

    def __init__(self, folder: Path, stack: str = "shop") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.stack = folder, stack
        self.program = folder / "kubectl"
        words = f'"{sys.executable}" -I -S "{Path(__file__).resolve()}" "{folder}"'
        self.program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        self.program.chmod(0o755)
        self._objects: list[dict[str, Any]] = []
        self._write("objects.json", [])

    def deploy(self, host: str, *pods: Mapping[str, Any], replicas: int = 1) -> None:
        """Create the Deployment of a service, or replace it, with these pods."""
        other_resources = [resource for resource in self._objects if self._host(resource) != host]

        def owned(kind: str, name: str) -> dict[str, Any]:
            return {
                "name": name,
                "uid": f"{kind}-{name}",
                "labels": {"app.kubernetes.io/name": host, "app.kubernetes.io/part-of": self.stack},
                "annotations": {"deployment.kubernetes.io/revision": "1"},
            }

        container = {"name": host, "image": f"shop/{host}:1"}
        spec = {"replicas": replicas, "template": {"spec": {"containers": [container]}}}
        resources: list[dict[str, Any]] = [
            {
                "kind": "Deployment",
                "metadata": {**owned("Deployment", host), "generation": 1},
                "spec": spec,
                "status": {"observedGeneration": 1},
            },
            {
                "kind": "ReplicaSet",
                "metadata": {
                    **owned("ReplicaSet", host),
                    "ownerReferences": [{"uid": f"Deployment-{host}"}],
                },
            },
        ]
        for pod in pods:
            metadata = {
                **owned("Pod", pod["name"]),
                "ownerReferences": [{"uid": f"ReplicaSet-{host}"}],
                **({"deletionTimestamp": "2025-01-01T00:00:00Z"} if pod["terminating"] else {}),
            }
            resources.append({"kind": "Pod", "metadata": metadata, "status": pod["status"]})
            self.watch(pod["name"], f"ADDED||{pod['status']['conditions'][0]['status']}")
        self._objects = [*other_resources, *resources]
        self._write("objects.json", self._objects)

    def watch(self, pod: str, line: str) -> None:
        """Add a line to the watch of a pod: type, time of the deletion, and whether the pod is ready."""
        with (self.folder / f"{pod}.watch").open("a") as file:
            file.write(f"{line}\n")

    def secret(self, **values: str) -> None:
        """Create the Secret of the stack."""
        data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
        self._write("secret.json", {"kind": "Secret", "data": data})

    def serve(self, **targets: int) -> None:
        """Set which port of this machine answers for a port of the pods, such as `p8000=18000`."""
        self._write("targets.json", {name[1:]: port for name, port in targets.items()})

    def forwards(self) -> list[tuple[int, str]]:
        """Return pid and pod of each proxy that was started."""
        path = self.folder / "forwards"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(pid), pod) for pid, pod in map(str.split, lines)]

    def _host(self, resource: Mapping[str, Any]) -> str:
        return str(resource["metadata"]["labels"]["app.kubernetes.io/name"])

    def _write(self, name: str, document: object) -> None:
        beside = self.folder / f"{name}.new"
        beside.write_text(json.dumps(document))
        beside.replace(self.folder / name)


def pod(
    name: str, *, ready: bool = True, terminating: bool = False, waiting: str = "", restarts: int = 0
) -> dict[str, Any]:
    """Return a pod for `FakeCluster.deploy`; `waiting` is the reason why its container does not run."""
    state: dict[str, Any] = {"waiting": {"reason": waiting}} if waiting else {"running": {}}
    status = {
        "conditions": [{"type": "Ready", "status": str(ready)}],
        "containerStatuses": [{"name": "main", "ready": ready, "state": state, "restartCount": restarts}],
    }
    return {"name": name, "terminating": terminating, "status": status}


# --- the program -----------------------------------------------------------------------------------


def _get(folder: Path, words: list[str]) -> int:
    what = words[0]
    if what.startswith("pod/"):
        return _watch(folder / f"{what.removeprefix('pod/')}.watch")
    if what == "secret":
        path = folder / "secret.json"
        print(path.read_text() if path.exists() else "")
        return 0
    if not (folder / "objects.json").exists():
        print("Unable to connect to the server: the fake cluster does not exist", file=sys.stderr)
        return 1
    items = json.loads((folder / "objects.json").read_text()) if what != "events" else []
    print(json.dumps({"kind": "List", "items": items}))
    return 0


def _watch(path: Path) -> int:
    printed = 0
    while path.exists():
        lines = path.read_text().splitlines()
        for line in lines[printed:]:
            print(line, flush=True)
        printed = len(lines)
        time.sleep(INTERVAL)
    print("Error from server (NotFound): the pod does not exist", file=sys.stderr)
    return 1


def _proxy(folder: Path, words: list[str]) -> int:
    path = next(word.partition("=")[2] for word in words if word.startswith("--unix-socket="))
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    threading.Thread(target=_accept, args=(server, folder), daemon=True).start()
    # The allowed path ends with the name of the pod and `/portforward$`.
    name = words[-1].split("/")[-2].replace("\\", "")
    with (folder / "forwards").open("a") as file:
        file.write(f"{os.getpid()} {name}\n")
    while not (folder / f"{name}.cut").exists():
        time.sleep(INTERVAL)
    print("error: lost connection to the server", file=sys.stderr)
    return 1


def _accept(server: socket.socket, folder: Path) -> None:
    while True:
        client, _ = server.accept()
        threading.Thread(target=_tunnel, args=(client, folder), daemon=True).start()


def _tunnel(client: socket.socket, folder: Path) -> None:
    """Answer the request for a WebSocket to a port, and copy its bytes. Source: RFC 6455."""
    with client, contextlib.suppress(OSError), client.makefile("rb") as file:
        first = file.readline().decode()
        headers = [file.readline().decode().strip()]
        while headers[-1]:
            headers.append(file.readline().decode().strip())
        if not first:
            return
        port = first.split()[1].partition("?ports=")[2]
        target = json.loads((folder / "targets.json").read_text()).get(port)
        if target is None:
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        key = next(line.partition(": ")[2] for line in headers if line.startswith("Sec-WebSocket-Key"))
        accepted = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()
        client.sendall(f"HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: {accepted}\r\n\r\n".encode())
        for channel in (0, 1):
            client.sendall(_frame(bytes([channel]) + int(port).to_bytes(2, "little")))
        with socket.create_connection(("127.0.0.1", target)) as upstream:
            threading.Thread(target=_to_client, args=(upstream, client), daemon=True).start()
            while (payload := _read(file)) is not None:
                upstream.sendall(payload[1:])


def _to_client(upstream: socket.socket, client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := upstream.recv(65536):
            client.sendall(_frame(b"\0" + block))
    with contextlib.suppress(OSError):
        client.sendall(_frame(b"", code=8))
        client.shutdown(socket.SHUT_RDWR)


def _frame(payload: bytes, code: int = 2) -> bytes:
    """Return a message of a server; a long message has two frames."""
    parts = [payload[:60000], payload[60000:]] if len(payload) > 60000 else [payload]
    frames = b""
    for number, part in enumerate(parts):
        head = (code if number == 0 else 0) | (0x80 if number == len(parts) - 1 else 0)
        size = len(part)
        length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
        frames += bytes([head]) + length + part
    return frames


def _read(file: Any) -> bytes | None:
    """Return the content of the next message of a client; None at the end."""
    head = file.read(2)
    if len(head) < 2 or head[0] & 0x0F == 8:
        return None
    size = head[1] & 0x7F
    if size > 125:
        size = int.from_bytes(file.read(2 if size == 126 else 8), "big")
    key, masked = file.read(4), file.read(size)
    return bytes(byte ^ key[number % 4] for number, byte in enumerate(masked))


def _main(folder: Path, words: list[str]) -> int:
    words = [word for word in words if not word.startswith(("--context", "--namespace"))]
    return _get(folder, words[1:]) if words[0] == "get" else _proxy(folder, words[1:])


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), sys.argv[2:]))
