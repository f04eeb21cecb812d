"""Tests of `Stack` with real processes, and without any server of the catalogue."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import infra_runtime as infra
from fakes.stacks import alive, server, until
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.stack import Endpoint
from infra_runtime.errors import (
    NoStackError,
    StartError,
    SupervisorError,
    UnknownServiceError,
    WaitTimeoutError,
)
from infra_runtime.messages import UP, Up
from infra_runtime.spec import Secret


def secretive(name: str):
    return server(
        name,
        prepare=(Secret(path="${data}/password.secret"),),
        exports={"url": "tcp://:${secret.password}@${host}:${port.main}", "port": "${port.main}"},
    )


# --- endpoints -------------------------------------------------------------------------------------

EXPORTS = {"url": "db://:hunter2@127.0.0.1:5", "host": "127.0.0.1", "port": "5", "password": "hunter2"}


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint("db", EXPORTS, {"main": 5}, "/data/db")


def test_an_endpoint_is_attributes_and_a_mapping_alike(endpoint) -> None:
    assert endpoint.url == endpoint["url"] == EXPORTS["url"]
    assert endpoint.password == "hunter2"
    assert (endpoint.port, endpoint.host, endpoint.data) == (5, "127.0.0.1", Path("/data/db"))
    assert dict(endpoint) == EXPORTS
    assert len(endpoint) == 4


def test_a_printed_endpoint_contains_no_secret(endpoint) -> None:
    assert "hunter2" not in f"{endpoint!r} {endpoint!s} {[endpoint]}"
    assert "db" in repr(endpoint)


def test_the_error_about_an_unknown_export_lists_the_existing_exports(endpoint) -> None:
    with pytest.raises(
        AttributeError, match="db does not export 'uri'; its exports are: url, host, port, password"
    ):
        _ = endpoint.uri


def test_a_service_that_exports_no_port_has_that_of_its_only_one() -> None:
    assert Endpoint("db", {}, {"main": 7}, "/data").port == 7


@pytest.mark.parametrize("name", ["url", "port"])
def test_the_error_about_a_service_without_an_address_contains_its_name(name: str) -> None:
    with pytest.raises(AttributeError, match=f"tasks does not export '{name}'; its exports are: none"):
        getattr(Endpoint("tasks", {}, {}, "/data/tasks"), name)


def test_an_endpoint_may_be_copied_and_sent_to_another_process(endpoint) -> None:
    for twin in (copy.copy(endpoint), copy.deepcopy(endpoint), pickle.loads(pickle.dumps(endpoint))):
        assert dict(twin) == EXPORTS
        assert twin.port == 5


# --- a stack ---------------------------------------------------------------------------------------


def test_a_service_is_an_attribute_or_an_item(stack_of) -> None:
    stack = stack_of(server("web"), server("my-api"))

    assert stack.web.port == stack["web"].port
    assert stack["my-api"].port != stack.web.port


def test_the_error_about_an_unknown_service_lists_the_existing_services(stack_of) -> None:
    stack = stack_of(server("web"))

    with pytest.raises(AttributeError, match="this stack has no service 'wbe'; did you mean 'web'"):
        _ = stack.wbe
    with pytest.raises(UnknownServiceError):
        _ = stack["wbe"]
    assert not hasattr(stack, "_private")


def test_programs_get_the_secrets_that_people_do_not_see(stack_of) -> None:
    stack = stack_of(secretive("my-db"))
    password = (stack["my-db"].data / "password.secret").read_text()

    assert stack.env() == {
        "MY_DB_URL": f"tcp://:{password}@127.0.0.1:{stack['my-db'].port}",
        "MY_DB_PORT": str(stack["my-db"].port),
    }
    assert password not in f"{stack.status()} {stack!r} {stack['my-db']!r}"


def test_an_attached_client_reads_the_same_state_and_does_not_stop_the_stack(stack_of, data) -> None:
    stack = stack_of(server("web"))

    with infra.attach(data) as other:
        assert other.web.port == stack.web.port
        assert other.status().leases == 2

    assert stack.status().leases == 1


def test_a_client_that_only_reads_has_no_lease(stack_of, data) -> None:
    stack_of(server("web"))

    with infra.attach(data, lease=False) as watcher:
        assert watcher.status().leases == 1


def test_attaching_without_a_running_stack_is_an_error(tmp_path) -> None:
    with pytest.raises(NoStackError, match=str(tmp_path)):
        infra.attach(tmp_path)


def test_a_wait_that_times_out_names_the_services_that_are_not_ready(stack_of) -> None:
    stack = stack_of(server("web"))
    stack.stop("web")
    stack._client.call(UP, _order(server("deaf", "--deaf")))
    until(lambda: "refused" in stack.status().services["deaf"].reason)

    with pytest.raises(WaitTimeoutError, match=r"not ready after 0\.2 s: deaf: .*refused"):
        stack.wait("deaf", timeout=0.2)


def test_a_wait_with_a_time_limit_of_zero_fails_at_once(stack_of) -> None:
    stack = stack_of(server("web"))
    stack._client.call(UP, _order(server("deaf", "--deaf")))

    stack.wait("web", timeout=0)
    with pytest.raises(WaitTimeoutError, match="not ready after 0 s: deaf"):
        stack.wait("deaf", timeout=0)


def test_a_wait_for_a_stopped_service_is_an_error(stack_of) -> None:
    stack = stack_of(server("web"))
    stack.stop("web")

    with pytest.raises(StartError, match="web: was stopped"):
        stack.wait("web")


def _order(spec) -> Up:
    return Up(services=(spec,), root="/", binaries={}, variables={}, wait=False)


# --- the import of the package ---------------------------------------------------------------------


def test_a_project_is_started_with_one_import(web) -> None:
    with infra.start(**web) as stack:
        assert stack.web.url == f"http://127.0.0.1:{stack.web.port}"
        assert len(alive(web["data"])) == 1

    assert alive(web["data"]) == []


def test_a_stack_cannot_be_used_after_down(web) -> None:
    stack = infra.start(**web)
    stack.down()

    with pytest.raises(SupervisorError, match="the connection to the stack was closed by"):
        stack.status()


def test_a_project_that_runs_already_is_joined(web) -> None:
    with infra.start(**web) as stack, infra.start(**web) as other:
        assert other.web.port == stack.web.port
        assert len(alive(web["data"])) == 1


def test_a_start_that_fails_leaves_nothing_and_no_lease(web, project) -> None:
    project.write("use = ['broken']\n[services.broken]\ncommand = ['false']\nports = { http = 8000 }\n")

    with pytest.raises(StartError, match="broken: exited with status 1"):
        infra.start(**web)

    assert alive(web["data"]) == []
    with pytest.raises(NoStackError):
        infra.attach(web["data"])


def test_a_process_that_ends_without_a_word_ends_its_stack(web) -> None:
    code = "import sys, os, infra_runtime as infra; infra.start(directory=sys.argv[1], environment='test', "
    code += "data=sys.argv[2]); os._exit(0)"

    subprocess.run([sys.executable, "-c", code, web["directory"], web["data"]], check=True, env=os.environ)

    until(lambda: not alive(web["data"]))
    until(lambda: not Path(Paths(str(web["data"])).run).exists())


def test_every_public_name_has_a_docstring_and_an_unknown_name_is_an_error() -> None:
    for name in infra.__all__:
        assert getattr(infra, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'strat'"):
        _ = infra.strat
