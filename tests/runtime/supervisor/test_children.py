"""The supervisor's children, in particular orphaned descendants."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process
TESTS = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="subreapers exist only on Linux")
def test_an_orphaned_process_without_a_token_is_reported_to_the_guardian(tmp_path) -> None:
    code = f"""
import asyncio, os, subprocess, sys
sys.path.insert(0, {str(TESTS)!r})
from infra_runtime.host import processes
from infra_runtime.supervisor.children import Children
from infra_runtime.data_directory.journal import Journal
from infra_runtime.host.privileges import become_subreaper

class Guardian:
    pid, records = 0, {{}}
    def watch(self, pid, start):
        self.records[pid] = start
    def remove(self, pid):
        del self.records[pid]

async def main():
    guardian = Guardian()
    journal = Journal("journal")
    children = Children(guardian, journal, environment="test", token="", ended=lambda *_: None)
    orphaned = int(subprocess.run(["sh", "-c", "env -i setsid sleep 600 >&- & echo $!"], stdout=-1).stdout)
    children.report_orphaned()
    children.report_orphaned()
    print(guardian.records == {{orphaned: processes.started(orphaned)}})
    os.kill(orphaned, 9)
    while guardian.records:
        await asyncio.sleep(0.001)
    print("removed")

become_subreaper()
asyncio.run(main())
"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )

    assert (result.stdout.split(), result.stderr) == (["True", "removed"], "")


def test_without_subreapers_the_processes_of_a_session_are_killed_with_its_leader(tmp_path) -> None:
    """This is the case on macOS; `ps` on this machine has the same keywords."""
    if shutil.which("ps", path=os.defpath) is None:
        pytest.skip("no ps here")
    code = """
import asyncio, sys
sys.platform = "darwin"
from infra_runtime.spec import ServiceSpec
from infra_runtime.host import processes
from infra_runtime.supervisor.binding import Bound
from infra_runtime.supervisor.children import Children
from infra_runtime.data_directory.journal import Journal

class Guardian:
    pid = 0
    def watch(self, pid, start): pass
    def remove(self, pid): pass

async def main():
    ended = asyncio.get_running_loop().create_future()
    def report(name, pid, status, orphaned):
        ended.set_result((status, orphaned))
    children = Children(Guardian(), Journal("journal"), environment="test", token="", ended=report)
    bound = Bound(ServiceSpec(name="web", command=("sh",)), "", "", {})
    bound.command, bound.cwd = ("sh", "-c", "sleep 600 & echo $! > stray; exit 3"), "."
    children.start(bound, "log", {})
    print(*await ended)
    stray = processes.look(int(open("stray").read()))
    print(stray is None or stray.state == processes.ZOMBIE)

asyncio.run(main())
"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )

    assert (result.stdout.split(), result.stderr) == (["3", "True", "True"], "")
