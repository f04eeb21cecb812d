from __future__ import annotations

from collections.abc import Callable

import pytest

from fakes.project import Project
from infra_runtime.config.unknown_variables import misspelled_variables
from infra_runtime.errors import ConfigurationError


def test_a_service_with_a_dash_is_spelled_with_an_underscore(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write('[services.my-api]\ncommand = ["api"]\nports = { http = 8000 }\n')
    monkeypatch.setenv("INFRA_SERVICES__MY_API__PORTS__HTTP", "8001")

    assert project.spec("my-api").ports == {"http": 8001}


def test_names_in_an_environment_keep_their_case(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write('telemetry = false\n[services.api]\ncommand = ["api"]\n')
    monkeypatch.setenv("INFRA_SERVICES__API__ENV__Log_LEVEL", "debug")

    assert project.spec("api").env == {"Log_LEVEL": "debug"}


def test_a_list_is_separated_by_commas_or_json(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFRA_USE", "nats, valkey")
    assert project.names() == ["nats", "valkey"]

    monkeypatch.setenv("INFRA_USE", '["valkey"]')
    assert project.names() == ["valkey"]


def test_a_variable_turns_the_telemetry_off(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("[services.telemetry]\n")
    monkeypatch.setenv("INFRA_TELEMETRY", "false")

    assert "telemetry" not in project.names()


@pytest.mark.parametrize(("value", "tmpfs"), [("false", False), ("0", False), ("yes", True)])
def test_a_variable_decides_whether_the_data_of_tests_are_in_ram(
    project: Project, monkeypatch: pytest.MonkeyPatch, value: str, tmpfs: bool
) -> None:
    project.write(f"tmpfs = {'false' if tmpfs else 'true'}\n")
    monkeypatch.setenv("INFRA_TMPFS", value)

    resolutions = [project.resolve() for _ in range(2)]  # the second one is read from the plan cache

    assert [resolved.tmpfs for resolved in resolutions] == [tmpfs, tmpfs]
    assert resolutions[0].provenance["tmpfs"].source == "INFRA_TMPFS"


def test_a_table_can_be_json(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFRA_SERVICES__VALKEY__OPTIONS", '{"maxmemory": "64mb"}')

    command = project.spec("valkey").command

    assert command[command.index("--maxmemory") + 1] == "64mb"


def test_invalid_json_is_reported_with_its_variable(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFRA_SERVICES__VALKEY__OPTIONS", '{"maxmemory": ')
    assert project.error().startswith("INFRA_SERVICES__VALKEY__OPTIONS: the value is not JSON")

    monkeypatch.setenv("INFRA_SERVICES", "{valkey")
    assert project.error().startswith("INFRA_SERVICES: the value is not JSON")


def test_a_variable_sets_the_profile(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFRA_PROFILE", "minimal")

    assert project.names() == ["nats", "postgres"]
    assert "pocketbase" in project.names(profile="full")


def test_an_unknown_variable_is_ignored(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFRA_SOMETHING_ELSE", "1")

    assert project.names("nats") == ["nats"]


def test_a_virtual_environment_named_dotenv_is_ignored(project: Project) -> None:
    (project.root / ".env" / "bin").mkdir(parents=True)
    project.write('use = ["nats"]\n[services.nats.env]\nWHO = "${env.UNSET:-me}"\n')

    assert project.names() == ["nats"]


def test_other_variables_in_dotenv_are_ignored(project: Project) -> None:
    project.write('DATABASE_URL="postgres://x"\nexport INFRA_PROFILE=minimal\n', ".env")

    assert project.names() == ["nats", "postgres"]
    assert project.resolve().provenance["profile"].source == f"{project.root / '.env'}: INFRA_PROFILE"


# --- the encoding of .env --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        ("A=1\nINFRA_USE=nats\nNAME=J\xfcrgen\n".encode("latin-1"), 3, "not UTF-8: the byte 0xfc"),
        ("# \x80\nINFRA_ENV=test\n".encode("latin-1"), 1, "not UTF-8: the byte 0x80"),
        ("INFRA_ENV=test\n".encode("utf-16"), 1, "UTF-16"),
        ("INFRA_ENV=test\n".encode("utf-16-be"), 1, "UTF-16"),
        (b"INFRA_USE=nats\r\nX=\xff", 2, "not UTF-8: the byte 0xff"),
    ],
)
@pytest.mark.parametrize(
    "read",
    [Project.resolve, lambda project: misspelled_variables(project.root)],
    ids=["resolve", "misspelled"],
)
def test_a_dotenv_that_is_not_utf8_is_an_error_with_its_line(
    project: Project, content: bytes, line: int, problem: str, read: Callable[[Project], object]
) -> None:
    (project.root / ".env").write_bytes(content)

    with pytest.raises(ConfigurationError, match=problem) as caught:
        read(project)

    assert caught.value.where == f"{project.root / '.env'}:{line}"


def test_a_variable_of_the_plan_is_not_read_from_a_dotenv_that_is_not_utf8(project: Project) -> None:
    (project.root / ".env").write_bytes(b"NAME=caf\xe9")
    project.write("use = ['a']\n[services.a]\ncommand = ['a']\nenv = { N = '${env.NAME}' }\n")

    with pytest.raises(ConfigurationError, match="0xe9"):
        project.resolve()


def test_a_foreign_dotenv_in_another_encoding_is_not_read(project: Project) -> None:
    (project.root / ".env").write_bytes(b"NAME=caf\xe9")

    assert project.resolve("nats").environment == "development"


def test_the_mark_at_the_beginning_of_a_dotenv_is_ignored(project: Project) -> None:
    (project.root / ".env").write_bytes(b"\xef\xbb\xbfINFRA_ENV=test\nINFRA_SERVICES__NATS__ACCOUNTS=3\n")

    resolved = project.resolve("nats")

    assert resolved.environment == "test"
    assert resolved.provenance["services.nats.accounts"].value == "3"
