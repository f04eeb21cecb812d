"""The values of references on this machine, and the masking of secrets in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra_runtime.redaction import MASK
from infra_runtime.spec import Default, HttpProbe, ServiceSpec
from infra_runtime.supervisor.binding import (
    BindingError,
    Bound,
    MissingSecretError,
    Scope,
    bind,
    bind_process,
    resolver,
)

SCOPE = Scope(
    "/project",
    "test",
    {"server": "/opt/bin/server"},
    {"REGION": "eu"},
    "a1b2",
    "/project/.data/logs",
    "/project/.data",
)


def bound(data: Path, **fields: object) -> Bound:
    """Return a service `app` with folders and a port; `data` is a real folder, for its secrets."""
    spec = ServiceSpec(name="app", **{"command": ("app",), **fields})
    return Bound(spec, str(data), "/run/app", {"main": 20123})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${bin.server}", "/opt/bin/server"),
        ("${port.main}", "20123"),
        ("${host}", "127.0.0.1"),
        ("${run}/socket", "/run/app/socket"),
        ("${root}/static", "/project/static"),
        ("${stack.environment}", "test"),
        ("${stack.project}", "project"),
        ("${stack.run}", "a1b2"),
        ("${stack.service}", "app"),
        ("${stack.token}", "a1b2"),
        ("${stack.data}", "/project/.data"),
        ("${env.REGION}", "eu"),
        ("${env.REGION:-us}", "eu"),
        ("${env.UNSET:-us}", "us"),
        ("${env.UNSET:-}", ""),
        ("${db.url}", "db://there"),
        ("${db.url?}", "db://there"),
        ("${absent.url?}", ""),
        ("a$$b", "a$b"),
        ("$${host}", "${host}"),
    ],
)
def test_a_reference_is_replaced_by_its_value(tmp_path, text, value) -> None:
    db = bound(tmp_path, exports={"url": "db://there"})
    bind(db, SCOPE, {})
    app = bound(tmp_path, command=(text,))

    bind(app, SCOPE, {"db": db})

    assert app.command == (value,)


def test_command_environment_folder_probe_and_exports_are_all_bound(tmp_path) -> None:
    app = bound(
        tmp_path,
        env={"PORT": "${port.main}"},
        cwd="${data}",
        ready=HttpProbe(port="main", path="/${env.REGION}", headers={"Host": "${host}"}),
        exports={"url": "http://${host}:${port.main}"},
    )

    bind(app, SCOPE, {})

    assert app.env == {"PORT": "20123"}
    assert app.cwd == str(tmp_path)
    assert app.ready == HttpProbe(port="main", path="/eu", headers={"Host": "127.0.0.1"})
    assert app.exports == app.masked_exports == {"url": "http://127.0.0.1:20123"}


def test_a_variable_that_the_services_inherit_takes_precedence_over_a_default(tmp_path) -> None:
    app = bound(
        tmp_path,
        env={"PORT": "${port.main}", "ZONE": "${env.REGION}"},
        env_defaults=(
            Default(name="NAME", value="${stack.service}"),
            Default(name="ZONE", value="${env.REGION}"),
            Default(name="SIZE", value="${port.main}", only_with=("NAME=theirs",)),
        ),
    )

    bind(app, SCOPE._replace(inherited={"NAME": "theirs", "PORT": "1"}), {})

    assert app.env == {"NAME": "theirs", "PORT": "20123", "ZONE": "eu", "SIZE": "20123"}


def test_a_secret_is_read_for_programs_and_masked_in_output(tmp_path) -> None:
    (tmp_path / "password.secret").write_text("hunter2\n")
    app = bound(tmp_path, exports={"url": "db://:${secret.password}@${host}"})

    bind(app, SCOPE, {})

    assert app.exports["url"] == "db://:hunter2@127.0.0.1"
    assert app.masked_exports["url"] == f"db://:{MASK}@127.0.0.1"


def test_a_secret_of_another_service_stays_masked_through_references(tmp_path) -> None:
    (tmp_path / "password.secret").write_text("hunter2")
    db = bound(tmp_path, exports={"url": "db://:${secret.password}@${host}"})
    bind(db, SCOPE, {})
    app = bound(tmp_path, exports={"upstream": "via ${db.url}"})

    bind(app, SCOPE, {"db": db})

    assert "hunter2" in app.exports["upstream"]
    assert app.masked_exports["upstream"] == f"via db://:{MASK}@127.0.0.1"


@pytest.mark.parametrize(
    ("exports", "masked"),
    [
        ({"token": "${env.API_KEY}"}, {"token": MASK}),
        ({"password": "literal"}, {"password": MASK}),
        ({"note": "key ${env.API_KEY}"}, {"note": f"key {MASK}"}),
        ({"note": "${env.UNSET_TOKEN:-default-token}"}, {"note": MASK}),
        ({"dsn": "${env.DATABASE_URL}"}, {"dsn": f"db://me:{MASK}@there"}),
        ({"dsn": "user=me password=hunter2"}, {"dsn": f"user=me password={MASK}"}),
        ({"query": "http://there/?api_key=hunter2"}, {"query": f"http://there/?api_key={MASK}"}),
        ({"copy": "an-api-key", "api_key": "an-api-key"}, {"copy": MASK, "api_key": MASK}),
        ({"opening": "hunter2"}, {"opening": MASK}),
        ({"note": "${env.OPENING}"}, {"note": MASK}),
        ({"password": "", "host": "${host}"}, {"password": "", "host": "127.0.0.1"}),
    ],
)
def test_exports_that_hold_secrets_are_masked(tmp_path, exports, masked) -> None:
    variables = {"API_KEY": "an-api-key", "DATABASE_URL": "db://me:hunter2@there", "OPENING": "hunter2"}
    app = bound(tmp_path, exports=exports, sensitive=("opening", "OPENING"))

    bind(app, SCOPE._replace(variables=variables), {})

    assert app.masked_exports == masked
    assert MASK not in app.exports.values()


def test_the_values_of_all_secrets_of_a_service_are_known(tmp_path) -> None:
    (tmp_path / "password.secret").write_text("generated")
    app = bound(
        tmp_path,
        command=("app", "db://me:in-the-command@there"),
        env={"PASSWORD": "${secret.password}", "TOKEN": "in-the-environment", "HOST": "${host}"},
        exports={"api_key": "in-an-export"},
    )

    bind(app, SCOPE, {})

    assert app.secrets == {"generated", "in-the-command", "in-the-environment", "in-an-export"}


def test_inside_a_seed_out_is_the_folder_that_the_steps_fill(tmp_path) -> None:
    lookup = resolver(bound(tmp_path), SCOPE, {}, out=str(tmp_path / "new"))

    assert lookup("out") == str(tmp_path / "new")


@pytest.mark.parametrize(
    "reference",
    ["bin.ghost", "port.ghost", "env.UNSET", "ghost.url", "db.ghost", "stack.name", "out", "nonsense", ""],
)
def test_a_reference_without_a_value_is_an_error_with_the_service(tmp_path, reference) -> None:
    db = bound(tmp_path)

    with pytest.raises(BindingError, match=rf"app: the reference \${{{reference}}} has no value"):
        resolver(bound(tmp_path), SCOPE, {"db": db})(reference)


def test_a_secret_that_does_not_exist_is_named_in_the_error(tmp_path) -> None:
    with pytest.raises(BindingError, match="the secret password of app does not exist"):
        resolver(bound(tmp_path), SCOPE, {})("secret.password")


def test_an_optional_reference_is_bound_before_the_other_service_starts(tmp_path) -> None:
    db = bound(tmp_path, exports={"url": "db://${host}:${port.main}"})
    app = bound(tmp_path, command=("${db.url?}",))

    bind(app, SCOPE, {"db": db})

    assert app.command == ("db://127.0.0.1:20123",)


def test_an_export_that_is_not_bound_yet_may_refer_to_further_exports(tmp_path) -> None:
    db = bound(tmp_path, exports={"port": "${port.main}"})
    proxy = bound(tmp_path, exports={"url": "proxy:${db.port}${absent.url?}"})
    app = bound(tmp_path, command=("${proxy.url?}",))

    bind(app, SCOPE, {"proxy": proxy, "db": db})

    assert app.command == ("proxy:20123",)


def test_an_optional_reference_to_a_secret_that_does_not_exist_yet_is_an_error_with_service_and_secret(
    tmp_path,
) -> None:
    db = bound(tmp_path, exports={"url": "db://:${secret.password}@${host}"})

    with pytest.raises(MissingSecretError, match="the secret password of app does not exist") as caught:
        resolver(bound(tmp_path), SCOPE, {"db": db})("db.url?")

    assert (caught.value.service, caught.value.secret) == ("app", "password")
    assert resolver(bound(tmp_path), SCOPE, {"db": db}, masked=True)("db.url?") == f"db://:{MASK}@127.0.0.1"


def test_the_values_for_a_process_are_bound_without_the_exports(tmp_path: Path) -> None:
    """At an early start, the exports of other services, which an export may contain, are unknown."""
    app = bound(
        tmp_path,
        command=("${bin.server}", "${port.main}"),
        env={"REGION": "${env.REGION}"},
        cwd="${root}",
        exports={"url": "${db.url}"},
    )

    bind_process(app, SCOPE, {})

    assert (app.command, app.env, app.cwd) == (
        ("/opt/bin/server", "20123"),
        {"REGION": "eu"},
        "/project",
    )
    assert not app.exports
