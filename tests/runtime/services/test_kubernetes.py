"""The cluster: what its programs get, and what the real control plane does."""

from __future__ import annotations

import json
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.control_plane import ControlPlane, control_plane
from fakes.engine import configuration_of, spec_of
from fakes.stacks import until
from infra_runtime.control_plane.api import ApiError, ControlPlaneApi
from infra_runtime.spec import ServiceSpec, WriteFile, references

PODS = "/api/v1/namespaces/default/pods"
CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"


def file(spec: ServiceSpec, name: str) -> str:
    return next(
        step.text for step in spec.prepare if isinstance(step, WriteFile) and step.path.endswith(name)
    )


def flags(spec: ServiceSpec, program: str) -> dict[str, str]:
    """Return a mapping from flag to value for a program."""
    command = next(
        started["command"] for started in configuration_of(spec)["programs"] if started["name"] == program
    )
    words = [word.removeprefix("--") for word in command if word.startswith("--") and "=" in word]
    return dict(word.split("=", 1) for word in words)


def test_only_the_api_server_and_the_nodes_listen_on_ports() -> None:
    spec = spec_of("kubernetes")

    assert {*spec.ports} == {"api", "kubelet"}
    assert flags(spec, "etcd")["listen-client-urls"].startswith("unix://")
    assert flags(spec, "kube-apiserver")["etcd-servers"] == flags(spec, "etcd")["listen-client-urls"]
    assert {flags(spec, f"kube-{name}")["secure-port"] for name in ("controller-manager", "scheduler")} == {
        "0"
    }


def test_no_command_line_contains_the_token() -> None:
    spec = spec_of("kubernetes")
    words = [word for program in configuration_of(spec)["programs"] for word in program["command"]]

    assert [word for word in words for name in references(word) if name.startswith("secret.")] == []
    assert "${secret.admin}" in file(spec, "/tokens.csv")
    assert json.loads(file(spec, "/kubeconfig"))["users"][0]["user"] == {"token": "${secret.admin}"}


def test_every_file_with_the_token_is_private() -> None:
    files = [step for step in spec_of("kubernetes").prepare if isinstance(step, WriteFile)]

    assert {step.mode for step in files if "secret.admin" in step.text} == {0o600}


def test_the_controller_manager_starts_when_the_api_server_is_ready() -> None:
    """It exits if the server is not healthy within ten seconds, and the whole service would start again."""
    programs = {
        program["name"]: program["command"] for program in configuration_of(spec_of("kubernetes"))["programs"]
    }

    before = programs["kube-controller-manager"].index("${bin.kube-controller-manager}")
    assert programs["kube-controller-manager"][before - 2 : before] == ["--wait", "${data}/cluster.json"]
    assert "--wait" not in programs["kwok"]


def test_options_are_flags_of_the_api_server() -> None:
    spec = spec_of("kubernetes", options={"feature-gates": "WatchList=true", "v": "2"})

    assert flags(spec, "kube-apiserver")["feature-gates"] == "WatchList=true"
    assert flags(spec, "kube-apiserver")["v"] == "2"
    assert flags(spec_of("kubernetes"), "kube-apiserver")["feature-gates"].startswith("WatchList=false")


def test_further_documents_are_part_of_the_simulation() -> None:
    forward = {"kind": "ClusterPortForward", "spec": {"forwards": [{"ports": [80]}]}}

    documents = file(spec_of("kubernetes", simulation=[forward]), "/kwok.yaml").split("\n---\n")

    assert json.loads(documents[-1]) == forward
    assert {"node-ready", "pod-ready"} <= {
        document["metadata"]["name"]
        for document in map(json.loads, documents[:-1])
        if document["kind"] == "Stage"
    }


def test_only_a_durable_cluster_waits_for_the_disk_and_stops_in_an_orderly_way() -> None:
    durable, short = spec_of("kubernetes"), spec_of("kubernetes", durable=False)

    assert [step.signal for step in durable.stop] == [signal.SIGTERM]
    assert [step.signal for step in short.stop] == [signal.SIGKILL]
    assert (flags(durable, "etcd")["unsafe-no-fsync"], flags(short, "etcd")["unsafe-no-fsync"]) == (
        "false",
        "true",
    )


