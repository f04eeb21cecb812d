from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fakes.engine import options, spec_of
from infra_runtime.services.resp import READY
from infra_runtime.spec import WriteFile


def test_in_development_the_append_only_file_keeps_the_data() -> None:
    assert options(spec_of("valkey"))["appendonly"] == "yes"


def test_a_server_that_is_not_durable_has_no_append_only_file_and_one_stop_step() -> None:
    spec = spec_of("valkey", durable=False)

    assert options(spec)["appendonly"] == "no"
    assert [step.seconds for step in spec.stop] == [5.0]


def test_automatic_snapshots_are_off() -> None:
    assert options(spec_of("valkey"))["save"] == ""


def test_options_replace_the_default_directives() -> None:
    directives = options(spec_of("valkey", options={"maxmemory": "64mb", "save": "60 1"}))

    assert (directives["maxmemory"], directives["save"]) == ("64mb", "60 1")


def configuration(**settings: object) -> str:
    """Return the text of the configuration file; empty if there is none."""
    files = [step for step in spec_of("valkey", **settings).prepare if isinstance(step, WriteFile)]
    assert all(file.mode == 0o600 for file in files)
    return files[0].text if files else ""


def test_the_password_is_in_a_private_file_and_in_the_url() -> None:
    spec = spec_of("valkey")

    assert configuration() == 'requirepass "${secret.password}"\n'
    assert spec.command[1] == "${data}/valkey.conf"
    assert "secret" not in " ".join(spec.command)
    assert spec.exports["url"] == "redis://:${secret.password}@${host}:${port.client}/0"


def test_passwords_in_options_are_not_arguments() -> None:
    options = {"requirepass": 'a "b" \\', "masterauth": "c", "user": "me on >d ~* +@all", "maxmemory": "1mb"}
    spec = spec_of("valkey", options=options)

    assert configuration(options=options).splitlines() == [
        'masterauth "c"',
        'requirepass "a \\"b\\" \\\\"',
        "user me on >d ~* +@all",
    ]
    assert {"masterauth", "c", "user"}.isdisjoint(spec.command)
    assert spec.exports["url"] == "redis://:a%20%22b%22%20%5C@${host}:${port.client}/0"
    assert spec.exports["password"] == 'a "b" \\'


@pytest.mark.parametrize("settings", [{"auth": False}, {"options": {"aclfile": "/etc/users"}}])
def test_without_a_password_the_url_has_none(settings) -> None:
    spec = spec_of("valkey", **settings)

    assert spec.exports["url"] == "redis://${host}:${port.client}/0"
    assert "password" not in spec.exports
    assert spec.ready == READY


@pytest.mark.real("valkey")
@pytest.mark.parametrize("requirepass", ["", 'a "b" \\ größe'])
@pytest.mark.parametrize("durable", [True, False])
def test_a_real_server_requires_the_password(run, requirepass: str, durable: bool) -> None:
    import valkey

    given = {"options": {"requirepass": requirepass}} if requirepass else {}
    stack = run("valkey", durable=durable, **given)

    for url in (stack.valkey.url, stack.valkey.socket_url):
        with valkey.Valkey.from_url(url) as client:
            assert client.ping()
    with (
        valkey.Valkey(port=stack.valkey.port) as client,
        pytest.raises(valkey.AuthenticationError),
    ):
        client.ping()
    stack.snapshot()
    command = Path(f"/proc/{stack.status().services[0].pid}/cmdline").read_bytes()
    assert stack.valkey.password.encode() not in command


def test_the_default_locale_exists_on_every_machine() -> None:
    """The server does not start with a locale that is not installed."""
    assert spec_of("valkey").env == {"LC_ALL": "C"}
    assert spec_of("valkey", env={"LC_ALL": "de_DE.UTF-8"}).env == {"LC_ALL": "de_DE.UTF-8"}


@pytest.mark.real("valkey")
def test_a_real_server_starts_with_any_locale_of_the_user(run, monkeypatch: pytest.MonkeyPatch) -> None:
    import valkey

    monkeypatch.setenv("LC_ALL", "xx_YY.UTF-8")
    stack = run("valkey")

    with valkey.Valkey.from_url(stack.valkey.url) as client:
        assert client.ping()


@pytest.mark.real("valkey")
def test_a_real_server_answers_on_a_private_socket(run) -> None:
    import valkey

    stack = run("valkey")
    path = urlsplit(stack.valkey.socket_url).path

    with valkey.Valkey.from_url(stack.valkey.socket_url) as client:
        assert client.set("a", "1")
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
