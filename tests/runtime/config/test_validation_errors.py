from __future__ import annotations

import pytest

from fakes.project import Project
from infra_runtime.errors import ConfigurationError

#: the beginning of a stack file, with a user's own service; the text that tests append is in line 4
API = """[services.api]
command = ["api"]
ports = { http = 8000, grpc = 8001 }
"""

MISTAKES = [
    # keys
    ("uses = []", "infra.toml:1: unknown key 'uses'; did you mean 'use'? (allowed: "),
    ("services = []", "infra.toml:1: `services` should contain a table for each service; the key for"),
    ("services.nats = 1", "infra.toml:1: `services.nats` should be a table"),
    ("[services.nats]\nprot = 1", "infra.toml:2: services.nats.prot: unknown key 'prot'; did you mean 'port"),
    ("[services.nats.ports]\nclent = 1", "unknown key 'clent'; did you mean 'client'? (allowed: client, mon"),
    ("[services.nats]\nxyzzy = 1", "unknown key 'xyzzy'; known names: accounts, auth, binary, env"),
    # values
    ("[use]\nnats = 1", "infra.toml:1: use: input should be a list"),
    (API + "env = ['A=1']", "infra.toml:4: services.api.env: input should be a table"),
    (API + "ready = { http = '/', status = 200 }", "services.api.ready.status: input should be a list"),
    # names
    ("[services.postgrs]", "infra.toml:1: unknown service 'postgrs'; did you mean 'postgres'?"),
    ("[services.valkey]\ncommand = ['x']\nkind = 'nats'", "infra.toml:3: the table of valkey contains"),
    ("[services.v2]\nkind = 'valky'", "infra.toml:2: unknown kind 'valky'; did you mean 'valkey'?"),
    ("[services.Db]\nkind = 'postgres'", "infra.toml:1: a service cannot have the name 'Db': a name cons"),
    ("[services.v2]\nkind = 'valkey'\ndatabase = 1", "infra.toml:3: services.v2.database: unknown key 'dat"),
    ("[services.Api]\ncommand = ['x']", "infra.toml:1: a service cannot have the name 'Api': a name con"),
    ("[services.port]\ncommand = ['x']", "a service cannot have the name 'port': references ${port.…} al"),
    ("use = ['ntas']", "infra.toml:1: unknown service 'ntas'; did you mean 'nats'?"),
    ("profile = 'minmal'", "infra.toml:1: unknown profile 'minmal'; did you mean 'minimal'?"),
    ("use = ['nats']\nprofiles.p = ['ntas']", "infra.toml:2: unknown service 'ntas'; did you mean"),
    ("profile = 'p'\nprofiles.p = ['ntas']", "infra.toml:2: unknown service 'ntas'; did you mean 'nats'"),
    # environments
    ("[environment.tset]", "infra.toml:1: unknown environment 'tset'; did you mean 'test'?"),
    ("[environment.test]\nuses = []", "infra.toml:2: unknown key 'uses'; did you mean 'use'?"),
    ("environment = 'test'", "infra.toml:1: `environment` should contain a table for each"),
    # a command
    ("[services.api]\ncommand = 'a b'", "infra.toml:2: services.api.command: a command must be a list of a"),
    ("[services.api]\ncommand = 'a b'", 'without a shell; write ["a", "b"]'),
    ("[services.api]\ncommand = []", "infra.toml:2: services.api.command: the command must contain"),
    # a user's own service
    (API + "env = { DEBUG = true }", "services.api.env.DEBUG: the value of an environment variable must"),
    (API + "env = { 'a=b' = 'c' }", "infra.toml:4: services.api.env.a=b: an environment variable cannot hav"),
    (API + "env = { '' = 'c' }", "infra.toml:4: services.api.env.: an environment variable cannot have the"),
    ("[services.nats.env]\n'a=b' = 'c'", "infra.toml:2: services.nats.env.a=b: an environment variable can"),
    (API + "needs = ['api']", "infra.toml:1: api cannot need itself"),
    (API + "cwd = '${api.url}'", "api refers to ${api.url}, but a service cannot refer to its own exports"),
    (API + "cwd = '${port.http'", "infra.toml:1: api contains a ${ without a } in '${port.http'"),
    (API + "needs = ['ntas']", "infra.toml:4: api needs 'ntas', which is not a service; did you mean 'nat"),
    (API + "cwd = '${dta}'", "infra.toml:4: api refers to ${dta}, but a reference with this name does not"),
    (API + "cwd = '${postgres.ulr}'", "infra.toml:4: api refers to ${postgres.ulr}, but postgres does not e"),
    (API + "cwd = '${port.htp}'", "but the service has no such port; did you mean 'http'?"),
    (API + "ready = { tcp = true }", "services.api: the key `ready` needs the key `port`, the name of "),
    (API + "ready = { tcp = true, http = '/' }", "infra.toml:4: services.api.ready: has http and tcp; set e"),
    (
        API + "ready = {}",
        "has no probe; set exactly one probe: http, https, tcp, exec, exchange, nats",
    ),
    (API + "ready = { tcp = true, port = 'htp' }", "`ready` of api uses port 'htp', which does not exist; d"),
    (API + "ready = { htp = '/' }", "services.api.ready: unknown key 'htp'; did you mean 'http'? (allowed: "),
    (API + "ready = { nats = false }", "services.api.ready: the value of `nats` can only be true"),
    (API + "ready = { exchange = [] }", "services.api.ready: an Exchange needs an Expect"),
    (API + "ready = { exchange = [{}] }", "ready.exchange.0: a step must have either `send` or `expect`"),
    (API + "ready = { exchange = [{ send = 'a', at = 1 }] }", "a step with `send` cannot have at"),
    (API + "ready = { exchange = [{ send = '\\q' }] }", "ready.exchange.0: unknown escape"),
    (API + "ready = { exchange = [{ expect = [] }] }", "an Expect needs `prefixes` or `contains`"),
    (API + "ready = { exchange = [{ expect = 'a', until = '' }] }", "the delimiter `until` is empty"),
    (
        API + "ready = { exchange = [{ expect = 'a', until = 'b', length = {} }] }",
        "ready.exchange.0: a step can have `until` or `length`, but not both",
    ),
    (API + "ready = { exchange = [{ expct = 'a' }] }", "ready.exchange.0.expct: unknown key 'expct'; did y"),
    (
        API + "task = true\nready = { http = '/', port = 'http' }",
        "a task cannot have `ready`, because a task is complete",
    ),
    (API + "route = 'x'", "infra.toml:4: services.api.route: 'x' should begin with /"),
    (API + "route = { pth = '/x' }", "infra.toml:4: services.api.route.pth: unknown key 'pth'; did you mean"),
    (API + "route = 3", "infra.toml:4: services.api.route: input should be a table"),
    (API + "metrics = { port = 'htp' }", "`metrics` uses the port 'htp', which is not in `ports`; did you m"),
    (API + "alert = { name = 'Down' }", "infra.toml:4: services.api.alert.0.expression: is missing"),
    (API + "log = 'xml'", "infra.toml:4: services.api.log.format: input should be 'text', 'json' or 'log"),
    ("[services.api]\ncommand = ['x']\nroute = '/x'", "a service with a `route` needs a port: ports = { ht"),
    (API + "stop = { signal = 'SIGSTOPP' }", "unknown signal 'SIGSTOPP'; use a signal such as SIGTERM"),
    # between services
    (API.replace("8000", "4222"), "infra.toml:1: port 4222 is used twice: by nats (client) and by api (http"),
    (API + "needs = ['b']\n[services.b]\ncommand = ['${api.host}']", "infra.toml:1: the services depend on"),
    # Caddy's routes
    ("[[services.caddy.routes]]\npath = '/x'", "services.caddy.routes.0: a route needs either `to` or `file"),
    ("[[services.caddy.routes]]\nto = 'http://x'", "`to` should be a service or HOST:PORT, not the URL 'ht"),
    ("[[services.caddy.routes]]\nto = 'shop'", "infra.toml:1: caddy needs 'shop', which is not a servic"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_a_mistake_is_reported_with_its_line_and_the_allowed_values(
    project: Project, text: str, message: str
) -> None:
    project.write(text + "\n")

    assert message in project.error()


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("port = 65536", "port", ["65535", "65536"]),
        ("restart = 'often'", "restart", ["on-failure", "always", "never", "'often'"]),
    ],
)
def test_a_wrong_value_is_reported_with_its_line_and_the_allowed_values(
    project: Project, text: str, key: str, values: list[str]
) -> None:
    """The text is from pydantic and differs between its releases; the values in it do not."""
    project.write(f"[services.nats]\n{text}\n")

    message = project.error()

    assert message.startswith(f"infra.toml:2: services.nats.{key}: ")
    assert [value for value in values if value not in message] == []


