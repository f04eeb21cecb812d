"""A plan as a Kustomize base and overlays: valid, complete, reproducible, and with the least privileges."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.any_stack import stacks
from fakes.engine import spec_of
from fakes.kubernetes_schemas import problems
from fakes.project import Project, empty_project
from fakes.samples import every, sample
from infra_runtime.config.masking import masked_copy
from infra_runtime.engines.kubernetes import Kubernetes, mapping
from infra_runtime.engines.kubernetes.cluster import ENVIRONMENTS, LONGEST_NAME, port_name, workload_names
from infra_runtime.engines.kubernetes.patches import patch
from infra_runtime.engines.output import first_line
from infra_runtime.engines.project import check_secrets
from infra_runtime.engines.protocol import Engine
from infra_runtime.engines.references import host_name
from infra_runtime.errors import ConfigurationError
from infra_runtime.manifest import KINDS
from infra_runtime.plan import Plan
from infra_runtime.services.image_service import ImageServiceSettings
from infra_runtime.services.user_service import UserServiceSettings
from infra_runtime.spec import ServiceSpec

pytest.importorskip("jsonschema", reason="the minimal profile has no schema validator")
yaml = pytest.importorskip("yaml", reason="the minimal profile has no YAML parser")

API = """\
[services.api]
command = ["${bin.uvicorn}", "shop:app", "--host", "${host}", "--port", "${port.http}"]
ports = { http = 8000 }
ready = { http = "/health" }
"""
SHOP = (
    """\
use = ["postgres", "nats", "valkey", "caddy", "api"]
[services.migrate]
command = ["${bin.python}", "-m", "shop.migrate"]
env = { DATABASE_URL = "${postgres.url}" }
task = true
"""
    + API
    + """\
needs = ["migrate"]
env = { DB = "${postgres.url}", PASSWORD = "${postgres.password}", N = "${nats.url}", K = "${env.KEY}", \
D = "${env.D:-a$b}", Y = "y", E = "1e3", MIXED = "<${env.KEY}>", V = "${valkey.url?}", \
DOLLARS = "$$(X) $$$$x $$" }
route = { path = "/api/*", host = "shop.example" }
metrics = "/metrics"
"""
)
STACKS = {
    "the default stack": "",
    "a shop": SHOP,
    "other kinds": "use = ['redis', 'rabbitmq', 'kafka', 'mongodb', 'mariadb', 'prometheus', 'etcd', 's3',"
    " 'mail', 'memcached', 'mosquitto', 'alertmanager', 'redis-exporter', 'node-exporter', 'postgres',"
    " 'pgbouncer']\n",
    "another proxy": "use = ['proxy', 'api']\nproxy = 'traefik'\n" + API + "route = '/'\n",
    "an image": "use = ['search']\n[services.search]\nimage = 'ghcr.io/acme/search:1.2'\nuser = '1000'\n"
    "ports = { http = 9200 }\ncontainer_ports = { http = 80 }\nvolumes = { '/var/lib/search' = '${data}' }\n"
    "ready = { exec = ['search', 'ping'] }\ncwd = '/srv'\n[services.search.container]\nstorage = '20Gi'\n",
    "operators": "use = ['postgres', 'rabbitmq', 'api', 'postgres-exporter']\n"
    "[services.postgres]\nversion = 17\nextensions = ['vector', 'pg_trgm']\n"
    "options = { shared_preload_libraries = 'pg_stat_statements', work_mem = '64MB' }\n"
    "operator = { name = 'cloudnative-pg', instances = 5, storage = '50Gi' }\n"
    "[services.rabbitmq]\nplugins = ['rabbitmq_stomp']\noptions = { heartbeat = '30' }\n"
    "operator = 'rabbitmq-cluster-operator'\n"
    + API
    + "env = { DB = '${postgres.url}', PASSWORD = '${postgres.password}', U = '${rabbitmq.url}' }\n",
    "names": "use = ['x-api_x', 'tack', 'default']\n[services.x-api_x]\ncommand = ['run']\n"
    f"ports = {{ 1 = 8001, {'a' * 40} = 8002, a_b = 8003, a-b = 8004 }}\n"
    "[services.tack]\ncommand = ['run', '${data}']\n[services.default]\ncommand = ['run']\n"
    f"[services.{'n' * 60}]\ncommand = ['run']\nneeds = ['x-api_x']\n",
    "only in production": "use = ['valkey']\n[environment.production]\nuse = ['valkey', 'caddy', 'api']\n"
    + API
    + "route = '/'\n",
}
TOPOLOGY = """\
use = ["rabbitmq"]
[services.rabbitmq]
operator = "rabbitmq-cluster-operator"
topology = { queues = { a = {} } }
"""
Models = Mapping[str, Mapping[tuple[str, str], Any]]


def engine(**more: str) -> Kubernetes:
    return Kubernetes(**{"project": "shop", "registry": "registry.example/shop", "tag": "1.4.2", **more})


def plans(project: Project) -> list[Plan]:
    return [
        project.resolve(environment=environment, variables_required=False).plan
        for environment in ENVIRONMENTS
    ]


def model(project: Project, text: str, environment: str = "development", **more: str) -> dict[Any, Any]:
    """Return a mapping from (kind, name) to the resource, for one environment."""
    project.write(text)
    plan = project.resolve(environment=environment, variables_required=False).plan
    return {key: made for key, (_, made) in engine(**more).model(plan).items()}


def error_of(project: Project, text: str, environment: str = "development") -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        model(project, text, environment)
    return caught.value


def documents(text: str) -> dict[tuple[str, str], Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    read = [document for document in yaml.load_all(text, loader) if document]
    return {(document["kind"], document["metadata"]["name"]): document for document in read}


def pods(resources: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for (kind, name), resource in resources.items():
        if kind in ("Deployment", "StatefulSet", "Job"):
            yield name, resource["spec"]["template"]["spec"]


def mounts_without_volume(resources: Mapping[Any, Any]) -> list[tuple[str, str]]:
    """Return workload and name of each mounted volume that the workload does not have."""
    missing = []
    for (kind, name), resource in resources.items():
        if kind in ("Deployment", "StatefulSet", "Job"):
            pod = resource["spec"]["template"]["spec"]
            claims = resource["spec"].get("volumeClaimTemplates", ())
            known = {volume["name"] for volume in pod.get("volumes", ())}
            known |= {claim["metadata"]["name"] for claim in claims}
            mounts = (mount for container in pod["containers"] for mount in container.get("volumeMounts", ()))
            missing += [(name, mount["name"]) for mount in mounts if mount["name"] not in known]
    return missing


# --- every stack -----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=sample([*STACKS]))
def rendered(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Mapping[str, str], Models, Project]]:
    """Return the files of a stack, and a mapping from environment to its resources."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        project = empty_project(tmp_path_factory.mktemp("rendered"), monkeypatch)
        project.write(STACKS[request.param])
        resolved = plans(project)
        models = {
            plan.environment: {key: made for key, (_, made) in engine().model(plan).items()}
            for plan in resolved
        }
        yield engine().render_environments(resolved), models, project


