"""Data directories and disks that cannot be used: the error contains the path and the reason."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from pathlib import Path

import pytest

from fakes.small_disk import on_a_small_disk
from fakes.stacks import alive, journal_events, kill, resolved, server, until
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.engine import LocalEngine
from infra_runtime.errors import ConfigurationError, DataDirectoryError
from infra_runtime.spec import Run, Seed


def connect(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), timeout=60).close()


@pytest.mark.process
def test_a_read_only_directory_is_an_error_before_a_process_starts(tmp_path) -> None:
    code = """
make_read_only()
try:
    up(server("web"))
except InfraError as error:
    print(type(error).__name__, error, sep="\\n")
"""
    kind, message = on_a_small_disk(tmp_path / "disk", "1m", code)

    assert kind == "DataDirectoryError"
    assert message == f"{tmp_path}/disk/data: Read-only file system"


@pytest.mark.process
def test_a_full_disk_is_an_error_before_a_process_starts(tmp_path) -> None:
    code = """
data.mkdir()
fill()
try:
    up(server("web"))
except InfraError as error:
    print(type(error).__name__, error, sep="\\n")
"""
    kind, message = on_a_small_disk(tmp_path / "disk", "64k", code)

    assert kind == "DataDirectoryError"
    assert message == f"{tmp_path}/disk/data: No space left on device"


@pytest.mark.process
def test_a_seed_larger_than_the_disk_is_an_error_and_its_incomplete_copy_is_removed(tmp_path) -> None:
    code = """
from infra_runtime.spec import Run, Seed
big = Run(command=("dd", "if=/dev/zero", "of=${out}/big", "bs=64k", "count=64"))
try:
    up(server("web", prepare=(Seed(into="${data}", steps=(big,)),)))
except InfraError as error:
    print(str(error).splitlines()[0])
print(sorted(path.name for path in data.glob("services/*")), alive(data))
"""
    message, left = on_a_small_disk(tmp_path / "disk", "1m", code)

    assert message.startswith("web: cp ")
    assert message.endswith(f"{tmp_path}/disk/data/services: No space left on device")
    assert left == "[] []"  # the supervisor removes the data of a test


@pytest.mark.process
def test_a_service_that_fails_on_a_full_disk_has_that_reason(tmp_path) -> None:
    """The service itself cannot write the reason to its log."""
    code = """
write = "dd if=/dev/zero of=big bs=4k; exit 3"
try:
    up(server("web", command=("sh", "-c", write)))
except InfraError as error:
    print(str(error).splitlines()[0])
print(alive(data))
"""
    message, left = on_a_small_disk(tmp_path / "disk", "256k", code)

    reason = f"{tmp_path}/disk/data/services/web: No space left on device"
    assert message == f"web: exited with status 3 before it was ready; {reason}"
    assert left == "[]"


@pytest.mark.process
def test_a_stack_keeps_running_and_stops_on_a_disk_that_fills_up_later(tmp_path) -> None:
    code = """
