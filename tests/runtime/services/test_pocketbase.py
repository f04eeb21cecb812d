from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from fakes.engine import options, spec_of
from infra_runtime.catalogue import entry
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import StartError
from infra_runtime.spec import Run, Secret, Seed, WriteFile


def test_the_superuser_is_made_after_the_seed_and_its_password_is_in_no_argument() -> None:
    seed, secret, hook, superuser = spec_of("pocketbase", superuser="me@example.org").prepare

    assert isinstance(seed, Seed)
    assert secret == Secret(path="${data}/password.secret")
    assert isinstance(hook, WriteFile)
    assert isinstance(superuser, Run)
    assert {"me@example.org", "${secret.password}"} <= set(superuser.env.values())
    assert "secret" not in " ".join(superuser.command)


def test_a_server_of_tests_without_hooks_of_the_user_makes_the_superuser_itself() -> None:
    hooks = entry("pocketbase").defaults["test"]["hooks"]
    spec = spec_of("pocketbase", hooks=hooks, superuser="me@example.org", env={"DEBUG": "1"})

    assert [type(step) for step in spec.prepare] == [Seed, Secret, WriteFile]
    assert {"me@example.org", "${secret.password}", "1"} <= set(spec.env.values())
    assert "secret" not in " ".join(spec.command)


@pytest.mark.parametrize("settings", [{"hooks": "${root}/hooks"}, {}], ids=["set", "default"])
def test_the_users_hooks_are_separate_from_the_hook_of_the_superuser(settings: dict[str, str]) -> None:
    """In development, the default folder of hooks contains hooks of the user."""
    spec = spec_of("pocketbase", watch=False, **settings)
    hooks = options(spec)["hooksDir"]

    assert isinstance(spec.prepare[-1], Run)
    assert not any(step.path.startswith(hooks) for step in spec.prepare if isinstance(step, WriteFile))
    assert "hooksPool" not in options(spec)
    assert not spec.env


def test_all_its_folders_are_in_the_data_directory() -> None:
    folders = options(spec_of("pocketbase"))

    assert all(
        folders[name].startswith("${data}/") for name in ("dir", "hooksDir", "migrationsDir", "publicDir")
    )


def test_the_folder_of_hooks_can_be_set() -> None:
    assert options(spec_of("pocketbase", hooks="${root}/hooks"))["hooksDir"] == "${root}/hooks"


def test_without_watch_no_migrations_are_written() -> None:
    assert options(spec_of("pocketbase"))["automigrate"] == "true"
    assert options(spec_of("pocketbase", watch=False))["automigrate"] == "false"


def login(endpoint: Endpoint, password: str) -> Any:
    """Log in as the superuser and return the answer."""
    credentials = {"identity": endpoint.superuser_email, "password": password}
    request = urllib.request.Request(
        f"{endpoint.url}/api/collections/_superusers/auth-with-password",
        data=json.dumps(credentials).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def collections(endpoint: Endpoint, token: str) -> Any:
    """Return the collections, which only a superuser can read."""
    request = urllib.request.Request(f"{endpoint.url}/api/collections", headers={"Authorization": token})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@pytest.mark.real("pocketbase")
@pytest.mark.parametrize("settings", [{}, {"hooks": "${data}/own"}], ids=["in the server", "before it"])
def test_a_real_server_has_a_superuser_and_an_admin_ui(run, settings: dict[str, str]) -> None:
    endpoint = run("pocketbase", **settings).pocketbase

    assert login(endpoint, endpoint.superuser_password)["record"]["email"] == "admin@example.com"
    with urllib.request.urlopen(endpoint.admin_url, timeout=60) as page:
        assert "PocketBase" in page.read().decode()


@pytest.mark.real("pocketbase")
def test_neither_password_nor_token_of_a_real_server_is_valid_for_another_one(run) -> None:
    with run("pocketbase", folder="one") as one:
        password = one.pocketbase.superuser_password
        token = login(one.pocketbase, password)["token"]
        assert collections(one.pocketbase, token)["totalItems"] > 0

    other = run("pocketbase", folder="two").pocketbase

    with pytest.raises(urllib.error.HTTPError, match="400"):
        login(other, password)
    with pytest.raises(urllib.error.HTTPError, match=r"40[13]"):
        collections(other, token)


@pytest.mark.real("pocketbase")
def test_a_superuser_that_the_user_changed_stays_after_a_restart(run) -> None:
    stack = run("pocketbase")
    endpoint = stack.pocketbase
    answer = login(endpoint, endpoint.superuser_password)
    change = urllib.request.Request(
        f"{endpoint.url}/api/collections/_superusers/records/{answer['record']['id']}",
        data=json.dumps({"password": "changed-by-me", "passwordConfirm": "changed-by-me"}).encode(),
        headers={"Content-Type": "application/json", "Authorization": answer["token"]},
        method="PATCH",
    )
    with urllib.request.urlopen(change, timeout=60):
        pass

    stack.restart("pocketbase")

    assert login(endpoint, "changed-by-me")["token"]


@pytest.mark.real("pocketbase")
def test_the_error_of_a_real_server_for_a_wrong_address_is_in_its_log(run) -> None:
    with pytest.raises(StartError, match="must be a valid email address"):
        run("pocketbase", superuser="nonsense")