def test_a_cluster_cannot_be_exported() -> None:
    container = spec_of("kubernetes").container

    assert container is not None
    assert "simulated pods" in container.problem


# --- the real control plane ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Return a cluster with two nodes and one volume."""
    with control_plane(tmp_path_factory.mktemp("cluster"), nodes=2, volumes=1) as running:
        yield running


@pytest.fixture
def api(cluster: ControlPlane) -> Iterator[ControlPlaneApi]:
    endpoint = cluster.endpoint
    with ControlPlaneApi(endpoint.host, endpoint.port, endpoint["token"], endpoint["ca"]) as api:
        yield api


def pod(name: str, image: str = "shop:1") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "image": image}]},
    }


def claim(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


@pytest.mark.real("kubernetes")
def test_files_with_secrets_are_private(cluster: ControlPlane) -> None:
    data = cluster.endpoint.data

    names = ("kubeconfig", "tokens.csv", "cluster.json", "admin.secret", "certificates/apiserver.key")
    assert {name: stat.S_IMODE((data / name).stat().st_mode) for name in names} == dict.fromkeys(names, 0o600)


@pytest.mark.real("kubernetes")
def test_the_server_refuses_a_wrong_token_and_has_a_certificate_for_its_address(
    cluster: ControlPlane, api: ControlPlaneApi
) -> None:
    endpoint = cluster.endpoint
    with (
        ControlPlaneApi(endpoint.host, endpoint.port, "wrong", endpoint["ca"]) as other,
        pytest.raises(ApiError, match="status 401: Unauthorized"),
    ):
        other.get("/api/v1/namespaces")

    assert api.is_ready()
    assert Path(endpoint["ca"]).read_text(encoding="ascii").startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.real("kubernetes")
def test_a_pod_is_ready_and_the_tag_of_its_image_determines_what_it_reports(api: ControlPlaneApi) -> None:
    for tag in ("1", "crashes", "missing"):
        assert api.create(PODS, pod(f"pod-{tag}", f"shop:{tag}"))
    assert not api.create(PODS, pod("pod-1"))

    def state(tag: str) -> str:
        (status,) = api.get(f"{PODS}/pod-{tag}")["status"].get("containerStatuses") or ({},)
        if status.get("ready"):
            return "ready"
        return status.get("state", {}).get("waiting", {}).get("reason", "")

    until(lambda: state("1") == "ready")
    until(lambda: (state("crashes"), state("missing")) == ("CrashLoopBackOff", "ImagePullBackOff"))
    for tag in ("1", "crashes", "missing"):
        api.delete(f"{PODS}/pod-{tag}")
    until(lambda: api.get(PODS)["items"] == [])
    api.delete(f"{PODS}/pod-1")  # a missing resource is not an error


@pytest.mark.real("kubernetes")
def test_a_volume_is_used_again_when_its_claim_is_deleted(api: ControlPlaneApi) -> None:
    for name in ("first", "second"):
        api.create(CLAIMS, claim(name))
        until(lambda name=name: api.get(f"{CLAIMS}/{name}")["status"].get("phase") == "Bound")
        api.delete(f"{CLAIMS}/{name}")
        until(lambda: api.get(CLAIMS)["items"] == [])


@pytest.mark.real("kubernetes")
def test_the_kinds_of_a_namespace_are_found(api: ControlPlaneApi) -> None:
    pods = list(api.namespaced())

    assert {("/api/v1", "configmaps"), ("/apis/apps/v1", "deployments")} <= {*pods}
    assert "nodes" not in {kind for _, kind in pods}
    assert len(pods) == len({*pods})


@pytest.mark.real("kubernetes", "kubectl")
def test_kubectl_prints_the_text_of_the_file_as_the_log_of_each_pod(cluster: ControlPlane) -> None:
    cluster.kubectl("run", "logged", "--image=shop:1")
    cluster.kubectl("wait", "--for=condition=Ready", "pod/logged", "--timeout=120s")
    cluster.log.write_text("2030-01-01T00:00:00.0Z stdout F hello\n", encoding="utf-8")

    assert cluster.kubectl("logs", "logged") == "hello\n"
    cluster.kubectl("delete", "pod", "logged")
