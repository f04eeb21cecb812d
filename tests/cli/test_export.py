"""`infra export`: written files, protected files, output and errors."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from fakes.command_line import CommandLine

pytestmark = pytest.mark.process
yaml = pytest.importorskip("yaml", reason="the minimal profile has no YAML parser")

STACK = """\
use = ["postgres", "api"]

[services.api]
command = ["${bin.python}", "-m", "shop"]
env = { DATABASE_URL = "${postgres.url}", TOKEN = "${env.API_TOKEN}" }
ports = { http = 8000 }
ready = { http = "/health" }
"""
DEVELOPMENT = ("--env", "development")
OVERLAYS = [f"compose.{name}.yaml" for name in ("development", "production", "staging", "test")]


@pytest.fixture
def shop(infra: CommandLine) -> CommandLine:
    """Run `infra` in a project with a database and a user's own service, whose variable is not set."""
    infra.write(STACK)
    infra.write('[project]\nname = "shop"\n', "pyproject.toml")
    return infra


def test_the_files_are_written_beside_the_stack_file(shop: CommandLine) -> None:
    answer = shop("export", "compose")
    folder = shop.root / "compose"

    assert answer.code == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        ".gitignore", "Dockerfile", "Dockerfile.dockerignore", *OVERLAYS, "compose.yaml", "secrets",
    ]  # fmt: skip
    assert yaml.safe_load((folder / "compose.yaml").read_text("utf-8"))["name"] == "shop"
    assert "new      compose/compose.yaml" in answer.out
    assert "docker compose -f compose/compose.yaml -f compose/compose.development.yaml up" in answer.out


def test_a_secret_is_made_once_and_stays_out_of_the_repository(shop: CommandLine) -> None:
    shop("export", "compose")
    file = shop.root / "compose" / "secrets" / "postgres-password"
    secret = file.read_text("ascii")
    again = shop("export", "compose")

    assert len(secret) == 48
    assert file.read_text("ascii") == secret
    assert "created" not in again.out
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert "/secrets/" in (shop.root / "compose" / ".gitignore").read_text("utf-8").splitlines()
    assert not [path for path in file.parents[1].glob("*.yaml") if secret in path.read_text("utf-8")]


def test_one_environment_is_one_complete_file_in_another_folder(shop: CommandLine) -> None:
    answer = shop("export", "compose", "--env", "production", "--output", "deploy/shop")
    folder = shop.root / "deploy" / "shop"
    document = yaml.safe_load((folder / "compose.yaml").read_text("utf-8"))

    assert answer.code == 0
    assert not list(folder.glob("compose.*.yaml"))
    assert document["services"]["api"]["environment"]["INFRA_ENV"] == "production"
    assert document["services"]["api"]["build"] == {
        "context": "../..",
        "dockerfile": "deploy/shop/Dockerfile",
    }


def test_check_fails_when_a_file_would_change_and_writes_nothing(shop: CommandLine) -> None:
    before = shop("export", "compose", "--check")
    shop("export", "compose")
    current = shop("export", "compose", "--check")
    shop.write(STACK.replace("8000", "8001"))
    after = shop("export", "compose", "--check")

    assert before.code == 13
    assert not before.out.startswith("created")
    assert current.code == 0
    assert after.code == 13
    assert "not up to date: compose.development.yaml, compose.test.yaml, compose.yaml" in after.err
    assert "8001" not in (shop.root / "compose" / "compose.yaml").read_text("utf-8")


def test_check_writes_nothing_at_all(shop: CommandLine) -> None:
    shop("export", "compose", "--check")

    assert not (shop.root / "compose").exists()


def test_a_file_of_the_user_is_not_overwritten_without_force(shop: CommandLine) -> None:
    shop.write("services: {}\n", "compose/compose.yaml")
    refused = shop("export", "compose")

    assert refused.code == 13
    assert "`infra export` did not generate: compose.yaml" in refused.err
    assert [path.name for path in (shop.root / "compose").iterdir()] == ["compose.yaml"]
    assert (shop.root / "compose" / "compose.yaml").read_text("utf-8") == "services: {}\n"
    assert shop("export", "compose", "--force").code == 0


def test_a_generated_file_that_is_no_longer_part_of_the_export_is_removed(shop: CommandLine) -> None:
    shop("export", "compose")
    shop.write("mine\n", "compose/notes.txt")
    answer = shop("export", "compose", "--env", "test")

    assert "removed    compose/compose.production.yaml" in answer.out
    assert not (shop.root / "compose" / "compose.production.yaml").exists()
    assert (shop.root / "compose" / "notes.txt").exists()


def test_the_json_output_has_files_secrets_and_notes(shop: CommandLine) -> None:
    document = shop("export", "compose", "--json").json

    assert document["folder"] == str(shop.root / "compose")
    assert {"path": "compose.yaml", "state": "new"} in document["files"]
    assert document["secrets"] == ["postgres-password"]
    assert any("No port is published in production" in note for note in document["notes"])