Rendered = tuple[Mapping[str, str], Models, Project]


def test_every_resource_is_valid(rendered: Rendered) -> None:
    for resources in rendered[1].values():
        for resource in resources.values():
            assert problems(resource) == []


def test_the_schemas_detect_misspelled_fields_and_wrong_types() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": []}}
    monitor = {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {}}
    endpoint = {"selector": {}, "endpoints": [{"intervall": "30s"}]}

    assert problems(service) == []
    assert problems({**service, "spec": {"prots": []}})
    assert problems({**service, "spec": {"ports": [{"port": "80"}]}})
    assert problems({**monitor, "spec": endpoint})
    assert problems({"apiVersion": "v2", "kind": "Service"})


@pytest.mark.process
def test_base_and_overlay_together_are_the_resources_of_the_environment(
    rendered: Rendered, tmp_path: Path
) -> None:
    files, models, project = rendered
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    secrets = tmp_path / "overlays" / "development" / "secrets"
    secrets.mkdir()
    for name in engine().secrets(plans(project)[0]):
        (secrets / name).write_text("value")

    for environment, wanted in models.items():
        folder = tmp_path / "overlays" / environment
        answer = subprocess.run(
            [kubectl, "kustomize", str(folder)], capture_output=True, text=True, timeout=120, check=False
        )
        assert answer.returncode == 0, answer.stderr
        built = documents(answer.stdout)
        assert {key: value for key, value in built.items() if key[0] != "Secret"} == dict(wanted)
        assert all(problems(resource) == [] for resource in built.values())


def test_the_same_stack_results_in_the_same_bytes(rendered: Rendered) -> None:
    files, _, project = rendered

    assert engine().render_environments(plans(project)) == files
    assert all(text.startswith(first_line("kubernetes")) for text in files.values())


def test_no_file_has_a_path_of_this_machine_or_a_reference(rendered: Rendered) -> None:
    text = "".join(rendered[0].values())

    assert str(rendered[2].root) not in text
    assert not [word for word in ("bin.", "${host}", "${data}", "hostPath") if word in text]


def test_no_pod_has_more_privileges_than_it_needs(rendered: Rendered) -> None:
    """Source: Kubernetes documentation, "Pod Security Standards", restricted."""
    for resources in rendered[1].values():
        for name, pod in pods(resources):
            assert pod["securityContext"]["runAsNonRoot"] is True, name
            assert pod["securityContext"].get("runAsUser", 1) > 0
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            assert (pod["enableServiceLinks"], pod["automountServiceAccountToken"]) == (False, False)
            for container in (*pod["containers"], *pod.get("initContainers", ())):
                context = container["securityContext"]
                assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (
                    False,
                    True,
                )
                assert context["capabilities"]["drop"] == ["ALL"]
                assert set(context["capabilities"].get("add", ())) <= {"NET_BIND_SERVICE"}


