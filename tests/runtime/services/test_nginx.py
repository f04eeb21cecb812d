from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from fakes.engine import spec_of
from fakes.stacks import until
from infra_runtime.binaries import locate
from infra_runtime.catalogue import entry
from infra_runtime.spec import WriteFile


def files(**settings: Any) -> dict[str, str]:
    """Return a mapping from name to text of the configuration files."""
    steps = [step for step in spec_of("nginx", **settings).prepare if isinstance(step, WriteFile)]
    return {step.path.removeprefix("${data}/"): step.text for step in steps}


def test_all_its_files_are_in_the_data_directory() -> None:
    main = files()["nginx.conf"]
    paths = [line.split()[1] for line in main.splitlines() if "_temp_path" in line or line.startswith("pid")]

    assert len(paths) == 6
    assert all(path.startswith('"${data}/') for path in paths)


def test_a_host_also_has_the_routes_of_all_hosts_in_their_order() -> None:
    main = files(
        routes=[
            {"path": "/first/*", "to": "a"},
            {"path": "/hosted/*", "host": "x.localhost", "to": "b"},
            {"path": "/all/*", "host": "*.localhost", "to": "c"},
            {"path": "/other/*", "host": "other.test", "to": "d"},
        ]
    )["nginx.conf"]
    server = main.partition('server_name "x.localhost"')[2].partition("  server {")[0]

    assert [part.partition("(")[0] for part in server.split('location ~* "^')[1:]] == [
        "/first",
        "/hosted",
        "/all",
    ]


def test_an_option_replaces_a_directive() -> None:
    main = files(options={"client_max_body_size": "1m", "gzip": "on"})["nginx.conf"]

    assert main.count("client_max_body_size") == 1
    assert "client_max_body_size 1m;" in main
    assert "gzip on;" in main


def test_the_container_has_the_same_routes_with_the_folders_of_the_image() -> None:
    container = spec_of("nginx", routes=[{"files": "public"}]).container

    assert container is not None
    assert container.command == ("nginx", "-g", "daemon off;")
    assert container.mounts == ("public",)
    assert container.files["/etc/nginx/routes.conf"] == files(routes=[{"files": "public"}])["routes.conf"]
    assert "${data}" not in container.files["/etc/nginx/nginx.conf"]


@pytest.mark.real("nginx")
def test_a_real_server_accepts_unusual_routes(tmp_path: Path) -> None:
    """The names contain every character that has a meaning in a configuration file."""
    texts = files(
        routes=[
            {"path": '/a"b\\c$d{e};f/*', "to": "127.0.0.1:9", "strip": True},
            {
                "path": "/x*",
                "host": "*.very-long-name-of-a-host.with-many-labels.localhost",
                "to": "127.0.0.1:9",
            },
            {"path": "/f/*", "host": "one.localhost", "files": "a folder", "strip": True},
            {"path": "/", "host": "one.localhost", "to": "127.0.0.1:9"},
        ]
    )
    values = {"${data}": str(tmp_path), "${root}": str(tmp_path), "${host}": "127.0.0.1", "${port.http}": "1"}
    for name, text in texts.items():
        bound = re.sub(r"\$\{[^}]*\}", lambda reference: values[reference[0]], text)
        (tmp_path / name).write_text(bound, encoding="utf-8")

    program = locate(entry("nginx").binaries[0])
    check = subprocess.run(
        [program, "-t", "-q", "-e", "stderr", "-p", tmp_path, "-c", tmp_path / "nginx.conf"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert (check.returncode, [line for line in check.stderr.splitlines() if "[emerg]" in line]) == (0, [])


@pytest.mark.real("nginx")
def test_no_worker_is_left_when_the_master_is_killed(run) -> None:
    stack = run("nginx", workers=2)
    (pid,) = [service.pid for service in stack.status().services if service.name == "nginx"]
    # The first worker can answer the probe before the master has started the second one.
    until(lambda: len(psutil.Process(pid).children()) == 2)
    workers = psutil.Process(pid).children()
    assert {worker.uids().effective for worker in workers} == {os.geteuid()}

    stack.crash("nginx", wait=True)

    assert len(workers) == 2
    until(lambda: not any(worker.is_running() for worker in workers), 60)