def test_a_setting_that_cannot_be_expressed_is_reported_with_its_line(shop: CommandLine) -> None:
    shop.write(STACK + '[services.api.container]\nimage = "shop:1"\n')
    answer = shop("export", "compose")

    assert answer.code == 6
    assert f"{shop.root}/infra.toml:7: the probe of api cannot be converted to a health check" in answer.err
    assert "health_client" in answer.err
    assert not (shop.root / "compose").exists()


def test_a_setting_of_an_overlay_is_reported_with_the_line_of_the_overlay(shop: CommandLine) -> None:
    shop.write('\n[services.api]\nenv = { SOCKET = "${postgres.socket_url}" }\n', "infra.production.toml")
    answer = shop("export", "compose")

    assert answer.code == 6
    assert "infra.production.toml:3: api refers to ${postgres.socket_url}" in answer.err


@pytest.mark.parametrize("name", ["infra.toml", "infra.production.toml"])
def test_a_secret_in_plain_text_is_not_written_for_production(shop: CommandLine, name: str) -> None:
    table = '[services.api.env]\nSECRET_KEY = "hunter2"\n'
    bare = "".join(line for line in STACK.splitlines(keepends=True) if not line.startswith("env"))
    shop.write(bare + table if name == "infra.toml" else table, name)
    answer = shop("export", "compose")

    assert answer.code == 6
    assert "services.api.env.SECRET_KEY contains a secret in plain text" in answer.err
    assert "${env.SECRET_KEY}" in answer.err
    assert "hunter2" not in answer.err + answer.out


def test_a_secret_from_a_variable_is_never_written(shop: CommandLine) -> None:
    variable = {"INFRA_SERVICES__API__ENV__SECRET_KEY": "hunter2"}
    answer = shop("export", "compose", "--env", "test", environ=variable)

    assert answer.code == 6
    assert "INFRA_SERVICES__API__ENV__SECRET_KEY: services.api.env.SECRET_KEY contains a secret" in answer.err


def test_the_exit_code_for_a_folder_that_cannot_be_written_is_13(shop: CommandLine) -> None:
    shop.write("a file\n", "taken")
    answer = shop("export", "compose", "--output", "taken/below")

    assert answer.code == 13
    assert "cannot be written" in answer.err


# --- other engines ---------------------------------------------------------------------------------


def test_a_base_and_overlays_for_kubernetes_are_written_and_checked(shop: CommandLine) -> None:
    answer = shop("export", "kubernetes", "--registry", "registry.example/shop", "--tag", "7")
    folder = shop.root / "kubernetes"
    secret = (folder / "overlays" / "development" / "secrets" / "postgres-password").read_text("ascii")

    assert answer.code == 0
    assert sorted(path.name for path in (folder / "overlays").iterdir()) == [
        "development", "production", "staging",
    ]  # fmt: skip
    assert 'image: "registry.example/shop/api:7"' in (folder / "base" / "service-api.yaml").read_text("utf-8")
    assert "Create the Secret shop-variables in production, with the keys API_TOKEN." in answer.err
    assert not [path for path in folder.rglob("*.yaml") if secret in path.read_text("utf-8")]
    options = ("export", "kubernetes", "--check", "--registry", "registry.example/shop", "--tag")
    assert (shop(*options, "7").code, shop(*options, "8").code) == (0, 13)


def test_all_overlays_of_a_folder_belong_to_the_same_base(shop: CommandLine) -> None:
    only = shop("export", "kubernetes", "--env", "production")
    overlays = shop.root / "kubernetes" / "overlays"
    first = {path.name for path in overlays.iterdir()}
    shop("export", "kubernetes", "--tag", "1")

    answer = shop("export", "kubernetes", "--tag", "2", "--env", "production")

    assert (only.code, first) == (0, {"production"})
    assert answer.code == 0
    assert "kubectl apply --server-side -k kubernetes/overlays/production" in answer.out
    assert shop("export", "kubernetes", "--tag", "2", "--check").code == 0


def test_a_file_of_a_removed_service_is_removed_from_the_base(shop: CommandLine) -> None:
    shop("export", "kubernetes")
    shop.write(STACK.replace('"postgres", ', "").replace('DATABASE_URL = "${postgres.url}", ', ""))

    answer = shop("export", "kubernetes")

    assert "removed    kubernetes/base/service-postgres.yaml" in answer.out
    assert not (shop.root / "kubernetes" / "base" / "service-postgres.yaml").exists()


def test_a_path_that_no_cluster_has_is_reported_with_its_line(infra: CommandLine) -> None:
    infra.write('use = ["caddy"]\n[services.caddy]\nroutes = [{ path = "/*", files = "public" }]\n')

    answer = infra("export", "kubernetes")

    assert answer.code == 6
    assert "infra.toml:3: caddy uses the path 'public' of this machine" in answer.err