def test_the_allowed_keys_are_listed_once(project: Project) -> None:
    project.write("[services.nats]\nxyzzy = 1\n")

    assert project.error().count("binary") == 1


def test_a_mistake_in_a_service_that_is_not_selected_is_reported_too(project: Project) -> None:
    project.write('use = ["nats"]\n[services.valkey]\nprot = 1\n')

    assert "unknown key 'prot'" in project.error()


def test_all_mistakes_are_reported_together(project: Project) -> None:
    project.write("[services.valkey]\nprot = 1\ndatabases = 0\n[services.nats]\nclient = 1\n")

    lines = project.error().splitlines()

    assert [line.partition(": ")[0] for line in lines] == ["infra.toml:5", "infra.toml:3", "infra.toml:2"]


def test_a_mistake_in_an_overlay_is_reported_with_its_line(project: Project) -> None:
    project.write('use = ["nats"]\n[environment.test.services.nats]\nprot = 1\n')

    assert project.names() == ["nats"]
    assert project.error(environment="test").startswith("infra.toml:3: services.nats.prot: unknown key")


def test_a_mistake_in_pyproject_is_reported_with_its_line(project: Project) -> None:
    project.write("[project]\n\n[tool.infra.services.nats]\nprot = 1\n", "pyproject.toml")

    assert project.error().startswith("pyproject.toml:4: services.nats.prot: unknown key")


def test_a_mistake_in_a_variable_names_the_variable(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFRA_SERVICES__NATS__PORT", "many")

    text = project.error()

    assert text.startswith("INFRA_SERVICES__NATS__PORT: services.nats.port: ")
    assert "'many'" in text


def test_an_invalid_argument_is_reported_with_its_option(project: Project) -> None:
    with pytest.raises(ConfigurationError, match=r"^--services\.nats\.port: "):
        project.resolve(overrides={"services": {"nats": {"port": 0}}})


@pytest.mark.parametrize("variable", ["INFRA_SERVICES__NATZ__PORT", "INFRA_SERVICES__NATZ__ENV__LEVEL"])
def test_an_unknown_service_in_a_variable_is_reported_with_the_variable(
    project: Project, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1")

    assert project.error().startswith(f"{variable}: unknown service 'natz'")
