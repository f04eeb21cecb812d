"""Plans and settings for output."""

from __future__ import annotations

import json

from fakes.samples import every
from infra_runtime.config.masking import masked_code, masked_copy, masked_value
from infra_runtime.contributions import Contribution, Route
from infra_runtime.plan import make_plan
from infra_runtime.redaction import MASK
from infra_runtime.spec import (
    Container,
    Exchange,
    ExecProbe,
    Expect,
    HttpProbe,
    Run,
    Seed,
    Send,
    ServiceSpec,
    WriteFile,
)

SECRET = "hunter2-and-more"


@every(
    [
        {"env": {"API_TOKEN": SECRET}},
        {"env": {"DATABASE_URL": f"postgres://me:{SECRET}@db/x"}},
        {"env": {"DSN": f"host=db password={SECRET}"}},
        {"env": {"PLAIN": f"${{env.API_TOKEN:-{SECRET}}}"}},
        {"env": {"API_TOKEN": f"${{env.OTHER:-{SECRET}}}"}},
        {"env": {"CONFIGURATION": f'{{"password": "{SECRET}"}}'}},
        {"env": {"OPENING": SECRET}, "sensitive": ("OPENING",)},
        {"exports": {"password": SECRET}},
        {"exports": {"url": f"http://db/?token={SECRET}"}},
        {"command": ("app", "--password", SECRET)},
        {"command": ("app", f"--api-key={SECRET}")},
        {"command": ("app", "--opening", SECRET), "sensitive": ("opening",)},
        {"command": ("curl", "-H", f"Authorization: Bearer {SECRET}")},
        {"command": ("sh", "-c", f"API_KEY={SECRET} exec app")},
        {"prepare": (WriteFile(path="${data}/a.json", text=f'{{"token": "{SECRET}"}}'),)},
        {"prepare": (WriteFile(path="${data}/a.conf", text=f"port 1\nrequirepass {SECRET}\n"),)},
        {"prepare": (Run(command=("init",), env={"PASSWORD": SECRET}),)},
        {"prepare": (Seed(into="${data}", steps=(Run(command=("init", f"--secret={SECRET}")),)),)},
        {"ready": HttpProbe(port="main", headers={"Authorization": f"Basic {SECRET}"})},
        {"ready": HttpProbe(port="main", path=f"/health?key={SECRET}")},
        {"ready": ExecProbe(command=("ping", "--token", SECRET))},
        {"ready": Exchange(port="main", steps=(Send(text=f"AUTH {SECRET}\\r\\n"), Expect(prefixes=("+",))))},
        {"container": Container(image="x", env={"SECRET": SECRET})},
        {"container": Container(image="x", files={"/etc/a": f"password: {SECRET}"})},
    ]
)
def test_a_plan_for_output_has_no_secret(fields) -> None:
    spec = ServiceSpec(**{"name": "app", "command": ("app",), "ports": {"main": 8000}, **fields})
    plan = make_plan([spec], environment="development", root="/project")

    output = json.dumps(masked_copy(plan).to_json())

    assert SECRET in json.dumps(plan.to_json())
    assert SECRET not in output
    assert MASK in output


def test_references_ports_and_contributions_of_a_plan_are_shown() -> None:
    spec = ServiceSpec(
        name="app",
        command=("app", "--password", "${secret.password}", "--port", "${port.token}"),
        env={"PASSWORD": "${env.PASSWORD}", "KEY_FILE": "/etc/key", "URL": "db://me:${env.PASSWORD}@${host}"},
        ports={"token": 8000},
    )
    offer = Contribution(key="route", value=Route(path="/api/*"), service="app")

    assert masked_copy(spec) == spec
    assert masked_copy(offer) == offer


def test_nested_json_of_settings_is_masked_at_any_depth() -> None:
    options = {"authorization": {"users": [{"user": "me", "password": SECRET}]}, "tokens": [SECRET], "n": 1}

    assert SECRET not in json.dumps(masked_copy(options))
    assert masked_copy({"users": ["me"], "max_payload": 5}) == {"users": ["me"], "max_payload": 5}
    assert masked_copy({"password": 12345678}) == {"password": MASK}
    assert masked_copy({"keys": [SECRET]}) == {"keys": [MASK]}
    assert masked_copy({"keys": ["customer.name", "-id"]}) == {"keys": ["customer.name", "-id"]}


@every(["密码password", "épassword", "пароль_token"])
def test_a_name_with_letters_of_another_alphabet_is_recognised(name: str) -> None:
    assert masked_code(f"{name}: {SECRET}") == f"{name}: {MASK}"


def test_a_private_key_is_masked_in_any_text() -> None:
    text = f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----"

    assert SECRET not in masked_code(text)


def test_a_value_of_references_is_symbolic() -> None:
    assert masked_value("password", "${postgres.password}") == "${postgres.password}"
    assert masked_value("password", "x${postgres.password}") == MASK


@every(["a" * 200_000, "\n" * 200_000, "a." * 100_000, "a=" * 20_000, "1a" * 100_000])
def test_a_long_value_is_masked_in_a_time_proportional_to_its_length(text: str) -> None:
    """With a search at each position, this test would take many minutes."""
    assert masked_code(f"{text} password={SECRET}") == f"{text} password={MASK}"
