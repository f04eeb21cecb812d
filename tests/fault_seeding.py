"""Seed faults into the sources, one at a time, and count those that the tests detect.

    python tests/fault_seeding.py --count 100
    python tests/fault_seeding.py --list --count 5

A fault is a change to one place of a syntax tree: a condition is negated, a comparison is replaced, a
statement is dropped, a constant is changed. The seed decides which places. Each fault is written into a copy
of the checkout, where the tests that mirror the changed module run. If they pass, those of its area in the
group `unit` run too, with all examples and cases as in the environment `full`. The same tests must pass
without the fault. Every result is a line of the file RESULTS.
A second run with the same file continues after the last one.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: the environment variable with which the tests use all examples, and require their servers
PROFILE = "INFRA_TEST_PROFILE"
#: package → the folder of its tests
AREAS: Mapping[str, str] = {
    "runtime/src/infra_runtime": "tests/runtime",
    "runtime/src/infra_openapi": "tests/openapi",
    "cli/src/infra_cli": "tests/cli",
    "pytest_infra/src/pytest_infra": "tests/pytest_infra",
}
SOURCES = ("runtime/src", "cli/src", "pytest_infra/src")
#: what the tests need of the checkout
COPIED = ("runtime", "cli", "pytest_infra", "tests", "docs", "examples", "pyproject.toml", "README.md")
#: pytest's exit status when the tests fail, cannot be collected (the module raises) or break pytest itself
DETECTED = (1, 2, 3)
NO_TESTS = 5

REPLACED: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One place and what is done there; `number` is the node's position in `ast.walk` of the module."""

    path: str
    line: int
    number: int
    operator: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.operator}"


# --- faults ----------------------------------------------------------------------------------------


def operator(node: ast.AST) -> str:
    """Return what can be done to a node; empty for nothing."""
    match node:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if (
            "TYPE_CHECKING" not in ast.dump(test)
        ):
            return "negate the condition"
        case ast.Compare(ops=[only]) if type(only) in REPLACED:
            return "replace the comparison"
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise() | ast.AugAssign():
            return "drop the statement"
        case ast.Constant(value=bool() | int()):
            return "change the constant"
    return ""


def apply(node: ast.AST, parent: ast.AST) -> None:
    """Change a node in place; a dropped statement becomes `pass`."""
    match node:
        case ast.If() | ast.While() | ast.IfExp():
            node.test = ast.UnaryOp(op=ast.Not(), operand=node.test)
        case ast.Compare():
            node.ops = [REPLACED[type(node.ops[0])]()]
        case ast.Constant(value=bool() as value):
            node.value = not value
        case ast.Constant(value=int() as value):
            node.value = value + 1
        case ast.stmt():
            for _, value in ast.iter_fields(parent):
                if isinstance(value, list) and node in value:
                    value[value.index(node)] = ast.Pass()


def faults() -> list[Fault]:
    """Return every fault that can be seeded, in the order of paths and lines; module level is left out."""
    found = []
    for package in AREAS:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            inside = {
                id(inner)
                for function in ast.walk(tree)
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
                for statement in function.body
                for inner in ast.walk(statement)
            }
            for number, node in enumerate(ast.walk(tree)):
                if id(node) in inside and (name := operator(node)):
                    relative = path.relative_to(ROOT).as_posix()
                    found.append(Fault(path=relative, line=node.lineno, number=number, operator=name))
    return sorted(found, key=lambda fault: (fault.path, fault.line, fault.number))


def faulty(fault: Fault) -> str:
    """Return the text of the module with the fault."""
    tree = copy.deepcopy(ast.parse((ROOT / fault.path).read_text(encoding="utf-8")))
    nodes = list(ast.walk(tree))
    node = nodes[fault.number]
    parent = next(each for each in nodes if node in ast.iter_child_nodes(each))
    apply(node, parent)
    return ast.unparse(ast.fix_missing_locations(tree))


# --- tests -----------------------------------------------------------------------------------------


def selections(fault: Fault) -> Iterator[list[str]]:
    """Yield pytest's arguments, the quickest tests first."""
    package, area = next(
        (package, area) for package, area in AREAS.items() if fault.path.startswith(f"{package}/")
    )
    module = Path(fault.path).relative_to(package)
    mirror = ROOT / area / module.parent / f"test_{module.stem.removeprefix('_')}.py"
    if mirror.exists():
        yield [mirror.relative_to(ROOT).as_posix()]
    yield ["-m", "unit", area]


