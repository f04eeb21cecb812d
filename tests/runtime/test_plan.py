from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from fakes.recursion import frame_limit
from fakes.samples import every
from infra_runtime.contributions import Contribution, Metrics
from infra_runtime.errors import ConfigurationError
from infra_runtime.plan import Plan, make_plan
from infra_runtime.spec import HttpProbe, Run, Secret, Seed, ServiceSpec, WriteFile


def service(name: str, *command: str, **fields: Any) -> ServiceSpec:
    return ServiceSpec(name=name, command=command or ("true",), **fields)


def plan(*services: ServiceSpec, environment: str = "test") -> Plan:
    return make_plan(services, environment=environment, root="/project")


def names(plan: Plan) -> list[str]:
    return [spec.name for spec in plan.services]


def error(*services: ServiceSpec, environment: str = "test") -> str:
    with pytest.raises(ConfigurationError) as caught:
        plan(*services, environment=environment)
    return str(caught.value)


def test_a_needed_service_comes_before_the_service_that_needs_it() -> None:
    made = plan(service("api", needs=("database",)), service("database"))

    assert names(made) == ["database", "api"]


def test_a_service_needs_the_services_that_it_refers_to() -> None:
    made = plan(service("api", "${database.url}"), service("database", exports={"url": "x"}))

    assert names(made) == ["database", "api"]


def test_a_long_chain_of_needs_has_an_order() -> None:
    services = [service(f"s{n}", needs=(f"s{n + 1}",) if n < 199 else ()) for n in range(200)]

    with frame_limit(frames=150):
        made = plan(*services)

    assert names(made) == [f"s{n}" for n in reversed(range(200))]


def test_a_long_chain_of_exports_is_an_error() -> None:
    services = [service("s0", exports={"url": "x"})]
    services += [service(f"s{n}", exports={"url": f"${{s{n - 1}.url}}"}) for n in range(1, 200)]

    with frame_limit(frames=150):
        message = error(*services)

    assert "the export s50.url begins a chain of 51 exports" in message


def test_services_without_needs_keep_their_order() -> None:
    assert names(plan(service("z"), service("m"), service("a"))) == ["z", "m", "a"]


def test_a_plan_is_the_same_after_json() -> None:
    made = plan(
        service(
            "web",
            "${bin.web}",
            "${port.http}",
            ports={"http": 80},
            ready=HttpProbe(port="http", status=(200, 204)),
            prepare=(Secret(path="${data}/key.secret"),),
        )
    )

    assert Plan.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_the_digest_changes_with_the_plan() -> None:
    original, same, changed = plan(service("a")), plan(service("a")), plan(service("a", "false"))

    assert original.digest == same.digest
    assert original.digest != changed.digest
    assert len(original.digest) == 16


def test_a_plan_returns_the_names_of_its_executables_and_variables() -> None:
    made = plan(
        service(
            "a",
            "${bin.one}",
            env={"X": "${env.HOME}", "Y": "${env.COLOUR:-red}"},
            prepare=(Run(command=("${bin.two}",)),),
        )
    )

    assert made.binaries() == {"one", "two"}
    assert made.environment_names() == {"HOME", "COLOUR"}


def test_a_cycle_is_reported_in_the_order_of_the_needs() -> None:
    text = error(service("a", needs=("b",)), service("b", needs=("c",)), service("c", needs=("a",)))

    assert "the services depend on each other in a cycle: " in text
    cycle = text.rpartition(": ")[2].split(" → ")
    assert cycle[0] == cycle[-1]
    assert set(itertools.pairwise(cycle)) == {("a", "b"), ("b", "c"), ("c", "a")}


def test_two_services_with_the_same_name_are_an_error() -> None:
    assert "two services have the name 'a'" in error(service("a"), service("a"))


@every(
    [
        ("databas.url", "this stack has no service 'databas'; did you mean 'database'?"),
        ("database.ulr", "database does not export 'ulr'; did you mean 'url'?"),
        ("port.htp", "the service has no such port; did you mean 'http'?"),
        ("secret.password", "the service has no such secret; no name is known"),
        ("stack.name", "known names: data, environment"),
        ("dta", "a reference with this name does not exist; did you mean 'data'?"),
        ("out", "a reference with this name does not exist; known names: data, host, root, run"),
        ("bin.", "the name after the dot is missing"),
    ]
)
def test_an_unknown_reference_is_reported_with_the_nearest_name(reference: str, message: str) -> None:
    text = error(
        service("api", f"${{{reference}}}", ports={"http": 80}), service("database", exports={"url": "x"})
    )

    assert f"api refers to ${{{reference}}}, but " in text
    assert message in text


def test_a_reference_is_checked_in_every_field() -> None:
    """Fields such as the text of a file, a probe or an export can contain references too."""
    for fields in (
        {"prepare": (WriteFile(path="${data}/f", text="${missing.url}"),)},
        {"prepare": (Seed(into="${data}", steps=(Run(command=("${missing.url}",)),)),)},
        {"exports": {"url": "${missing.url}"}},
        {"env": {"X": "${missing.url}"}},
    ):
        assert "no service 'missing'" in error(service("a", **fields))


def test_the_reference_out_is_valid_inside_a_seed() -> None:
    seed = Seed(into="${data}", steps=(Run(command=("x", "${out}")),))

    made = plan(service("a", "b", prepare=(seed,)))

    assert names(made) == ["a"]