def test_names_are_labels_and_every_reference_has_its_resource(rendered: Rendered) -> None:
    for resources in rendered[1].values():
        for (kind, name), resource in resources.items():
            assert len(name) <= 63
            if kind == "Ingress":
                for rule in resource["spec"]["rules"]:
                    for path in rule["http"]["paths"]:
                        assert ("Service", path["backend"]["service"]["name"]) in resources
            if kind == "HorizontalPodAutoscaler":
                target = resources["Deployment", resource["spec"]["scaleTargetRef"]["name"]]
                assert "replicas" not in target["spec"]
        for _, pod in pods(resources):
            for volume in pod.get("volumes", ()):
                if "configMap" in volume:
                    assert ("ConfigMap", volume["configMap"]["name"]) in resources


def test_kubernetes_implements_the_engine_protocol() -> None:
    kubernetes: Engine = engine()

    assert kubernetes.name == "kubernetes"


# --- the services ----------------------------------------------------------------------------------


def test_environments_differ_in_size_and_level(project: Project) -> None:
    by_environment = {environment: model(project, SHOP, environment) for environment in ENVIRONMENTS}

    def api(environment: str) -> Any:
        return by_environment[environment]["Deployment", "api"]["spec"]

    def requests(environment: str) -> Any:
        return api(environment)["template"]["spec"]["containers"][0]["resources"]["requests"]

    assert [api(environment).get("replicas") for environment in ENVIRONMENTS] == [1, 2, None]
    assert requests("development") == {"cpu": "50m", "memory": "64Mi"}
    assert requests("staging") == {"cpu": "100m", "memory": "128Mi"}
    assert requests("production") == {"cpu": "200m", "memory": "256Mi"}
    scaler = by_environment["production"]["HorizontalPodAutoscaler", "api"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 10)
    assert ("PodDisruptionBudget", "api") in by_environment["production"]
    assert ("HorizontalPodAutoscaler", "api") not in by_environment["staging"]
    spread = api("production")["template"]["spec"]["topologySpreadConstraints"][0]
    assert spread["topologyKey"] == "topology.kubernetes.io/zone"
    levels = [
        {entry["name"]: entry.get("value") for entry in api(name)["template"]["spec"]["containers"][0]["env"]}
        for name in ENVIRONMENTS
    ]
    assert [level["LOG_LEVEL"] for level in levels] == ["debug", "info", "warning"]


def test_secrets_are_references_and_dollar_signs_are_escaped(project: Project) -> None:
    container = model(project, SHOP)["Deployment", "api"]["spec"]["template"]["spec"]["containers"][0]
    entries = {entry["name"]: entry for entry in container["env"]}
    order = list(entries)

    def key(name: str) -> tuple[str, str]:
        source = entries[name]["valueFrom"]["secretKeyRef"]
        return source["name"], source["key"]

    assert entries["DB"]["value"] == (
        "postgresql://postgres:$(INFRA_SECRET_POSTGRES_PASSWORD)@postgres:5432/postgres"
    )
    assert order.index("INFRA_SECRET_POSTGRES_PASSWORD") < order.index("DB")
    assert key("PASSWORD") == ("shop-secrets", "postgres-password")
    assert key("K") == ("shop-variables", "KEY")
    assert entries["MIXED"]["value"] == "<$(INFRA_ENV_KEY)>"
    assert entries["D"]["value"] == "a$b"
    assert entries["DOLLARS"]["value"] == "$$(X) $$$x $$"
    assert (entries["Y"]["value"], entries["E"]["value"]) == ("y", "1e3")


@every(
    [
        ("env.A", 'env.A = "a\\u007fb"\n'),
        ("env.A", 'env.A = "first\\nsecond \\u0085"\n'),
        ("env.A", 'env.A = "${env.X:-\\uffff}"\n'),
        ("command", 'command = ["serve", "\\u009f"]\n'),
    ]
)
def test_a_character_that_kustomize_cannot_read_is_an_error(field: str, line: str) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        error = error_of(
            empty_project(Path(folder), monkeypatch),
            f"use = ['api']\n[services.api]\n{line}" + ("" if "command" in line else "command = ['run']\n"),
        )

    assert "which Kustomize cannot read" in error.message
    assert error.where == f"services.api.{field}"


def test_a_variable_that_a_container_cannot_have_is_an_error(project: Project) -> None:
    """Source: Kubernetes documentation, "Define Environment Variables for a Container"."""
    error = error_of(project, f"use = ['api']\n{API}env = {{ 'ä' = 'x' }}\n")

    assert "cannot have a variable with the name 'ä'" in error.message
    assert error.where == "services.api.env.ä"
    assert model(project, f"use = ['api']\n{API}env = {{ 'a b-c.1' = 'x' }}\n")


