"""The clients of registries are bounded in size and waiting time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.stacks import until
from infra_runtime.binaries import registry_client
from infra_runtime.binaries.registry_client import run
from infra_runtime.errors import InstallError, IntegrityError

pytestmark = pytest.mark.process


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_output_is_returned_and_progress_reported(tmp_path: Path) -> None:
    reported: list[int] = []
    code = f"open({str(tmp_path / 'file')!r}, 'wb').write(bytes(700)); print('done')"

    printed = run("tool", python(code), folder=tmp_path, expected=1000, progress=reported.append)

    assert printed == "done\n"
    assert reported[-1] == 700


def test_a_failing_client_is_an_error_with_its_last_lines(tmp_path: Path) -> None:
    code = "import sys; print('one'); print('no such version', file=sys.stderr); sys.exit(3)"

    with pytest.raises(InstallError, match=r"^tool: .* failed: .*no such version"):
        run("tool", python(code), folder=tmp_path)


def test_a_password_in_the_output_of_a_failing_client_is_masked(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", "echo E: cannot read https://ann:secret-1@files.test/x; exit 1"]

    with pytest.raises(InstallError, match=r"https://ann:\*\*\*@files.test/x"):
        run("tool", command, folder=tmp_path)


def test_a_client_that_writes_nothing_is_killed(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="no data arrived for 0 s"):
        run("tool", python("import time; time.sleep(600)"), folder=tmp_path, stall=0.2)


def test_a_client_that_writes_too_much_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_client, "_SLACK", 1000)
    code = (
        "import time\n"
        f"with open({str(tmp_path / 'file')!r}, 'wb', buffering=0) as file:\n"
        "    while True: file.write(bytes(1000)); time.sleep(0.001)\n"
    )

    with pytest.raises(IntegrityError, match="larger than the 5000 bytes in the lock"):
        run("tool", python(code), folder=tmp_path, expected=5000)


@pytest.mark.parametrize(
    "lines",
    [
        "Err:1 http://files.test/x\n  write (28: No space left on device)\nErr:2 x\nErr:3 x",
        "ERROR: Exception:\nTraceback\nOSError: [Errno 28] No space left on device\n",
        "npm ERR! code ENOSPC\nnpm ERR! syscall write",
        "go: writing stat cache: mkdir /cache: Read-only file system",
    ],
)
def test_a_full_or_read_only_disk_is_named_with_a_hint(lines: str, tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="cannot write its files: ") as caught:
        run("tool", ["/bin/sh", "-c", f"echo '{lines}'; exit 1"], folder=tmp_path)

    assert "INFRA_BINARIES" in caught.value.hint


@pytest.mark.parametrize(
    "line",
    [
        "E: Failed to fetch http://files.test/x.deb  Hash Sum mismatch",
        "   File has unexpected size (5 != 7). Mirror sync in progress?",
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
        "verifying example.test/tool@v1.0.0: checksum mismatch",
        "npm ERR! code EINTEGRITY",
    ],
)
def test_a_file_that_a_client_refuses_because_of_its_hash_is_an_error_of_integrity(
    line: str, tmp_path: Path
) -> None:
    with pytest.raises(IntegrityError, match="failed: "):
        run("tool", ["/bin/sh", "-c", f"echo '{line}'; exit 1"], folder=tmp_path)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is missing")
def test_a_client_ends_with_the_process_that_has_started_it(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys; from infra_runtime.binaries.registry_client import run\n"
        "run('tool', ['/bin/sh', '-c', 'echo $$ > pid; exec sleep 600'], folder=pathlib.Path())\n"
    )
    process = subprocess.Popen(python(code), cwd=tmp_path)
    pid = tmp_path / "pid"
    until(lambda: pid.exists() and pid.read_text().endswith("\n"))

    process.kill()
    process.wait(300)

    until(lambda: not Path(f"/proc/{pid.read_text().strip()}/exe").exists())


def test_a_missing_client_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="cannot be started"):
        run("tool", [str(tmp_path / "missing")], folder=tmp_path)
