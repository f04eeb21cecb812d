"""A Kubernetes cluster on this machine: a real control plane, and nodes that kwok simulates.

The pods are not real: `STAGES` determines what they report. The tag of the image of a pod determines its
behaviour: `crashes`, `missing` (the image cannot be pulled), `slow` (never ready), `hangs` (a task that never
ends) and `fails` (a task that exits with 1); all other pods become ready, and all other tasks are complete.

Sources: kwok documentation, "Stages Configuration" and "Logs"; the output of `kube-apiserver --help`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import ssl
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from fakes.suite import free_port
from infra_runtime.binaries import Binary, locate

#: seconds in which the control plane must be ready
PATIENCE = 120.0
_TOKEN = "admin-of-the-tests"
#: the programs of the control plane, in addition to etcd
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")

_CONDITIONS = """\
conditions:
{{ range $type := list "Initialized" "PodScheduled" }}
- type: {{ $type }}
  status: "True"
  lastTransitionTime: {{ Now | Quote }}
{{ end }}
{{ range $type := list "ContainersReady" "Ready" }}
- type: {{ $type }}
  status: "%s"
  lastTransitionTime: {{ Now | Quote }}
{{ end }}
hostIP: {{ NodeIP | Quote }}
podIP: {{ PodIP | Quote }}
startTime: {{ Now | Quote }}
"""


def _containers(state: str, *, ready: bool, restarts: int = 0) -> str:
    """Return the template of the states of all containers of a pod."""
    return f"""\
