"""The command line and the folders of a RabbitMQ server that starts without the scripts of its packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra_runtime import rabbitmq_server


@pytest.fixture
def erlexec(tmp_path: Path) -> Path:
    """The script of an installation in the store, with four applications."""
    root = tmp_path / "store" / "root"
    (root / "usr/lib/erlang").mkdir(parents=True)
    for name, needs in {
        "rabbit": "kernel, rabbit_common",
        "rabbit_common": "stdlib",
        "rabbitmq_stomp": "rabbit",
        "rabbitmq_mqtt": "rabbit",
    }.items():
        folder = root / "usr/lib/rabbitmq/lib/rabbitmq_server-3/plugins" / f"{name}-3" / "ebin"
        folder.mkdir(parents=True)
        (folder / f"{name}.app").write_text(f"{{application, {name}, [{{applications,[{needs}]}}]}}.")
    script = tmp_path / "store" / "launch" / "libraries" / "rabbitmq-erlexec"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\necho no memory\nexit 1\n")
    script.chmod(0o755)
    return script


def test_only_the_applications_of_the_plugins_are_found(erlexec: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()

    rabbitmq_server.prepared(erlexec, data, ["rabbitmq_mqtt"])
    rabbitmq_server.prepared(erlexec, data, ["rabbitmq_stomp"])

    links = {path.name for path in (data / "plugins").iterdir()}
    assert links == {"rabbit-3", "rabbit_common-3", "rabbitmq_stomp-3"}
    assert (data / "enabled_plugins").read_text() == "[rabbitmq_stomp].\n"
    assert (data / "plugins" / "rabbit-3" / "ebin" / "rabbit.app").is_file()


def test_the_programs_of_erlang_are_the_scripts_of_the_store(erlexec: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()

    argv, env = rabbitmq_server.prepared(erlexec, data, [])

    assert argv[0] == str(erlexec)
    assert env["BINDIR"] == str(erlexec.parent)
    assert env["ROOTDIR"] == str(tmp_path / "store" / "root" / "usr/lib/erlang")


def test_variables_of_another_server_are_not_inherited(
    erlexec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("RABBITMQ_MNESIA_DIR", "/var/lib/rabbitmq")
    monkeypatch.setenv("ERL_FLAGS", "-setcookie x")

    _, env = rabbitmq_server.prepared(erlexec, data, [])

    assert not {"RABBITMQ_MNESIA_DIR", "ERL_FLAGS"} & env.keys()


def test_an_unknown_plugin_is_an_error_that_lists_the_installed_plugins(
    erlexec: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()

    with pytest.raises(
        SystemExit, match="unknown plugins: rabbitmq_x; installed are: rabbitmq_mqtt, rabbitmq_"
    ):
        rabbitmq_server.prepared(erlexec, data, ["rabbitmq_x"])


def test_a_program_outside_of_packages_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="infra bin install rabbitmq"):
        rabbitmq_server.installation(tmp_path / "a" / "b" / "erlexec")


@pytest.mark.process
def test_a_server_that_does_not_start_makes_the_seed_fail_with_its_output(
    erlexec: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()

    with pytest.raises(SystemExit, match="no memory"):
        rabbitmq_server.main(["--seed", str(erlexec), str(out), "rabbitmq_stomp"])


def test_the_application_syslog_opens_no_port() -> None:
    """Its default protocol is UDP, with a port on all addresses."""
    flags = rabbitmq_server.command(Path("/erlexec"))

    assert flags[flags.index("protocol") + 1] == "{rfc5424,standard_error}"


def test_the_server_starts_after_its_applications_are_loaded() -> None:
    """An application that is loaded already keeps its empty list of modules."""
    flags = rabbitmq_server.command(Path("/erlexec"))

    assert flags[flags.index("-s") - 1].startswith("[application:load(")