@pytest.mark.parametrize(
    "host", ["a_b.example", "a..b", "shop.example:8443", "shöp.example", "10.0.0.1", "shop.*", "-a.example"]
)
def test_a_host_that_an_ingress_cannot_have_is_an_error(project: Project, host: str) -> None:
    error = error_of(project, f"use = ['api', 'caddy']\n{API}route = {{ path = '/', host = '{host}' }}\n")

    assert f"an Ingress cannot have the host '{host}'" in error.message
    assert error.where == "services.api.route"


def test_the_hosts_of_routes_are_those_of_the_ingress(project: Project) -> None:
    text = f"use = ['api', 'web', 'caddy']\n{API}route = {{ path = '/', host = '*.Shop.example' }}\n"
    text += (
        "[services.web]\ncommand = ['web']\nports = { http = 8001 }\nroute = { path = '/w', host = '*' }\n"
    )

    rules = model(project, text)["Ingress", "caddy"]["spec"]["rules"]

    assert [rule["host"] for rule in rules] == ["*.shop.example"]


@pytest.mark.parametrize(
    "image", ["A B:x y", " a", "acme/Api", "acme/api:", "acme//api", "http://a/b", "a:b:c"]
)
def test_a_name_that_is_not_the_name_of_an_image_is_an_error(project: Project, image: str) -> None:
    own = error_of(project, f"use = ['api']\n{API}[services.api.container]\nimage = '{image}'\n")
    kind = error_of(project, f"use = ['valkey']\n[services.valkey]\nimage = '{image}'\n")

    assert f"'{image}' is not the name of an image" in own.message
    assert own.where == "services.api.container.image"
    assert kind.where == "services.valkey.image"


def test_data_are_kept_in_a_claim_of_one_writer(project: Project) -> None:
    resource = model(project, SHOP)["StatefulSet", "postgres"]["spec"]

    assert resource["replicas"] == 1
    assert resource["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "10Gi"
    mounts = {m["name"]: m for m in resource["template"]["spec"]["containers"][0]["volumeMounts"]}
    assert mounts["data"] == {"name": "data", "mountPath": "/var/lib/postgresql", "subPath": "data"}
    assert mounts["scratch-1"]["mountPath"] == "/var/run/postgresql"


def test_the_stack_file_sets_replicas_storage_and_user(project: Project) -> None:
    table = "[services.api.container]\nimage = 'a/b:1'\nreplicas = 4\nuid = 1234\n"
    resources = model(project, f"use = ['api']\n{API}{table}", "production")

    assert resources["Deployment", "api"]["spec"]["replicas"] == 4
    assert resources["Deployment", "api"]["spec"]["template"]["spec"]["securityContext"]["runAsUser"] == 1234
    assert ("HorizontalPodAutoscaler", "api") not in resources
    claims = model(project, STACKS["an image"])["StatefulSet", "search"]["spec"]["volumeClaimTemplates"]
    assert claims[0]["spec"]["resources"]["requests"]["storage"] == "20Gi"


def test_a_task_is_a_job_whose_name_changes_with_its_content(project: Project) -> None:
    def jobs(text: str) -> list[str]:
        return [name for kind, name in model(project, text) if kind == "Job"]

    first = jobs(SHOP)

    assert len(first) == 1
    assert first[0].startswith("migrate-")
    assert jobs(SHOP) == first
    assert jobs(SHOP.replace("shop.migrate", "shop.migrate2")) != first


def test_the_data_of_a_task_are_kept_in_a_claim(project: Project) -> None:
    text = "use = ['load']\n[services.load]\ncommand = ['load', '${data}']\ntask = true\n"
    resources = model(project, text)
    (job,) = (made for (kind, _), made in resources.items() if kind == "Job")

    assert ("PersistentVolumeClaim", "load-data") in resources
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "load-data"}} in job["spec"]["template"][
        "spec"
    ]["volumes"]
    assert mounts_without_volume(resources) == []


def test_network_policies_follow_the_dependencies(project: Project) -> None:
    resources = model(project, SHOP)

    def peers(name: str) -> set[str]:
        rules = resources["NetworkPolicy", name]["spec"]["ingress"]
        pods = [peer for rule in rules for peer in rule.get("from", ()) if "podSelector" in peer]
        return {peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for peer in pods}

    assert resources["NetworkPolicy", "default.deny"]["spec"]["podSelector"] == {}
    assert peers("postgres") == {"migrate", "api"}
    assert peers("valkey") == {"api"}
    assert peers("api") == {"caddy"}
    assert {"ports": [{"protocol": "TCP", "port": 80}]} in resources["NetworkPolicy", "caddy"]["spec"][
        "ingress"
    ]