print_lines = "trap 'exit 0' TERM; while :; do echo more; sleep 0.01; done"
stack = up(server("talker", command=("sh", "-c", print_lines), ready=None), server("web"))
fill()
stack.restart("web")
print(stack.status().services[1].phase)
print(stack.finish())
print(alive(data))
"""
    phase, proof, left = on_a_small_disk(tmp_path / "disk", "512k", code)

    assert phase == "ready"
    assert "0 processes, 0 ports, 0 sockets left" in proof
    assert left == "[]"


def test_a_directory_of_a_newer_version_stays_unchanged(data) -> None:
    data.mkdir()
    marker = data / "infra.json"
    marker.write_text(json.dumps({"format": 99, "environment": "test"}))

    with pytest.raises(DataDirectoryError, match=r"newer pytest-infra \(format 99, this version reads"):
        LocalEngine().open(resolved(data, [server("web")]))

    assert json.loads(marker.read_text())["format"] == 99


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": "x"}', "\x00"])
def test_an_invalid_marker_is_an_error(data, text) -> None:
    data.mkdir()
    (data / "infra.json").write_text(text)

    with pytest.raises(
        DataDirectoryError, match=r"contains a file infra\.json that pytest-infra did not write"
    ):
        LocalEngine().open(resolved(data, [server("web")]))


def test_a_file_in_place_of_the_directory_is_an_error(tmp_path) -> None:
    (tmp_path / "data").write_text("a file")

    with pytest.raises(DataDirectoryError, match=f"^{tmp_path}/data: "):
        LocalEngine().open(resolved(tmp_path / "data", [server("web")]))


def test_a_stack_starts_despite_a_corrupt_journal(stack_of, data) -> None:
    stack_of(server("web")).close()
    (data / "events.jsonl").write_bytes(b'\x00\xff{}\n[]\n{"event": "up')

    stack = stack_of(server("web"))

    connect(stack.web.port)


def test_a_cache_without_write_access_is_replaced_by_another_cache(
    stack_of, monkeypatch, tmp_path, short
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("INFRA_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setenv("INFRA_RUNTIME_DIR", str(short / "r"))
    seed = Seed(into="${data}", steps=(Run(command=("touch", "${out}/made")),))

    stack = stack_of(server("web", prepare=(seed,)))

    assert (stack.web.data / "made").exists()


def test_a_socket_folder_with_too_long_a_path_is_an_error(data, monkeypatch) -> None:
    monkeypatch.setenv("INFRA_RUNTIME_DIR", "/tmp/" + "x" * 60)

    with pytest.raises(
        ConfigurationError, match=r"INFRA_RUNTIME_DIR: /tmp/x+ is too long: the path of a socket"
    ):
        LocalEngine().open(resolved(data, [server("web")]))

    assert not data.exists()


@pytest.mark.parametrize("name", ["INFRA_RUNTIME_DIR", "INFRA_CACHE"])
def test_a_relative_folder_is_an_error_because_client_and_supervisor_resolve_it_differently(
    data, monkeypatch, name
) -> None:
    monkeypatch.setenv(name, "relative/folder")

    with pytest.raises(ConfigurationError, match=f"^{name}: 'relative/folder' is not an absolute path"):
        LocalEngine().open(resolved(data, [server("web")]))

    assert not data.exists()


@pytest.mark.parametrize("name", ["INFRA_LOG_LIMIT", "INFRA_LOG_TOTAL"])
def test_an_invalid_limit_of_logs_is_an_error_before_the_data_directory_is_created(
    data, monkeypatch, name
) -> None:
    monkeypatch.setenv(name, "10 MB")

    with pytest.raises(ConfigurationError, match=f"^{name}: '10 MB' is not a number of bytes"):
        LocalEngine().open(resolved(data, [server("web")]))

    assert not data.exists()


def test_a_socket_folder_that_is_a_link_is_an_error(data, short, monkeypatch) -> None:
    (short / "elsewhere").mkdir()
    (short / "run").symlink_to(short / "elsewhere")
    monkeypatch.setenv("INFRA_RUNTIME_DIR", str(short / "run"))

    with pytest.raises(
        ConfigurationError,
        match=f"INFRA_RUNTIME_DIR: {short}/run: belongs to .*, or is not a folder",
    ):
        LocalEngine().open(resolved(data, [server("web")]))

    assert not data.exists()


@pytest.mark.parametrize("moment", ["before the start", "before the end", "before a kill"])
def test_links_in_place_of_folders_of_a_test_stack_are_removed_and_their_targets_stay(
    stack_of, data, tmp_path, moment
) -> None:
    stack = stack_of(server("web"), tmpfs=False)
    paths = Paths(str(data))
    precious = {}
    if moment == "before the start":
        stack.close()
        until(lambda: not Path(paths.services).exists())
    for folder in (paths.services, paths.run):
        target = precious[folder] = tmp_path / f"precious {Path(folder).name}"
        target.mkdir()
        (target / "file").write_text("content")
    if moment != "before the start":
        for folder in precious:
            Path(folder).rename(f"{folder}.moved")
    Path(paths.services).symlink_to(precious[paths.services])
    if moment == "before the start":
        stack = stack_of(server("web"), tmpfs=False)
        assert not Path(paths.services).is_symlink()
    else:
        Path(paths.run).symlink_to(precious[paths.run])
    pid = [event.pid for event in journal_events(data) if event.event == "up"][-1]

    if moment == "before a kill":
        kill(pid)
    else:
        os.kill(pid, signal.SIGTERM)

    until(lambda: not alive(data) and not os.path.lexists(paths.services) and not os.path.lexists(paths.run))
    assert [(target / "file").read_text() for target in precious.values()] == ["content"] * 2
    shutil.rmtree(f"{paths.run}.moved", ignore_errors=True)