containerStatuses:
{{{{ range .spec.containers }}}}
- name: {{{{ .name | Quote }}}}
  image: {{{{ .image | Quote }}}}
  imageID: ""
  ready: {str(ready).lower()}
  started: {str(ready).lower()}
  restartCount: {restarts}
{state}
{{{{ end }}}}
"""


_RUNNING = "  state: {running: {startedAt: {{ Now | Quote }}}}"
_EXITED = """\
  state:
    terminated:
      {exitCode: %d, reason: %s, startedAt: {{ Now | Quote }}, finishedAt: {{ Now | Quote }}}"""
_CRASHES = (
    "  state: {waiting: {reason: CrashLoopBackOff, message: back-off 10s restarting failed container}}\n"
    "  lastState: {terminated: {exitCode: 7, reason: Error, startedAt: {{ Now | Quote }},"
    " finishedAt: {{ Now | Quote }}}}"
)
_MISSING = "  state: {waiting: {reason: ImagePullBackOff, message: Back-off pulling image}}"


def _ends_with(tag: str) -> str:
    return f'.spec.containers[] | select(.image | endswith(":{tag}"))'


def _stage(name: str, status: str, *, phase: str, conditions: str, **selector: str) -> dict[str, Any]:
    """Return a stage of pods; `selector` is an operator → the expressions separated by line ends."""
    matches = [
        {"key": key, "operator": operator} for operator, keys in selector.items() for key in keys.splitlines()
    ]
    template = f"phase: {phase}\n{_CONDITIONS % conditions}{status}"
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
            "selector": {"matchExpressions": matches},
            "next": {"statusTemplate": template},
        },
    }


_NEW = ".metadata.deletionTimestamp\n.status.podIP"
_SPECIAL = "\n".join(_ends_with(tag) for tag in ("crashes", "missing", "slow", "hangs", "fails"))
_JOB = '.metadata.ownerReferences[]? | select(.kind == "Job")'


def _stages() -> list[dict[str, Any]]:
    ready, unready = _containers(_RUNNING, ready=True), _containers(_RUNNING, ready=False)
    node: dict[str, Any] = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": "node-ready"},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Node"},
            "selector": {
                "matchExpressions": [
                    {"key": '.status.conditions[]? | select(.type == "Ready")', "operator": "DoesNotExist"}
                ]
            },
            "next": {
                "statusTemplate": "phase: Running\nconditions:\n- type: Ready\n  status: 'True'\n"
                "  reason: KubeletReady\n  lastHeartbeatTime: {{ Now | Quote }}\n"
                "  lastTransitionTime: {{ Now | Quote }}\n"
                "addresses:\n- {type: InternalIP, address: {{ NodeIP | Quote }}}\n"
                "daemonEndpoints: {kubeletEndpoint: {Port: {{ NodePort }}}}\n"
            },
        },
    }
    deleted: dict[str, Any] = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": "pod-deleted"},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
            "selector": {"matchExpressions": [{"key": ".metadata.deletionTimestamp", "operator": "Exists"}]},
            "next": {"finalizers": {"empty": True}, "delete": True},
        },
    }
    return [
        node,
        deleted,
        _stage(
            "pod-ready",
            ready,
            phase="Running",
            conditions="True",
            DoesNotExist=f"{_NEW}\n{_SPECIAL}\n{_JOB}",
        ),
        _stage(
            "pod-crashes",
            _containers(_CRASHES, ready=False, restarts=3),
            phase="Running",
            conditions="False",
            DoesNotExist=_NEW,
            Exists=_ends_with("crashes"),
        ),
        _stage(
            "pod-missing",
            _containers(_MISSING, ready=False),
            phase="Pending",
            conditions="False",
            DoesNotExist=_NEW,
            Exists=_ends_with("missing"),
        ),
        _stage(
            "pod-slow",
            unready,
            phase="Running",
            conditions="False",
            DoesNotExist=_NEW,
            Exists=_ends_with("slow"),
        ),
        _stage(
            "task-complete",
            _containers(_EXITED % (0, "Completed"), ready=False),
            phase="Succeeded",
            conditions="False",
            DoesNotExist=f"{_NEW}\n{_SPECIAL}",
            Exists=_JOB,
        ),
        _stage(
            "task-fails",
            _containers(_EXITED % (1, "Error"), ready=False),
            phase="Failed",
            conditions="False",
            DoesNotExist=_NEW,
            Exists=f"{_JOB}\n{_ends_with('fails')}",
        ),
        _stage(
            "task-hangs",
            ready,
            phase="Running",
            conditions="True",
            DoesNotExist=_NEW,
            Exists=f"{_JOB}\n{_ends_with('hangs')}",
        ),
    ]


class ControlPlane:
    """The running processes of a cluster, and the file with the address and the token of its API server."""

    def __init__(self, folder: Path, documents: Sequence[Mapping[str, Any]] = ()) -> None:
        self.folder = folder
        #: further documents of kwok's configuration
        self._documents = documents
        self.kubeconfig = folder / "kubeconfig"
        #: the text that `kubectl logs` prints for each container
        self.log = folder / "pod.log"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._port, self._store, self._kubelet = free_port(), free_port(), free_port()

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables with which kubectl uses this cluster."""
        return {"KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.folder / "kube-cache")}

    def start(self) -> None:
        """Start all processes, and wait until the API server and its node are ready."""
        peer, client = free_port(), f"http://127.0.0.1:{self._store}"
        self._run(
            "etcd", "--data-dir=etcd", "--unsafe-no-fsync", f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}", f"--listen-peer-urls=http://127.0.0.1:{peer}",
            "--log-level=error",
        )  # fmt: skip
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (self.folder / "accounts.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        (self.folder / "tokens.csv").write_text(f'{_TOKEN},admin,admin,"system:masters"\n')
        self._run(
            "kube-apiserver", f"--etcd-servers={client}", "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1", f"--secure-port={self._port}", "--cert-dir=certificates",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=accounts.key", "--service-account-signing-key-file=accounts.key",
            "--token-auth-file=tokens.csv", "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/16", "--endpoint-reconciler-type=none",
            # etcd 3.5 does not report the progress of a watch
            "--feature-gates=WatchList=false",
        )  # fmt: skip
        self._write_kubeconfig()
        self._wait_for("/readyz")
        options = (f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--secure-port=0")
        self._run(
            "kube-controller-manager", *options, "--service-account-private-key-file=accounts.key",
            "--use-service-account-credentials=false", "--concurrent-deployment-syncs=2",
        )  # fmt: skip
        self._run("kube-scheduler", *options, "--authentication-skip-lookup=true")
        self._start_nodes()
        self._create("/api/v1/nodes", _NODE)
        self.log.write_text("")
        for group, resource, made in _volumes(self.folder):
            self._create(f"{group}/{resource}", made)

    def stop(self) -> None:
        """Stop all processes, the API server before etcd."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in reversed(self._processes):
                if process.poll() is None:
                    process.send_signal(number)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(20)

    def kubectl(self, *arguments: str, document: Any = None) -> str:
        """Run kubectl, and return its output."""
        done = subprocess.run(
            ["kubectl", *arguments], input=json.dumps(document) if document else None, text=True,
            capture_output=True, timeout=PATIENCE, check=False, env={**os.environ, **self.environ},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """Return the JSON document that `kubectl get` prints."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def _run(self, program: str, *arguments: str) -> None:
        with (self.folder / f"{program}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    [locate(Binary(name=program)), *arguments],
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )

    def _write_kubeconfig(self) -> None:
        cluster = {
            "server": f"https://127.0.0.1:{self._port}",
            "certificate-authority": str(self.folder / "certificates" / "apiserver.crt"),
        }
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "tests",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": _TOKEN}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "admin"}}],
        }
        self.kubeconfig.write_text(json.dumps(document))

    def _start_nodes(self) -> None:
        logs = {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "ClusterLogs",
            "metadata": {"name": "logs"},
            "spec": {"logs": [{"logsFile": str(self.log)}]},
        }
        documents = [*_stages(), logs, *self._documents]
        (self.folder / "kwok.yaml").write_text("\n---\n".join(json.dumps(made) for made in documents))
        self._run(
            "kwok", f"--kubeconfig={self.kubeconfig}", "--config=kwok.yaml", "--manage-all-nodes=true",
            f"--server-address=127.0.0.1:{self._kubelet}", "--node-ip=127.0.0.1",
            f"--node-port={self._kubelet}", "--tls-cert-file=certificates/apiserver.crt",
            "--tls-private-key-file=certificates/apiserver.key", "--cidr=10.1.0.0/16",
            "--node-lease-duration-seconds=40",
        )  # fmt: skip

    def _wait_for(self, path: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            assert all(process.poll() is None for process in self._processes), self._logs()
            with contextlib.suppress(OSError):
                self._request(path)
                return
            assert time.monotonic() < deadline, f"{path} does not answer\n{self._logs()}"
            time.sleep(0.1)

    def _create(self, path: str, document: Mapping[str, Any]) -> None:
        self._request(path, json.dumps(document).encode())

    def _request(self, path: str, body: bytes | None = None) -> bytes:
        context = ssl.create_default_context(cafile=str(self.folder / "certificates" / "apiserver.crt"))
        headers = {"Authorization": f"Bearer {_TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"https://127.0.0.1:{self._port}{path}", data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            content: bytes = answer.read()
            return content

    def _logs(self) -> str:
        return "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in self.folder.glob("*.log"))


_NODE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "node", "labels": {"kubernetes.io/hostname": "node", "kubernetes.io/os": "linux"}},
    "status": {
        "capacity": {"cpu": "64", "memory": "256Gi", "pods": "1000"},
        "allocatable": {"cpu": "64", "memory": "256Gi", "pods": "1000"},
    },
}


def _volumes(folder: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Return the default storage class, and volumes to which the controller manager binds claims."""
    storage = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "tests",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
    }
    yield "/apis/storage.k8s.io/v1", "storageclasses", storage
    for _ in range(20):
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"volume-{uuid.uuid4().hex[:8]}"},
            "spec": {
                "capacity": {"storage": "100Gi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "tests",
                "hostPath": {"path": str(folder / "volumes")},
            },
        }
        yield "/api/v1", "persistentvolumes", volume


@contextlib.contextmanager
def control_plane(folder: Path, documents: Sequence[Mapping[str, Any]] = ()) -> Iterator[ControlPlane]:
    """Run a cluster until the end of the `with` statement; kwok's configuration contains the documents."""
    cluster = ControlPlane(folder, documents)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