def test_probes_use_the_fields_of_kubernetes_and_fall_back_to_a_command(project: Project) -> None:
    def check(text: str) -> Any:
        return model(project, text)["Deployment", "api"]["spec"]["template"]["spec"]["containers"][0]

    http = check(f"use = ['api']\n{API}")["readinessProbe"]
    assert http["httpGet"] == {"path": "/health", "port": 8000, "scheme": "HTTP"}
    assert check(f"use = ['api']\n{API}start_timeout = 90\n")["startupProbe"]["failureThreshold"] == 45
    contains = API.replace('"/health" }', '"/health", contains = "ok" }')
    assert check(f"use = ['api']\n{contains}")["livenessProbe"]["exec"]["command"][:2] == ["python", "-c"]
    tcp = API.replace('{ http = "/health" }', "{ tcp = true }")
    assert check(f"use = ['api']\n{tcp}")["readinessProbe"]["tcpSocket"] == {"port": 8000}


def test_an_ingress_with_a_host_has_a_certificate(project: Project) -> None:
    resources = model(project, SHOP, "production", host="www.shop.example", email="ops@shop.example")
    ingress = resources["Ingress", "caddy"]

    assert ingress["metadata"]["annotations"] == {"cert-manager.io/cluster-issuer": "shop-production"}
    assert ingress["spec"]["tls"][0]["hosts"] == ["www.shop.example", "shop.example"]
    assert resources["ClusterIssuer", "shop-production"]["spec"]["acme"]["email"] == "ops@shop.example"
    policy = resources["NetworkPolicy", "certificates.allow"]["spec"]  # of the pods of cert-manager
    assert policy["podSelector"]["matchLabels"] == {"acme.cert-manager.io/http01-solver": "true"}
    assert policy["ingress"] == [{"ports": [{"protocol": "TCP", "port": 8089}]}]
    development = model(project, SHOP)
    assert development["ClusterIssuer", "shop-development"]["spec"] == {"selfSigned": {}}
    assert ("NetworkPolicy", "certificates.allow") not in development
    assert not [kind for kind, _ in model(project, "use = ['caddy']") if kind == "ClusterIssuer"]


def test_metrics_have_a_service_monitor_outside_of_development(project: Project) -> None:
    monitor = model(project, SHOP, "staging")["ServiceMonitor", "api"]

    assert monitor["spec"]["endpoints"] == [{"port": "http", "path": "/metrics", "interval": "30s"}]
    assert ("ServiceMonitor", "api") not in model(project, SHOP)


# --- operators -------------------------------------------------------------------------------------


def test_an_operator_replaces_the_stateful_set_with_its_services_and_secrets(project: Project) -> None:
    resources = model(project, STACKS["operators"], "production")
    cluster = resources["Cluster", "postgres"]["spec"]
    container = resources["Deployment", "api"]["spec"]["template"]["spec"]["containers"][0]
    entries = {entry["name"]: entry for entry in container["env"]}

    def source(name: str) -> tuple[str, str]:
        reference = entries[name]["valueFrom"]["secretKeyRef"]
        return reference["name"], reference["key"]

    assert (cluster["instances"], cluster["storage"]) == (5, {"size": "50Gi"})
    assert cluster["imageName"] == "ghcr.io/cloudnative-pg/postgresql:17-standard-bookworm"
    assert cluster["postgresql"]["parameters"] == {"jit": "off", "work_mem": "64MB"}
    assert cluster["postgresql"]["shared_preload_libraries"] == ["pg_stat_statements"]
    assert cluster["bootstrap"]["initdb"]["builtinLocale"] == "C.UTF-8"
    assert cluster["bootstrap"]["initdb"]["postInitApplicationSQL"] == [
        'CREATE EXTENSION IF NOT EXISTS "vector" CASCADE',
        'CREATE EXTENSION IF NOT EXISTS "pg_trgm" CASCADE',
    ]
    assert resources["Cluster", "postgres"]["metadata"]["annotations"] == {
        "infra/ready": "Ready",
        "infra/members": "instances",
        "infra/pods": "cnpg.io/cluster=postgres",
    }
    assert resources["RabbitmqCluster", "rabbitmq"]["metadata"]["annotations"] == {
        "infra/ready": "AllReplicasReady",
        "infra/members": "replicas",
        "infra/pods": "app.kubernetes.io/name=rabbitmq,app.kubernetes.io/component=rabbitmq",
    }
    assert resources["RabbitmqCluster", "rabbitmq"]["spec"]["replicas"] == 3
    assert resources["RabbitmqCluster", "rabbitmq"]["spec"]["rabbitmq"] == {
        "additionalPlugins": ["rabbitmq_stomp"],
        "additionalConfig": "heartbeat = 30\n",
    }
    assert not [key for key in resources if key[0] == "StatefulSet"]
    assert not {("Service", "postgres"), ("Service", "rabbitmq")} & resources.keys()
    assert entries["DB"]["value"] == (
        "postgresql://app:$(INFRA_SECRET_POSTGRES_PASSWORD)@postgres-rw:5432/app"
    )
    assert source("PASSWORD") == source("INFRA_SECRET_POSTGRES_PASSWORD") == ("postgres-app", "password")
    assert entries["U"]["value"].startswith("amqp://$(INFRA_SECRET_RABBITMQ_USERNAME):")
    assert source("INFRA_SECRET_RABBITMQ_USERNAME") == ("rabbitmq-default-user", "username")
    monitor = resources["ServiceMonitor", "rabbitmq"]["spec"]
    assert monitor["endpoints"][0]["port"] == "prometheus"


