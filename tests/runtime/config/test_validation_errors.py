from __future__ import annotations

import pytest

from fakes.project import Project
from infra_runtime.errors import ConfigurationError

#: a stack file that begins with a service of one's own: what it goes on with is in line 4
API = """[services.api]
command = ["api"]
ports = { http = 8000, grpc = 8001 }
"""

MISTAKES = [
    # keys
    ("uses = []", "infra.toml:1: unknown key 'uses'; did you mean 'use'? (allowed: "),
    ("services = []", "infra.toml:1: `services` holds a table for each service; the list of those wanted"),
    ("services.nats = 1", "infra.toml:1: `services.nats` should be a table"),
    ("[services.nats]\nprot = 1", "infra.toml:2: services.nats.prot: unknown key 'prot'; did you mean 'port"),
    ("[services.nats.ports]\nclent = 1", "unknown key 'clent'; did you mean 'client'? (allowed: client, mon"),
    ("[services.nats]\nxyzzy = 1", "unknown key 'xyzzy'; there are: accounts, binary, env, image, needs, op"),
    # values
    ("[use]\nnats = 1", "infra.toml:1: use: input should be a list"),
    (API + "env = ['A=1']", "infra.toml:4: services.api.env: input should be a table"),
    (API + "ready = { http = '/', status = 200 }", "services.api.ready.status: input should be a list"),
    # names
    ("[services.postgrs]", "infra.toml:1: there is no service 'postgrs' in the catalogue; did you mean 'pos"),
    ("[services.valkey]\ncommand = ['x']\nkind = 'nats'", "infra.toml:3: valkey has both a `command` and a"),
    ("[services.v2]\nkind = 'valky'", "infra.toml:2: there is no kind 'valky'; did you mean 'valkey'?"),
    ("[services.Db]\nkind = 'postgres'", "infra.toml:1: no service can be called 'Db': it takes small lett"),
    ("[services.v2]\nkind = 'valkey'\ndatabase = 1", "infra.toml:3: services.v2.database: unknown key 'dat"),
    ("[services.Api]\ncommand = ['x']", "infra.toml:1: no service can be called 'Api': it takes small lette"),
    ("[services.port]\ncommand = ['x']", "no service can be called 'port': in references that name means"),
    ("use = ['ntas']", "infra.toml:1: there is no service 'ntas'; did you mean 'nats'?"),
    ("profile = 'minmal'", "infra.toml:1: there is no profile 'minmal'; did you mean 'minimal'?"),
    ("use = ['nats']\nprofiles.p = ['ntas']", "infra.toml:2: there is no service 'ntas'; did you mean"),
    ("profile = 'p'\nprofiles.p = ['ntas']", "infra.toml:2: there is no service 'ntas'; did you mean 'nats'"),
    # environments
    ("[environment.tset]", "infra.toml:1: 'tset' is no environment; did you mean 'test'?"),
    ("[environment.test]\nuses = []", "infra.toml:2: unknown key 'uses'; did you mean 'use'?"),
    ("environment = 'test'", "infra.toml:1: `environment` holds a table for each environment"),
    # a command
    ("[services.api]\ncommand = 'a b'", "infra.toml:2: services.api.command: a command is a list of words"),
    ("[services.api]\ncommand = 'a b'", 'no shell splits it: ["a", "b"]'),
    ("[services.api]\ncommand = []", "infra.toml:2: services.api.command: the command is empty"),
    # what belongs to a service of one's own
    (API + "env = { DEBUG = true }", "infra.toml:4: services.api.env.DEBUG: an environment has only texts:"),
    (API + "needs = ['api']", "infra.toml:1: api needs itself"),
    (API + "cwd = '${api.url}'", "infra.toml:4: api refers to ${api.url}, but what it exports is for others"),
    (API + "cwd = '${port.http'", "infra.toml:1: api has a ${ without its } in '${port.http'"),
    (API + "needs = ['ntas']", "infra.toml:4: api needs 'ntas', which is no service; did you mean 'nats'?"),
    (API + "cwd = '${dta}'", "infra.toml:4: api refers to ${dta}, but there is no such name; did you mean '"),
    (API + "cwd = '${postgres.ulr}'", "infra.toml:4: api refers to ${postgres.ulr}, but postgres exports no"),
    (API + "cwd = '${port.htp}'", "but it has no such port; did you mean 'http'?"),
    (API + "ready = { tcp = true }", "infra.toml:1: services.api: `ready` should name its `port`; there are"),
    (API + "ready = { tcp = true, http = '/' }", "infra.toml:4: services.api.ready: has http and tcp; it ta"),
    (API + "ready = {}", "infra.toml:4: services.api.ready: has no probe; it takes one of http, https, tc"),
    (API + "ready = { tcp = true, port = 'htp' }", "`ready` of api uses port 'htp', which does not exist; d"),
    (API + "ready = { htp = '/' }", "services.api.ready: unknown key 'htp'; did you mean 'http'? (allowed: "),
    (API + "ready = { nats = false }", "services.api.ready: `nats` takes only the value true"),
    (API + "ready = { exchange = [] }", "services.api.ready: an Exchange needs an Expect"),
    (API + "ready = { exchange = [{}] }", "ready.exchange.0: a step has either `send` or `expect`"),
    (API + "ready = { exchange = [{ send = 'a', at = 1 }] }", "ready.exchange.0: `send` takes no at"),
    (API + "ready = { exchange = [{ send = '\\q' }] }", "ready.exchange.0: unknown escape"),
    (API + "ready = { exchange = [{ expect = [] }] }", "an Expect needs `prefixes` or `contains`"),
    (API + "ready = { exchange = [{ expect = 'a', until = '' }] }", "the delimiter `until` is empty"),
    (
        API + "ready = { exchange = [{ expect = 'a', until = 'b', length = {} }] }",
        "ready.exchange.0: a message ends either with `until` or after its `length`",
    ),
    (API + "ready = { exchange = [{ expct = 'a' }] }", "ready.exchange.0.expct: unknown key 'expct'; did y"),
    (API + "task = true\nready = { http = '/', port = 'http' }", "a task is ready when it has ended well"),
    (API + "route = 'x'", "infra.toml:4: services.api.route: 'x' should begin with /"),
    (API + "route = { pth = '/x' }", "infra.toml:4: services.api.route.pth: unknown key 'pth'; did you mean"),
    (API + "route = 3", "infra.toml:4: services.api.route: input should be a table"),
    (API + "metrics = { port = 'htp' }", "`metrics` names the port 'htp', which is missing; did you mean 'h"),
    (API + "alert = { name = 'Down' }", "infra.toml:4: services.api.alert.0.expression: is missing"),
    (API + "log = 'xml'", "infra.toml:4: services.api.log.format: input should be 'text', 'json' or 'log"),
    ("[services.api]\ncommand = ['x']\nroute = '/x'", "a `route` needs a port to lead to: ports = { http ="),
    (API + "stop = { signal = 'SIGSTOPP' }", "'SIGSTOPP' is no signal; usual are SIGTERM, SIGINT"),
    # between services
    (API.replace("8000", "4222"), "infra.toml:1: port 4222 is wanted twice: by nats (client) and by api (ht"),
    (API + "needs = ['b']\n[services.b]\ncommand = ['${api.host}']", "infra.toml:1: the needs go in a circl"),
    # Caddy's routes
    ("[[services.caddy.routes]]\npath = '/x'", "services.caddy.routes.0: a route leads either `to` a servic"),
    ("[[services.caddy.routes]]\nto = 'http://x'", "`to` is a service or HOST:PORT, not the URL 'http://x'"),
    ("[[services.caddy.routes]]\nto = 'shop'", "infra.toml:1: caddy needs 'shop', which is no service"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_a_mistake_is_told_with_its_line_and_what_is_allowed(project: Project, text: str, said: str) -> None:
    project.write(text + "\n")

    assert said in project.complaint()


@pytest.mark.parametrize(
    ("text", "key", "known"),
    [
        ("port = 65536", "port", ["65535", "65536"]),
        ("restart = 'often'", "restart", ["on-failure", "always", "never", "'often'"]),
    ],
)
def test_a_wrong_value_is_refused_with_its_line_and_the_admitted_values(
    project: Project, text: str, key: str, known: list[str]
) -> None:
    """The sentence is pydantic's and differs between its releases; the values in it do not."""
    project.write(f"[services.nats]\n{text}\n")

    complaint = project.complaint()

    assert complaint.startswith(f"infra.toml:2: services.nats.{key}: ")
    assert [value for value in known if value not in complaint] == []


def test_a_mistake_counts_for_services_that_are_not_wanted_too(project: Project) -> None:
    project.write('use = ["nats"]\n[services.valkey]\nprot = 1\n')

    assert "unknown key 'prot'" in project.complaint()


def test_all_mistakes_are_told_at_once(project: Project) -> None:
    project.write("[services.valkey]\nprot = 1\ndatabases = 0\n[services.nats]\nclient = 1\n")

    told = project.complaint().splitlines()

    assert [line.partition(": ")[0] for line in told] == ["infra.toml:5", "infra.toml:3", "infra.toml:2"]


def test_a_mistake_in_an_overlay_is_told_with_its_line(project: Project) -> None:
    project.write('use = ["nats"]\n[environment.test.services.nats]\nprot = 1\n')

    assert project.names() == ["nats"]
    assert project.complaint(environment="test").startswith("infra.toml:3: services.nats.prot: unknown key")


def test_a_mistake_in_pyproject_is_told_with_its_line(project: Project) -> None:
    project.write("[project]\n\n[tool.infra.services.nats]\nprot = 1\n", "pyproject.toml")

    assert project.complaint().startswith("pyproject.toml:4: services.nats.prot: unknown key")


def test_a_mistake_in_a_variable_names_the_variable(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFRA_SERVICES__NATS__PORT", "many")

    text = project.complaint()

    assert text.startswith("INFRA_SERVICES__NATS__PORT: services.nats.port: ")
    assert "'many'" in text


def test_an_argument_that_cannot_be_is_told_as_one(project: Project) -> None:
    with pytest.raises(ConfigurationError, match=r"^--services\.nats\.port: "):
        project.resolve(overrides={"services": {"nats": {"port": 0}}})


@pytest.mark.parametrize("variable", ["INFRA_SERVICES__NATZ__PORT", "INFRA_SERVICES__NATZ__ENV__LEVEL"])
def test_a_service_that_only_a_variable_knows_is_told_with_the_variable(
    project: Project, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1")

    assert project.complaint().startswith(f"{variable}: there is no service 'natz'")