def run(arguments: list[str], checkout: Path, seconds: float) -> int | None:
    """Return pytest's exit status; None after a timeout, which kills it; stacks end with their leases."""
    paths = os.pathsep.join(str(checkout / folder) for folder in SOURCES)
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-W", "ignore", *arguments],
        cwd=checkout,
        env={PROFILE: "full", **os.environ, "PYTHONPATH": paths},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None


def check_without_fault(fault: Fault, checkout: Path, seconds: float, passed: set[tuple[str, ...]]) -> None:
    """Run the tests without the fault, each selection once; raises SystemExit where they fail."""
    for arguments in selections(fault):
        if tuple(arguments) in passed:
            continue
        status = run(arguments, checkout, seconds)
        if status not in (0, NO_TESTS):
            raise SystemExit(
                f"pytest {' '.join(arguments)} exits with {status} without a fault: repair it first"
            )
        passed.add(tuple(arguments))


def judge(fault: Fault, checkout: Path, seconds: float) -> str:
    """Return `detected`, `timeout` (the fault makes the tests hang, which also detects it) or `survived`."""
    target = checkout / fault.path
    target.write_text(faulty(fault), encoding="utf-8")
    try:
        for arguments in selections(fault):
            status = run(arguments, checkout, seconds)
            if status is None:
                return "timeout"
            if status in DETECTED:
                return "detected"
            if status not in (0, NO_TESTS):
                raise SystemExit(f"{fault}: pytest {' '.join(arguments)} exits with {status}")
        return "survived"
    finally:
        shutil.copyfile(ROOT / fault.path, target)


def copied(folder: Path) -> Path:
    """Copy the checkout; raises SystemExit where a Python in the copy would import the original."""
    checkout = folder / "checkout"
    checkout.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, checkout / name, ignore=shutil.ignore_patterns("__pycache__", ".data*"))
        else:
            shutil.copyfile(source, checkout / name)
    code = "import infra_cli, infra_openapi, infra_runtime, pytest_infra as last\n"
    code += (
        "print(infra_cli.__file__, infra_openapi.__file__, infra_runtime.__file__, last.__file__, sep='\\n')"
    )
    paths = os.pathsep.join(str(checkout / folder) for folder in SOURCES)
    environ = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    if wrong := [path for path in done.stdout.split() if not Path(path).is_relative_to(checkout)]:
        raise SystemExit(
            f"the copy imports {', '.join(wrong)}: use an environment whose packages PYTHONPATH precedes"
        )
    return checkout


def main() -> None:
    """Seed, run and count."""
    assert __doc__
    head, _, rest = __doc__.partition("\n")
    parser = argparse.ArgumentParser(
        description=head, epilog=rest, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=20, help="number of faults (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="which faults (default: 1)")
    parser.add_argument("--only", default="", metavar="PATH", help="only modules whose path begins so")
    parser.add_argument(
        "--timeout", type=float, default=600.0, help="seconds for the tests of a fault (default: 600)"
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no fault after that (default: 60)")
    parser.add_argument(
        "--results", type=Path, default=Path("fault-seeding.jsonl"), help="default: fault-seeding.jsonl"
    )
    parser.add_argument("--list", action="store_true", help="print the faults and run nothing")
    options = parser.parse_args()

    candidates = [fault for fault in faults() if fault.path.startswith(options.only)]
    chosen = random.Random(options.seed).sample(candidates, min(options.count, len(candidates)))
    if options.list:
        print(*chosen, f"{len(candidates)} faults can be seeded", sep="\n")
        return
    lines = options.results.read_text(encoding="utf-8").splitlines() if options.results.exists() else []
    known = {Fault(**entry["fault"]): entry["result"] for entry in map(json.loads, lines)}
    end, passed = time.monotonic() + options.minutes * 60, set[tuple[str, ...]]()
    with tempfile.TemporaryDirectory(prefix="fault-seeding-") as folder:
        checkout = copied(Path(folder))
        for fault in chosen:
            if fault not in known and time.monotonic() < end:
                check_without_fault(fault, checkout, options.timeout, passed)
                known[fault] = judge(fault, checkout, options.timeout)
                with options.results.open("a", encoding="utf-8") as results:
                    results.write(json.dumps({"fault": asdict(fault), "result": known[fault]}) + "\n")
                print(f"{known[fault]:9} {fault}", flush=True)
    count = Counter(known[fault] for fault in chosen if fault in known)
    detected, total = count["detected"] + count["timeout"], count.total()
    print(f"{detected} of {total} faults detected; {len(chosen) - total} left")
    print(*(f"survived: {fault}" for fault in chosen if known.get(fault) == "survived"), sep="\n")


if __name__ == "__main__":
    main()