def test_the_secrets_of_an_operator_need_not_be_created(project: Project) -> None:
    project.write(STACKS["operators"])
    resolved = plans(project)

    assert engine().secrets(resolved[0]) == []
    assert engine().required_secrets(resolved[2]) == {}


def test_network_policies_select_the_pods_of_an_operator(project: Project) -> None:
    resources = model(project, STACKS["operators"])
    own = {"podSelector": {"matchLabels": {"cnpg.io/cluster": "postgres"}}}
    policy = resources["NetworkPolicy", "postgres"]["spec"]

    assert policy["podSelector"] == own["podSelector"]
    assert {"from": [own]} in policy["ingress"]
    assert {"to": [own]} in policy["egress"]
    assert {"protocol": "TCP", "port": 8000} in policy["ingress"][-1]["ports"]
    assert {"to": [own], "ports": [{"protocol": "TCP", "port": 5432}]} in resources["NetworkPolicy", "api"][
        "spec"
    ]["egress"]


def test_an_operator_can_be_used_in_production_only(project: Project) -> None:
    text = "use = ['postgres']\n[environment.production.services.postgres]\noperator = 'cloudnative-pg'\n"

    assert ("StatefulSet", "postgres") in model(project, text, "staging")
    assert model(project, text, "production")["Cluster", "postgres"]["spec"]["instances"] == 3


@pytest.mark.parametrize(
    ("text", "problem", "where"),
    [
        ("use = ['postgres']\n[services.postgres]\nextensions = ['postgis']\noperator = 'cloudnative-pg'\n",
         "does not have the extension 'postgis'", "services.postgres.operator"),
        (TOPOLOGY,
         "does not declare exchanges and queues", "services.rabbitmq.operator"),
    ],
)  # fmt: skip
def test_a_setting_without_support_of_the_operator_is_an_error(
    project: Project, text: str, problem: str, where: str
) -> None:
    error = error_of(project, text)

    assert problem in error.message
    assert error.where == where


def test_an_unknown_operator_is_an_error_with_the_known_one(project: Project) -> None:
    error = error_of(project, "use = ['postgres']\n[services.postgres]\noperator = 'zalando'\n")

    assert "cloudnative-pg" in error.message


# --- settings that a cluster does not support ------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem", "where"),
    [
        ("use = ['caddy']\n[services.caddy]\nroutes = [{ files = 'public' }]\n", "not exist in a cluster",
         "services.caddy.routes"),
        ("use = ['s']\n[services.s]\nimage = 'a/b:1'\nvolumes = { '/etc/a' = 'a.yml' }\n",
         "path 'a.yml' of this machine", "services.s.volumes"),
        ("use = ['s']\n[services.s]\nimage = 'a/b:1'\nuser = 'web'\n", "requires a number other than 0",
         "services.s.user"),
        (f"use = ['api']\n{API}env = {{ A = '${{postgres.socket_url}}' }}\n", "another container",
         "services.api.env.A"),
        (f"use = ['api', 'pocketbase']\n{API}needs = ['pocketbase']\n", "has no container image",
         "services.api.needs"),
        ("use = ['api']\n[services.api]\ncommand = ['run', '${postgres.password}']\n", "which only `env` can",
         "services.api.command"),
        ("use = ['api']\n[services.api]\ncommand = ['run']\nready = { exec = ['a', '${env.A}'] }\n",
         "replaces variables only in `env`", "services.api.ready"),
        ("use = ['api']\n[services.api]\ncommand = ['PROJECT/run.sh']\n",
         "path 'PROJECT/run.sh' of this machine", "services.api.command"),
        ("use = ['api']\n[services.api]\ncommand = ['run', '--data=PROJECT']\n",
         "path 'PROJECT' of this machine", "services.api.command"),
        (f"use = ['api']\n{API}env = {{ A = 'file:PROJECT/a.toml' }}\n",
         "path 'PROJECT/a.toml' of this machine", "services.api.env.A"),
        (f"use = ['api']\n{API}cwd = '/srv/app'\n", "the working directory '/srv/app'", "services.api.cwd"),
        (f"use = ['api']\n{API}cwd = 'PROJECT/app'\n", "the working directory 'PROJECT/app'",
         "services.api.cwd"),
    ],
)  # fmt: skip
def test_a_setting_that_no_cluster_has_is_an_error(
    project: Project, text: str, problem: str, where: str
) -> None:
    text, problem = (template.replace("PROJECT", str(project.root)) for template in (text, problem))
    error = error_of(project, text)

    assert problem in error.message
    assert error.where == where