def test_two_dollars_are_not_a_reference() -> None:
    assert names(plan(service("a", "$${missing.url}"))) == ["a"]


def test_an_open_brace_after_two_dollars_is_text() -> None:
    plan = make_plan([service("api", "echo $${HOME")], environment="test", root="/")

    assert [spec.name for spec in plan.services] == ["api"]


def test_an_unknown_need_is_reported_with_the_nearest_name() -> None:
    text = error(service("api", needs=("databse",)), service("database"))

    assert "api needs 'databse'" in text
    assert "did you mean 'database'?" in text


def test_a_probe_of_a_missing_port_is_an_error() -> None:
    text = error(service("a", ports={"http": 80}, ready=HttpProbe(port="htp")))

    assert "`ready` of a uses port 'htp', which does not exist; did you mean 'http'?" in text


def test_a_port_that_two_services_use_is_reported_with_both_services() -> None:
    services = service("a", ports={"http": 80}), service("b", ports={"main": 80})

    text = error(*services, environment="development")

    assert "port 80 is used twice: by a (http) and by b (main)" in text


def test_leased_ports_cannot_conflict() -> None:
    made = plan(service("a", ports={"http": 80}), service("b", ports={"main": 80}))

    assert names(made) == ["a", "b"]


def test_a_seed_cannot_refer_to_values_of_a_stack() -> None:
    steps = (Run(command=("make", "${env.TOKEN}", "${out}")),)
    spec = ServiceSpec(name="db", command=("db",), prepare=(Seed(into="${data}/tree", steps=steps),))

    with pytest.raises(
        ConfigurationError, match=r"refers to \$\{env.TOKEN\}, but all stacks of a user share a seed"
    ):
        make_plan([spec], environment="test", root="/")


def test_a_seed_cannot_contain_a_secret() -> None:
    secret = Seed(into="${data}", steps=(Secret(path="${out}/key.secret"),))
    reference = Seed(into="${data}", steps=(WriteFile(path="${out}/key", text="${secret.key}"),))

    created = error(service("db", prepare=(secret,)))
    used = error(service("db", prepare=(reference, Secret(path="${data}/key.secret"))))

    assert "db creates a secret in a seed, which all stacks of a user share" in created
    assert "${secret.key}, but all stacks of a user share a seed" in used


def test_an_optional_reference_is_not_a_need_and_can_be_in_a_cycle() -> None:
    a = service("a", "${b.url?}", exports={"url": "x"})
    b = service("b", "${a.url?}", exports={"url": "x"})

    made = plan(a, b)

    assert names(made) == ["a", "b"]
    assert [spec.all_needs() for spec in made.services] == [(), ()]


def test_an_optional_reference_can_name_a_service_that_is_absent_from_the_plan() -> None:
    made = make_plan([service("a", "${grafana.url?}")], environment="test", root="/", absent=["grafana"])

    assert names(made) == ["a"]


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("postgers.url?", "this stack has no service 'postgers'; did you mean 'postgres'?"),
        ("database.ulr?", "database does not export 'ulr'; did you mean 'url'?"),
        ("api.url?", "a service cannot refer to its own exports"),
        ("port.http?", "the service has no such port"),
    ],
)
def test_a_mistake_in_an_optional_reference_is_an_error(reference: str, problem: str) -> None:
    api = service("api", f"${{{reference}}}", ports={"http": 80}, exports={"url": "x"})
    with pytest.raises(ConfigurationError) as caught:
        make_plan(
            [api, service("database", exports={"url": "x"})],
            environment="test",
            root="/",
            absent=["postgres"],
        )

    assert problem in str(caught.value)


def test_exports_that_refer_to_each_other_in_a_cycle_are_an_error() -> None:
    a, b = service("a", exports={"url": "${b.url?}"}), service("b", exports={"url": "${a.url?}"})

    assert "the exports refer to each other in a cycle: " in error(a, b)


def test_an_optional_reference_to_a_secret_cannot_be_in_a_cycle() -> None:
    """The secret exists after its service is prepared, which waits for the service with the reference."""
    secret = Secret(path="${data}/password.secret")
    database = service("database", prepare=(secret,), exports={"url": "x:${secret.password}"}, needs=("api",))

    assert "services depend on each other in a cycle" in error(service("api", "${database.url?}"), database)
    assert names(plan(service("api", "${database.url?}"), replace(database, needs=()))) == ["api", "database"]


def test_a_plan_contains_the_providers_of_roles_and_the_contributions() -> None:
    made = make_plan(
        [service("web", ports={"http": 80}), service("caddy")],
        environment="test",
        root="/",
        contributions=[
            Contribution(key="metrics", service="web", value=Metrics(port="http")),
            Contribution(key="acme", service="web", value={"a": [1]}),
        ],
        roles={"proxy": ["caddy"]},
    )

    assert [spec.name for spec in made.providers("proxy")] == ["caddy"]
    assert made.providers("metrics-store") == ()
    assert Plan.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_a_contribution_of_an_unknown_port_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="the contribution 'metrics' of web uses port 'htp'"):
        make_plan(
            [service("web", ports={"http": 80})],
            environment="test",
            root="/",
            contributions=[Contribution(key="metrics", service="web", value=Metrics(port="htp"))],
        )
