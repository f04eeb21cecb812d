from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from infra_runtime.contributions import Contribution, Metrics
from infra_runtime.errors import ConfigurationError
from infra_runtime.plan import Plan, make_plan
from infra_runtime.spec import HttpProbe, Run, Secret, Seed, ServiceSpec, WriteFile


def service(name: str, *command: str, **fields: Any) -> ServiceSpec:
    return ServiceSpec(name=name, command=command or ("true",), **fields)


def plan(*services: ServiceSpec, ports: Any = "leased") -> Plan:
    return make_plan(services, environment="test", root="/project", ports=ports)


def names(made: Plan) -> list[str]:
    return [spec.name for spec in made.services]


def complaint(*services: ServiceSpec, ports: Any = "leased") -> str:
    with pytest.raises(ConfigurationError) as caught:
        plan(*services, ports=ports)
    return str(caught.value)


def test_a_need_comes_before_what_needs_it() -> None:
    made = plan(service("api", needs=("database",)), service("database"))

    assert names(made) == ["database", "api"]


def test_a_reference_is_a_need() -> None:
    made = plan(service("api", "${database.url}"), service("database", exports={"url": "x"}))

    assert names(made) == ["database", "api"]


def test_services_that_need_nothing_keep_the_order_they_were_named_in() -> None:
    assert names(plan(service("z"), service("m"), service("a"))) == ["z", "m", "a"]


def test_a_plan_survives_json() -> None:
    made = plan(
        service(
            "web",
            "${bin.web}",
            "${port.http}",
            ports={"http": 80},
            ready=HttpProbe(port="http", status=(200, 204)),
            prepare=(Seed(into="${data}", steps=(Secret(path="${out}/key.secret"),)),),
        )
    )

    assert Plan.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_the_digest_changes_with_anything_of_the_plan() -> None:
    one, same, other = plan(service("a")), plan(service("a")), plan(service("a", "false"))

    assert one.digest == same.digest
    assert one.digest != other.digest
    assert len(one.digest) == 16


def test_a_plan_knows_which_executables_and_variables_it_wants() -> None:
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


def test_a_circle_is_told_as_one_goes_round_it() -> None:
    text = complaint(service("a", needs=("b",)), service("b", needs=("c",)), service("c", needs=("a",)))

    assert "the needs go in a circle: " in text
    circle = text.rpartition(": ")[2].split(" → ")
    assert circle[0] == circle[-1]
    assert set(itertools.pairwise(circle)) == {("a", "b"), ("b", "c"), ("c", "a")}


def test_two_services_of_one_name_are_a_mistake() -> None:
    assert "two services are called 'a'" in complaint(service("a"), service("a"))


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("databas.url", "this stack has no service 'databas'; did you mean 'database'?"),
        ("database.ulr", "database exports no 'ulr'; did you mean 'url'?"),
        ("port.htp", "it has no such port; did you mean 'http'?"),
        ("secret.password", "it makes no such secret; there are none"),
        ("stack.name", "there are: environment"),
        ("dta", "there is no such name; did you mean 'data'?"),
        ("out", "there is no such name; there are: data, host, root, run"),
        ("bin.", "it names nothing"),
    ],
)
def test_an_unknown_reference_is_told_with_the_nearest_name(reference: str, said: str) -> None:
    text = complaint(
        service("api", f"${{{reference}}}", ports={"http": 80}), service("database", exports={"url": "x"})
    )

    assert f"api refers to ${{{reference}}}, but " in text
    assert said in text


def test_a_reference_is_found_wherever_it_stands() -> None:
    """Also in a file's text, a probe and an export."""
    for fields in (
        {"prepare": (WriteFile(path="${data}/f", text="${nobody.url}"),)},
        {"prepare": (Seed(into="${data}", steps=(Run(command=("${nobody.url}",)),)),)},
        {"exports": {"url": "${nobody.url}"}},
        {"env": {"X": "${nobody.url}"}},
    ):
        assert "no service 'nobody'" in complaint(service("a", **fields))


def test_out_is_known_inside_a_seed() -> None:
    seed = Seed(into="${data}", steps=(Secret(path="${out}/password.secret"), Run(command=("x", "${out}"))))

    made = plan(service("a", "${secret.password}", prepare=(seed,)))

    assert names(made) == ["a"]


def test_two_dollars_are_no_reference() -> None:
    assert names(plan(service("a", "$${nobody.url}"))) == ["a"]


