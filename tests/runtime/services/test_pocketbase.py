from __future__ import annotations

import json
import urllib.request

import pytest

from fakes.engine import made, options
from infra_runtime.spec import Run, Seed


def test_the_first_superuser_is_made_with_a_random_password() -> None:
    (seed,) = made("pocketbase", superuser="me@example.org").prepare
    assert isinstance(seed, Seed)
    (upsert,) = (step.command for step in seed.steps if isinstance(step, Run))

    assert upsert[1:3] == ("superuser", "upsert")
    # A password may begin with a dash.
    assert upsert[-3:] == ("--", "me@example.org", "${secret.password}")


def test_all_its_folders_are_in_the_data_directory() -> None:
    folders = options(made("pocketbase"))

    assert all(
        folders[name].startswith("${data}/") for name in ("dir", "hooksDir", "migrationsDir", "publicDir")
    )


def test_the_folder_of_hooks_can_be_set() -> None:
    assert options(made("pocketbase", hooks="${root}/hooks"))["hooksDir"] == "${root}/hooks"


def test_without_watch_no_migrations_are_written() -> None:
    assert options(made("pocketbase"))["automigrate"] == "true"
    assert options(made("pocketbase", watch=False))["automigrate"] == "false"


@pytest.mark.real("pocketbase")
def test_a_real_server_has_a_superuser_and_an_admin_ui(run) -> None:
    endpoint = run("pocketbase").pocketbase
    credentials = {"identity": endpoint.superuser_email, "password": endpoint.superuser_password}
    request = urllib.request.Request(
        f"{endpoint.url}/api/collections/_superusers/auth-with-password",
        data=json.dumps(credentials).encode(),
        headers={"Content-Type": "application/json"},
    )

    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer)["record"]["email"] == "admin@example.com"
    with urllib.request.urlopen(endpoint.admin_url, timeout=60) as page:
        assert "PocketBase" in page.read().decode()
