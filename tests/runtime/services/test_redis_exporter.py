from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from fakes.engine import spec_of
from fakes.project import Project


def test_the_target_is_in_the_plan_and_is_ready_first(project: Project) -> None:
    project.write("use = ['redis-exporter']\n")

    assert project.names() == ["valkey", "redis-exporter"]
    assert project.spec("redis-exporter").all_needs() == ("valkey",)


def test_the_password_of_the_target_is_in_the_environment_only() -> None:
    spec = spec_of("redis-exporter", target="cache", env={"REDIS_EXPORTER_COUNT_KEYS": "db0=*"})

    assert spec.env == {"REDIS_ADDR": "${cache.url}", "REDIS_EXPORTER_COUNT_KEYS": "db0=*"}
    assert not [word for word in spec.command if "cache" in word]


@pytest.mark.real("redis-exporter", "valkey")
def test_a_real_exporter_shows_the_keys_of_its_target(project: Project, run) -> None:
    import valkey

    project.write("[services.cache]\nkind = 'valkey'\n[services.redis-exporter]\ntarget = 'cache'\n")
    stack = run("redis-exporter")
    with valkey.Valkey.from_url(stack.cache.url) as client:
        client.set("key", "value")

    with urllib.request.urlopen(stack["redis-exporter"]["metrics_url"], timeout=60) as answer:
        text = answer.read().decode()

    assert '\nredis_db_keys{db="db0"} 1\n' in text
    (pid,) = [service.pid for service in stack.status().services if service.name == "redis-exporter"]
    assert stack.cache.password.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert stack.cache.password not in text