def test_an_open_brace_behind_two_dollars_is_a_text() -> None:
    plan = make_plan([service("api", "echo $${HOME")], environment="test", root="/", ports="leased")

    assert [spec.name for spec in plan.services] == ["api"]


def test_an_unknown_need_is_told_with_the_nearest_name() -> None:
    text = complaint(service("api", needs=("databse",)), service("database"))

    assert "api needs 'databse'" in text
    assert "did you mean 'database'?" in text


def test_a_probe_of_a_port_that_is_not_there_is_a_mistake() -> None:
    text = complaint(service("a", ports={"http": 80}, ready=HttpProbe(port="htp")))

    assert "`ready` of a uses port 'htp', which does not exist; did you mean 'http'?" in text


def test_one_port_for_two_names_both() -> None:
    text = complaint(service("a", ports={"http": 80}), service("b", ports={"main": 80}), ports="fixed")

    assert "port 80 is wanted twice: by a (http) and by b (main)" in text


def test_leased_ports_cannot_quarrel() -> None:
    made = plan(service("a", ports={"http": 80}), service("b", ports={"main": 80}), ports="leased")

    assert names(made) == ["a", "b"]


def test_a_seed_is_shared_by_all_stacks_and_so_refers_to_none() -> None:
    steps = (Run(command=("make", "${env.TOKEN}", "${out}")),)
    spec = ServiceSpec(name="db", command=("db",), prepare=(Seed(into="${data}/tree", steps=steps),))

    with pytest.raises(
        ConfigurationError, match=r"refers to \$\{env.TOKEN\}, but all stacks of a user share a seed"
    ):
        make_plan([spec], environment="test", root="/", ports="leased")


def test_an_optional_reference_is_no_need_and_may_go_in_a_circle() -> None:
    one = service("a", "${b.url?}", exports={"url": "x"})
    two = service("b", "${a.url?}", exports={"url": "x"})

    made = plan(one, two)

    assert names(made) == ["a", "b"]
    assert [spec.all_needs() for spec in made.services] == [(), ()]


def test_an_optional_reference_may_name_what_is_absent_from_the_plan() -> None:
    made = make_plan(
        [service("a", "${grafana.url?}")], environment="test", root="/", ports="leased", absent=["grafana"]
    )

    assert names(made) == ["a"]


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("postgers.url?", "this stack has no service 'postgers'; did you mean 'postgres'?"),
        ("database.ulr?", "database exports no 'ulr'; did you mean 'url'?"),
        ("api.url?", "what it exports is for others"),
        ("port.http?", "it has no such port"),
    ],
)
def test_a_mistake_in_an_optional_reference_is_an_error(reference: str, problem: str) -> None:
    api = service("api", f"${{{reference}}}", ports={"http": 80}, exports={"url": "x"})
    with pytest.raises(ConfigurationError) as caught:
        make_plan(
            [api, service("database", exports={"url": "x"})],
            environment="test",
            root="/",
            ports="leased",
            absent=["postgres"],
        )

    assert problem in str(caught.value)


def test_exports_that_refer_to_each_other_in_a_circle_are_an_error() -> None:
    one, two = service("a", exports={"url": "${b.url?}"}), service("b", exports={"url": "${a.url?}"})

    assert "the exports refer to each other in a circle: " in complaint(one, two)


def test_an_optional_reference_to_a_secret_must_not_close_a_circle() -> None:
    """The secret exists only when its service is prepared, and that one waits for the service here."""
    secret = Secret(path="${data}/password.secret")
    database = service("database", prepare=(secret,), exports={"url": "x:${secret.password}"}, needs=("api",))

    assert "the needs go in a circle" in complaint(service("api", "${database.url?}"), database)
    assert names(plan(service("api", "${database.url?}"), replace(database, needs=()))) == ["api", "database"]


def test_a_plan_knows_who_provides_a_role_and_what_is_contributed() -> None:
    made = make_plan(
        [service("web", ports={"http": 80}), service("caddy")],
        environment="test",
        root="/",
        ports="leased",
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
    with pytest.raises(ConfigurationError, match="web contributes metrics of port 'htp', which it has not"):
        make_plan(
            [service("web", ports={"http": 80})],
            environment="test",
            root="/",
            ports="leased",
            contributions=[Contribution(key="metrics", service="web", value=Metrics(port="htp"))],
        )