def test_similar_paths_and_folders_of_the_image_are_exported(project: Project) -> None:
    root = project.root
    model(
        project,
        "use = ['api', 'job']\n"
        f"{API}env = {{ A = '{root}x/a', B = '/x{root}', C = '${{root}}/c' }}\ncwd = 'app'\n"
        "[services.job]\ncommand = ['/usr/bin/run']\ncwd = '/srv'\ncontainer.image = 'acme/job:1'\n",
    )


@pytest.mark.parametrize("folder", ["/", "/tmp", "/app", "/app/shop"])
def test_a_working_directory_that_the_generated_image_has_is_exported(project: Project, folder: str) -> None:
    model(project, f"use = ['api']\n{API}cwd = '{folder}'\n")


@pytest.mark.parametrize(
    "text",
    [
        "use = ['nats']\n",
        "use = ['job']\n[services.job]\nimage = 'acme/job:1'\ncommand = ['/data/bin/run']\n",
        "use = ['job']\n[services.job]\ncommand = ['/data/run']\ncontainer.image = 'acme/job:1'\n",
    ],
)
def test_a_path_in_an_image_can_be_equal_to_the_folder_of_the_project(project: Project, text: str) -> None:
    project.write(text)
    plan = project.resolve(environment="production", variables_required=False).plan

    engine().render(replace(plan, root="/data"))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("namespace", "Bad_Name"), ("namespace", "n" * 64), ("namespace", "-n"), ("namespace", "a.b"),
        ("tag", "a/b"), ("tag", "t" * 129), ("tag", ".1"), ("tag", "a b"),
        ("registry", "reg.example/Shop"), ("registry", "reg.example//shop"), ("registry", "shop/"),
        ("registry", "https://reg.example/shop"),
        ("host", "a_b.example"), ("host", "-x.example"), ("host", "shop.example/a"), ("host", "a.*.b"),
        ("host", "10.0.0.1"), ("host", ".".join(["a" * 60] * 5)),
        ("email", "ada"), ("email", "@x y"),
    ],
)  # fmt: skip
def test_an_option_that_a_cluster_refuses_is_an_error(option: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--{option}: .* is not valid"):
        engine(**{option: value})


def test_valid_options_are_accepted() -> None:
    engine(namespace="n" * 63, tag="V1.2_3-rc", registry="localhost:5000/a-b/c__d", host="*.Shop.example")
    engine(registry="shop", host="1.example", email="ada@shop.example")
    engine(registry="localhost:5000")


def test_the_environment_test_is_refused(project: Project) -> None:
    assert "cannot be exported to a cluster" in error_of(project, "use = ['valkey']", "test").message


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("api.env.API_PASSWORD", f"{API}env = {{ API_PASSWORD = 'hunter2' }}\n"),
        ("api.env.DB", f"{API}env = {{ DB = 'postgres://me:hunter2@db/shop' }}\n"),
        ("api.env.DSN", f"{API}env = {{ DSN = 'host=db password=hunter2' }}\n"),
        ("api.env.TOKEN", f"{API}env = {{ TOKEN = '${{env.TOKEN:-hunter2}}' }}\n"),
        ("api.command", "[services.api]\ncommand = ['serve', '--password=hunter2']\n"),
        ("api.command", "[services.api]\ncommand = ['serve', '--token', 'hunter2']\n"),
        ("api.command", "[services.api]\nimage = 'acme/api:1'\ncommand = ['--api-key=hunter2']\n"),
        (
            "api.container.health",
            f"{API}[services.api.container]\nhealth = ['curl', '-H', 'Authorization: Bearer hunter2']\n",
        ),
        (
            "api.options.authorization.token",
            "[services.api]\nkind = 'nats'\noptions.authorization.token = 'hunter2'\n",
        ),
        ("api.options.default_pass", "[services.api]\nkind = 'rabbitmq'\noptions.default_pass = 'hunter2'\n"),
    ],
)
def test_a_secret_in_plain_text_is_refused_outside_of_development(
    project: Project, key: str, text: str
) -> None:
    project.write(f"use = ['api']\n{text}")

    check_secrets([project.resolve(environment="development", variables_required=False)])
    for environment in ("staging", "production"):
        with pytest.raises(
            ConfigurationError, match=f"services.{key} contains a secret in plain text"
        ) as caught:
            check_secrets([project.resolve(environment=environment, variables_required=False)])
        assert "hunter2" not in str(caught.value)


def test_no_kind_has_an_account_with_a_constant_password_in_a_container() -> None:
    for kind in KINDS:
        spec = spec_of(kind)
        exports = {**spec.exports, **spec.container.exports} if spec.container else {}
        exports.pop("access_key", None)  # the name of an account
        assert masked_copy(exports) == exports, kind