def test_variables_are_written_without_secrets(shop: CommandLine) -> None:
    answer = shop("export", "env", "--env", "staging")

    assert answer.code == 0
    text = (shop.root / "env" / "staging.env").read_text("utf-8")
    assert 'DATABASE_URL="postgresql://postgres:${POSTGRES_PASSWORD}@127.0.0.1:5432/postgres"' in text


def test_the_variables_of_other_environments_stay_in_the_folder(shop: CommandLine) -> None:
    shop("export", "env", "--env", "staging")

    answer = shop("export", "env", "--env", "production")

    assert answer.out.split() == ["new", "env/production.env"]
    assert {path.name for path in (shop.root / "env").iterdir()} == {"production.env", "staging.env"}


def test_units_and_a_procfile_name_the_files_and_the_next_command(infra: CommandLine) -> None:
    infra.write(
        'use = ["api"]\n[services.api]\ncommand = ["${bin.python}", "-m", "shop"]\nports = { http = 8000 }\n'
    )
    infra.write('[project]\nname = "shop"\n', "pyproject.toml")

    units, procfile = infra("export", "systemd", *DEVELOPMENT), infra("export", "procfile", *DEVELOPMENT)

    assert (units.code, procfile.code) == (0, 0)
    assert f"systemctl enable --now {infra.root}/systemd/shop-*.service" in units.out
    assert "honcho -f procfile/Procfile start" in procfile.out
    assert "honcho -f 'a b/Procfile' start" in infra("export", "procfile", "-o", "a b", *DEVELOPMENT).out
    assert infra("export", "systemd", "--check", *DEVELOPMENT).code == 0


def test_sealed_secrets_are_encrypted_once_and_only_for_their_cluster(
    shop: CommandLine, tmp_path: Path
) -> None:
    pytest.importorskip("cryptography", reason="the minimal profile has no cryptography")
    from fakes.kubernetes_schemas import problems
    from fakes.sealing import new_key, unsealed, write_certificate

    key = new_key()
    certificate = write_certificate(tmp_path / "controller.pem", key)
    export = ("export", "kubernetes", "--secrets", "sealed", "--certificate", str(certificate))
    folder = shop.root / "kubernetes" / "overlays" / "production"

    refused = shop(*export)
    shop.environ["API_TOKEN"] = "hunter2"
    first = shop(*export)
    text = (folder / "sealed-secrets.yaml").read_text("utf-8")
    documents = list(yaml.safe_load_all(text))
    values = {
        name: unsealed(value, key, f"shop/{document['metadata']['name']}")
        for document in documents
        for name, value in document["spec"]["encryptedData"].items()
    }
    del shop.environ["API_TOKEN"]
    again = shop(*export, "--check")

    assert refused.code == 6
    assert "needs the environment variables API_TOKEN, which are not set" in refused.err
    assert first.code == 0, first
    assert "Create the Secret shop-variables in development, with the keys API_TOKEN." in first.err
    assert "in production" not in first.err
    assert [problem for document in documents for problem in problems(document)] == []
    assert values.keys() == {"API_TOKEN", "postgres-password"}
    assert values["API_TOKEN"] == "hunter2"
    assert len(values["postgres-password"]) == 48
    assert "sealed-secrets.yaml" in (folder / "kustomization.yaml").read_text("utf-8")
    assert not [
        path
        for path in (shop.root / "kubernetes").rglob("*.yaml")
        for value in values.values()
        if value in path.read_text("utf-8")
    ]
    assert again.code == 0, again


def test_an_export_of_one_environment_keeps_the_sealed_secrets_of_the_others(
    shop: CommandLine, tmp_path: Path
) -> None:
    pytest.importorskip("cryptography", reason="the minimal profile has no cryptography")
    from fakes.sealing import new_key, write_certificate

    certificate = write_certificate(tmp_path / "controller.pem", new_key())
    shop.environ["API_TOKEN"] = "hunter2"
    shop("export", "kubernetes", "--secrets", "sealed", "--certificate", str(certificate))
    folder = shop.root / "kubernetes" / "overlays" / "production"
    before = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    del shop.environ["API_TOKEN"]

    answer = shop("export", "kubernetes", *DEVELOPMENT)

    assert answer.code == 0, answer
    assert "sealed-secrets.yaml" in before
    assert {path.name: path.read_text("utf-8") for path in folder.iterdir()} == before
    assert "in production" not in answer.err


def test_sealed_secrets_without_a_certificate_are_an_error(shop: CommandLine) -> None:
    answer = shop("export", "kubernetes", "--secrets", "sealed")
    other = shop("export", "kubernetes", "--certificate", "a.pem")

    assert answer.code == 6
    assert "need the certificate of the controller" in answer.err
    assert "kubeseal --fetch-cert" in answer.err
    assert not (shop.root / "kubernetes").exists()
    assert other.code == 2
