"""`infra dev jwt`: tokens for development."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import sys
from types import SimpleNamespace

import pytest

pytest.importorskip("joserfc", reason="needs the extra `web`")

from fakes.command_line import CommandLine, service
from infra_cli.main import run
from infra_cli.target import Target

SECRET = "the secret of the tests, with more than 32 bytes"


@pytest.fixture(autouse=True)
def _shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WEB_JWT_SECRET", "WEB_JWT_ISSUER", "WEB_JWT_AUDIENCE", "WEB_JWT_ALGORITHMS", "INFRA_ENV"):
        monkeypatch.setenv(name, "")  # `setenv` also restores what the command sets
        monkeypatch.delenv(name)


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_JWT_SECRET", SECRET)


def inspected(
    token: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "stdin", io.StringIO(token))
    code = run(["dev", "jwt", "inspect", *options])
    return code, capsys.readouterr().out


@pytest.mark.usefixtures("secret")
def test_an_issued_token_is_valid(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["dev", "jwt", "issue", "ada", "--role", "clerk", "--role", "reader"]) == 0
    token = capsys.readouterr().out

    code, text = inspected(token, monkeypatch, capsys, "--json")

    document = json.loads(text)
    assert (code, document["valid"], document["reason"]) == (0, True, "")
    assert document["claims"]["sub"] == "ada"
    assert document["claims"]["roles"] == ["clerk", "reader"]
    assert document["claims"]["use"] == "access"


@pytest.mark.usefixtures("secret")
def test_a_pair_is_printed_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["dev", "jwt", "issue", "ada", "--kind", "admin", "--json"]) == 0
    pair = json.loads(capsys.readouterr().out)

    for use in ("access", "refresh"):
        code, text = inspected(pair[use], monkeypatch, capsys)
        assert code == 0
        assert f'"use": "{use}"' in text
        assert "the token is valid" in text


def test_the_secret_can_come_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{SECRET}\n"))
    assert run(["dev", "jwt", "issue", "ada", "--secret-stdin"]) == 0
    token = capsys.readouterr().out
    monkeypatch.setenv("WEB_JWT_SECRET", SECRET)

    assert inspected(token, monkeypatch, capsys)[0] == 0


def test_standard_input_takes_precedence_over_the_secret_of_a_service(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variables = {"WEB_JWT_SECRET": "another " + SECRET, "WEB_JWT_ISSUER": "shop"}
    answer = SimpleNamespace(services={"api": SimpleNamespace(env=variables)})
    client = SimpleNamespace(call=lambda _method, _parameters: answer)
    monkeypatch.setattr(Target, "client", lambda _: contextlib.nullcontext(client))
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{SECRET}\n"))

    assert run(["dev", "jwt", "issue", "ada", "--secret-stdin", "--service", "api"]) == 0
    token = capsys.readouterr().out
    monkeypatch.setenv("WEB_JWT_SECRET", SECRET)

    code, text = inspected(token, monkeypatch, capsys, "--json")
    assert (code, json.loads(text)["claims"]["iss"]) == (0, "shop")


@pytest.mark.usefixtures("secret")
def test_an_invalid_token_is_printed_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [{"alg": "none"}, {"sub": "\x1b[2Jeve"}]
    token = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts)

    code, text = inspected(f"{token}.", monkeypatch, capsys)

    assert code == 1
    assert "not valid" in text
    assert "\x1b" not in text


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é" * 10_000, "W10.W10.W10"])
def test_a_text_that_is_not_a_token_is_not_valid(
    token: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inspected(token, monkeypatch, capsys)[0] == 1


def test_without_a_key_a_token_is_printed_and_not_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = inspected("e30.e30.x", monkeypatch, capsys)

    assert code == 0
    assert "not checked" in text


def test_without_a_key_no_token_is_issued(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dev", "jwt", "issue", "ada"]) == 6

    printed = capsys.readouterr()
    assert printed.out == ""
    assert "WEB_JWT_SECRET" in printed.err
    assert "--secret-stdin" in printed.err


@pytest.mark.parametrize(
    ("name", "value"), [("WEB_JWT_SECRET", "short"), ("WEB_JWT_ALGORITHMS", "hunter2"), ("INFRA_ENV", "prod")]
)
def test_an_invalid_variable_is_an_error_without_a_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv("WEB_JWT_SECRET", SECRET)
    monkeypatch.setenv(name, value)

    assert run(["dev", "jwt", "issue", "ada"]) == 6
    assert SECRET not in capsys.readouterr().err


def test_the_secret_of_a_running_service_is_used(infra: CommandLine) -> None:
    table = service("api", env=f'{{ WEB_JWT_SECRET = "{SECRET}", WEB_JWT_ISSUER = "shop" }}')
    infra.write(f'use = ["api"]\n{table}')
    assert infra("runtime", "up", "--detach").code == 0

    issued = infra("dev", "jwt", "issue", "ada", "--service", "api")
    unknown = infra("dev", "jwt", "issue", "ada", "--service", "ape")

    assert issued.code == 0
    claims = json.loads(base64.urlsafe_b64decode(issued.out.split(".")[1] + "=="))
    assert (claims["sub"], claims["iss"]) == ("ada", "shop")
    assert unknown.code == 6
    assert "'api'" in unknown.err