def test_settings_that_only_have_the_name_of_a_secret_are_exported(project: Project) -> None:
    project.write(
        "use = ['postgres', 'mongodb', 'api']\n[services.postgres.options]\n"
        "password_encryption = 'scram-sha-256'\n[services.mongodb]\n"
        "indexes.orders = [{ keys = ['customer'] }]\n"
        f"{API}env = {{ TOKEN = '${{env.TOKEN}}', TOKEN_FILE = '/run/x', P = '${{postgres.password}}' }}\n"
    )
    arguments = [
        "serve",
        "--tokenizer=gpt2",
        "--max-tokens=4096",
        "--max-tokens",
        "4096",
        "--token-url=https://id.example",
    ]
    arguments += ["--cookie-domain=shop.example", "--sort-keys=true", "--password-min-length", "8"]

    check_secrets([project.resolve(environment="production", variables_required=False)])
    project.write(f"use = ['api']\n[services.api]\ncommand = {arguments}\n")
    check_secrets([project.resolve(environment="production", variables_required=False)])


def test_long_and_invalid_names_are_shortened_with_a_hash() -> None:
    long, longer = (host_name("a" * length, longest=LONGEST_NAME) for length in (80, 81))

    assert host_name("my_api", longest=LONGEST_NAME) == "my-api"
    assert len(long) == len(longer) == 52
    assert long != longer
    assert port_name("1") == "p-1"
    assert len(port_name("a" * 40)) == 15
    assert port_name("a_b", taken=["a-b"]) == f"a-b-{hashlib.sha256(b'a_b').hexdigest()[:6]}"


# --- patches ---------------------------------------------------------------------------------------


def test_the_name_of_a_workload_is_found_without_the_plan(project: Project) -> None:
    long = [f"a_{'b' * 60}", f"a_{'b' * 70}", f"{'c' * 51}_", "d" * 46]
    names = ["a-b", "a_b", *long, "postgres", f"p{'g' * 50}"]
    text = f"use = {names}\n[services.{names[-1]}]\nkind = 'postgres'\noperator = 'cloudnative-pg'\n"
    text += "".join(f"[services.{name}]\ncommand = ['run']\n" for name in names[:-2])
    project.write(text)
    (plan,) = plans(project)[:1]
    hosts = engine().cluster(plan).stack.hosts

    known = set(hosts.values())
    workloads = {
        name: next(workload for workload in workload_names(name) if workload in known) for name in names
    }
    assert workloads == hosts


def test_a_patch_changes_only_what_differs() -> None:
    base: dict[str, Any] = {"a": {"b/c": "1", "gone": True}, "list": [{"x": 1}, {"x": 2}], "other": ["a"]}
    wanted: dict[str, Any] = {"a": {"b/c": "2", "new": None}, "list": [{"x": 1}, {"x": 3}], "other": []}

    assert patch(base, base) == ""
    assert patch(base, wanted).splitlines() == [
        '- {"op": "remove", "path": "/a/gone"}',
        '- {"op": "replace", "path": "/a/b~1c", "value": "2"}',
        '- {"op": "add", "path": "/a/new", "value": null}',
        '- {"op": "replace", "path": "/list/1/x", "value": 3}',
        '- {"op": "replace", "path": "/other", "value": []}',
    ]


# --- any stack -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def any_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield empty_project(Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp())), monkeypatch)


@settings(max_examples=max(settings().max_examples // 4, 5), deadline=None)
@given(stacks(), st.sampled_from(ENVIRONMENTS))
def test_every_stack_is_rendered_to_valid_resources(
    any_project: Project, services: dict[str, Any], environment: str
) -> None:
    plan = any_project.resolve(
        environment=environment,
        variables_required=False,
        overrides={"use": [*services], "services": services},
    ).plan

    resources = {key: made for key, (_, made) in engine().model(plan).items()}

    assert [problem for made in resources.values() for problem in problems(made)] == []
    assert mounts_without_volume(resources) == []
    files = engine().render(plan)
    base = [text for path, text in files.items() if path.startswith("base/") and "kustom" not in path]
    assert documents("---\n".join(base)) == resources


# --- the tables ------------------------------------------------------------------------------------


def test_every_field_and_key_of_a_service_has_its_row() -> None:
    """For a new field, decide how it is exported to Kubernetes, and add a row."""
    assert set(mapping.SPEC) == {field.name for field in fields(ServiceSpec)}
    assert set(mapping.USER_SERVICE) == set(UserServiceSettings.model_fields)
    assert set(mapping.IMAGE_SERVICE) == set(ImageServiceSettings.model_fields)


def test_the_page_is_generated_from_the_code() -> None:
    """Write it: python -m infra_runtime.engines.kubernetes.mapping > docs/reference/export-kubernetes.md."""
    page = Path(__file__).parents[3] / "docs" / "reference" / "export-kubernetes.md"

    assert page.read_text(encoding="utf-8") == mapping.page()
