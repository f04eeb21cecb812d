"""Compare versions of real API descriptions with `infra dev api-check` and with oasdiff.

For each description, the table contains the time, the processor time and the memory of each tool, the number
of findings of each level, and whether all rounds gave the same output.

The descriptions of GitHub are two versions of the npm package `@octokit/openapi`, which `npm pack` downloads.
The other descriptions are read from git clones of the user (`--clone stripe=DIRECTORY`): the newest version,
and the version of a year before. A description or tool that is missing is listed and not measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import hashlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.rounds import busy, headline
from benchmarks.stage import INFRA, stage

PACKAGE = "@octokit/openapi"
#: name → the path of the description in the git repository of the API
IN_GIT = {
    "stripe": "openapi/spec3.json",
    "twilio": "spec/json/twilio_api_v2010.json",
    "plaid": "2020-09-14.yml",
    "discord": "specs/openapi.json",
    "digitalocean": "specification/DigitalOcean-public.v2.yaml",
}
#: The folders of those descriptions that consist of several files.
FOLDERS = {"digitalocean": "specification"}
#: oasdiff's levels in JSON
_PEER_LEVELS = {3: "breaking", 2: "warning", 1: "info"}
LEVELS = ("breaking", "warning", "info")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """Two versions of a description, as files, and the folder that contains all files of both versions."""

    name: str
    base: Path
    revision: Path
    folder: Path


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The result of one run: wall-clock and processor time in seconds, memory in MiB."""

    wall: float
    processor: float
    memory: float
    findings: Mapping[str, int]
    output: str


class MissingError(Exception):
    """A description cannot be read, or a tool cannot compare it."""


def main() -> None:
    """Measure the tools that exist with the descriptions that exist, and list the others."""
    options = _options()
    tools = {"api-check": [INFRA], "oasdiff": [shutil.which(options.oasdiff) or ""]}
    missing = [] if tools["oasdiff"][0] else [f"oasdiff: {options.oasdiff} is not installed (see --oasdiff)"]
    tools = {name: command for name, command in tools.items() if command[0]}
    clones = dict(pair.split("=", 1) for pair in options.clone)
    headline("Descriptions of real APIs, compared by api-check and by oasdiff", ())
    if "oasdiff" in tools:
        print(f"oasdiff: {_output([*tools['oasdiff'], '--version'])}")
    with stage() as folder:
        for name in options.names:
            try:
                versions = _versions(name, clones, options, folder)
            except MissingError as error:
                missing.append(f"{name}: {error}")
                continue
            missing += [f"{name}: {reason}" for reason in _measure(versions, tools, options.rounds)]
    for line in missing:
        print(f"not measured: {line}")
    print(f"rounds: {options.rounds}; {busy()}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.api_check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: github, {', '.join(IN_GIT)}")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--oasdiff", default="oasdiff", help="the executable of oasdiff")
    parser.add_argument("--clone", action="append", default=[], metavar="NAME=DIRECTORY", help="a git clone")
    parser.add_argument("--days", type=int, default=365, help="days between the two versions in git")
    parser.add_argument(
        "--github", nargs=2, default=("18.2.0", "23.0.2"), metavar="VERSION", help=f"versions of {PACKAGE}"
    )
    parser.add_argument(
        "--file", nargs=3, action="append", default=[], metavar=("NAME", "BASE", "REVISION"), help="two files"
    )
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    if any("=" not in pair for pair in options.clone):
        parser.error("--clone needs NAME=DIRECTORY")
    options.names = options.names or ["github", *IN_GIT, *(name for name, _, _ in options.file)]
    return options


def _versions(name: str, clones: Mapping[str, str], options: argparse.Namespace, folder: Path) -> Versions:
    """Return the two versions of a description; raise `MissingError` if a version cannot be read."""
    for file_name, base, revision in options.file:
        if file_name == name:
            both = Path(base).resolve(), Path(revision).resolve()
            return Versions(name=name, base=both[0], revision=both[1], folder=Path(os.path.commonpath(both)))
    home = folder / name
    home.mkdir()
    if name == "github":
        files = [_packed(version, home / version) for version in options.github]
    elif name not in IN_GIT:
        raise MissingError(f"is unknown; known: github, {', '.join(IN_GIT)}, or --file {name} BASE REVISION")
    elif name not in clones:
        raise MissingError(f"needs --clone {name}=DIRECTORY, a git clone that contains {IN_GIT[name]}")
    else:
        files = list(_committed(Path(clones[name]), name, options.days, home))
    return Versions(name=name, base=files[0], revision=files[1], folder=home)


