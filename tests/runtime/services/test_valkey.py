from __future__ import annotations

import stat
from pathlib import Path

import pytest

from fakes.engine import made, options


def test_in_development_the_append_only_file_keeps_the_data() -> None:
    assert options(made("valkey"))["appendonly"] == "yes"


def test_a_server_that_is_not_durable_has_no_append_only_file_and_one_stop_step() -> None:
    spec = made("valkey", durable=False)

    assert options(spec)["appendonly"] == "no"
    assert [step.seconds for step in spec.stop] == [5.0]


def test_automatic_snapshots_are_off() -> None:
    assert options(made("valkey"))["save"] == ""


def test_options_replace_the_default_directives() -> None:
    directives = options(made("valkey", options={"maxmemory": "64mb", "save": "60 1"}))

    assert (directives["maxmemory"], directives["save"]) == ("64mb", "60 1")


def test_its_default_locale_exists_on_every_machine() -> None:
    """The server does not start with a locale that is not installed."""
    assert made("valkey").env == {"LC_ALL": "C"}
    assert made("valkey", env={"LC_ALL": "de_DE.UTF-8"}).env == {"LC_ALL": "de_DE.UTF-8"}


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
    path = stack.valkey.socket_url.removeprefix("unix://").partition("?")[0]

    with valkey.Valkey.from_url(stack.valkey.socket_url) as client:
        assert client.set("a", "1")
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