def _packed(version: str, folder: Path) -> Path:
    """Download a version of the npm package, and return the description in it."""
    npm = shutil.which("npm")
    if npm is None:
        raise MissingError("npm, which downloads the descriptions, is not installed")
    folder.mkdir()
    process = subprocess.run(
        [npm, "pack", "--silent", f"{PACKAGE}@{version}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    archives = list(folder.glob("*.tgz"))
    if process.returncode or not archives:
        raise MissingError(
            f"`npm pack {PACKAGE}@{version}` failed: {process.stderr.strip().partition(chr(10))[0]}"
        )
    with tarfile.open(archives[0]) as archive:
        archive.extract("package/generated/api.github.com.json", folder, filter="data")
    archives[0].unlink()
    return folder / "package" / "generated" / "api.github.com.json"


def _committed(clone: Path, name: str, days: int, folder: Path) -> Iterator[Path]:
    """Extract two versions of a description, with the files that it refers to, from a git clone."""
    path = IN_GIT[name]

    def git(*arguments: str) -> bytes:
        process = subprocess.run(["git", "-C", str(clone), *arguments], capture_output=True, check=False)
        if process.returncode:
            raise MissingError(f"git {arguments[0]} in {clone}: {process.stderr.decode().strip()}")
        return process.stdout

    newest = git("log", "-1", "--format=%H %ct", "--", path).decode().split()
    if not newest:
        raise MissingError(f"{clone} has no commit with {path}")
    latest_date = dt.datetime.fromtimestamp(int(newest[1]), dt.UTC) - dt.timedelta(days=days)
    older = (
        git("rev-list", "-1", f"--before={latest_date.isoformat()}", newest[0], "--", path).decode().split()
    )
    if not older:
        raise MissingError(f"{clone} has no version of {path} that is {days} days older (see --days)")
    for side, commit in (("base", older[0]), ("revision", newest[0])):
        if name in FOLDERS:
            with tarfile.open(fileobj=io.BytesIO(git("archive", commit, "--", FOLDERS[name]))) as archive:
                archive.extractall(folder / side, filter="data")
        else:
            (folder / side / path).parent.mkdir(parents=True)
            (folder / side / path).write_bytes(git("show", f"{commit}:{path}"))
        yield folder / side / path


def _measure(versions: Versions, tools: Mapping[str, list[str]], rounds: int) -> list[str]:
    """Run each tool once in each round, print the table, and return the errors of the tools."""
    failed: dict[str, str] = {}
    size = versions.revision.stat().st_size / 2**20
    print(f"\n{versions.name}: {size:.1f} MiB in the file of the new version", flush=True)
    runs: dict[str, list[Run]] = {name: [] for name in tools}
    for number in range(rounds):
        names = list(tools)[number % len(tools) :] + list(tools)[: number % len(tools)]
        for name in names:
            if name not in failed:
                try:
                    runs[name].append(_run(name, tools[name], versions))
                except MissingError as error:
                    failed[name] = str(error)
    print(
        f"{'':10}  {'time':>8}  {'processor':>9}  {'memory':>9}  "
        f"{'breaking':>8}  {'warning':>8}  {'info':>8}  output"
    )
    for name, results in runs.items():
        if name in failed:
            continue
        wall, processor, memory = (
            statistics.median(getattr(run, figure) for run in results)
            for figure in ("wall", "processor", "memory")
        )
        counts = "  ".join(f"{results[0].findings.get(level, 0):>8}" for level in LEVELS)
        same = (
            "equal in all rounds" if len({run.output for run in results}) == 1 else "DIFFERS between rounds"
        )
        print(
            f"{name:10}  {wall:>6.2f} s  {processor:>7.2f} s  {memory:>5.0f} MiB  {counts}  {same}",
            flush=True,
        )
    return list(failed.values())


def _run(name: str, command: list[str], versions: Versions) -> Run:
    """Run a tool once, and read its findings."""
    files = [str(versions.base), str(versions.revision)]
    if name == "api-check":
        arguments = [
            "dev",
            "api-check",
            *files,
            "--json",
            "--fail-on",
            "none",
            "--root",
            str(versions.folder),
        ]
    else:
        arguments = ["changelog", *files, "--format", "json"]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        start_time = time.perf_counter()
        process = subprocess.Popen([*command, *arguments], stdout=out, stderr=errors, cwd=versions.folder)
        # `wait4` returns the times and the memory of this process; `Popen.wait` does not.
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start_time
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        content, complaint = out.read(), errors.read().decode(errors="replace")
    if process.returncode:
        raise MissingError(f"{name} exits with {process.returncode}: {complaint.strip()}")
    kib = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return Run(
        wall=wall,
        processor=usage.ru_utime + usage.ru_stime,
        memory=kib / 1024,
        findings=_findings(name, json.loads(content or b"[]")),
        output=hashlib.sha256(content).hexdigest(),
    )


def _findings(name: str, output: Any) -> dict[str, int]:
    if name == "api-check":
        return {level: int(output["counts"][level]) for level in LEVELS}
    changes = output if isinstance(output, list) else output.get("changes", [])
    return dict(Counter(_PEER_LEVELS.get(change["level"], "info") for change in changes))


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    main()
