"""Seed faults into the sources, one at a time, and count those that the tests detect.

    python tests/fault_seeding.py --count 100
    python tests/fault_seeding.py --list --count 5

A fault is a change to one node of a syntax tree: a condition is negated, a comparison is replaced, a
statement is dropped, or a constant is changed. The seed selects the nodes. Each fault is written into a copy
of the checkout.

The first run records which tests of the group `unit` execute which lines; the folder of the results keeps
this record, which is valid until sources or tests change. For each fault, the tests that execute the changed
statement run until one fails: first those of the mirroring test file, then the others, the quickest first,
with all examples and cases as in the environment `full`. If all pass, or if no unit test executes the
statement, the mirroring test file runs with its other groups. A statement that is executed while modules are
imported can have an effect on every test, so the quickest other tests run, too. A statement that is executed
once per process, because its result is cached, is recorded for the first test only.

Every result is a line of `results.jsonl`. A second run with the same folder continues after the last one.
"""

from __future__ import annotations

import argparse
import ast
import itertools
import json
import random
import re
import shutil
import tempfile
import time
from bisect import bisect
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from coverage import CoverageData

from fakes.copied_checkout import PROFILE, Checkout, copied
from fakes.executed_lines import SECONDS_FILE, SELECTION_FILE

ROOT = Path(__file__).resolve().parent.parent
#: package → the folder of its tests
AREAS: Mapping[str, str] = {
    "runtime/src/infra_runtime": "tests/runtime",
    "runtime/src/infra_openapi": "tests/openapi",
    "cli/src/infra_cli": "tests/cli",
    "pytest_infra/src/pytest_infra": "tests/pytest_infra",
}
#: pytest's exit status when no test fails, the second one if it runs none
PASSED = (0, 5)
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", "-p", "fakes.executed_lines")
#: the number of tests that run before all others
FIRST = 30
#: time limit for test files that run as a whole
FILES_SECONDS = 300.0

#: the context of the lines that are executed while modules are imported and tests are collected
NO_TEST = ""
#: the recorded duration of all tests that run because a statement is executed outside of tests
OTHERS_SECONDS = 60.0
#: pytest's arguments → whether the tests pass without a fault
Passed = dict[tuple[str, ...], bool]

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
    """A node and the change to it; `number` is the position of the node in `ast.walk` of the module."""

    path: str
    line: int
    number: int
    operator: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.operator}"


# --- faults ----------------------------------------------------------------------------------------


def operator(node: ast.AST) -> str:
    """Return the name of the change that can be made to a node; empty if there is none."""
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
    places = []
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
                if isinstance(node, ast.stmt | ast.expr) and id(node) in inside and (name := operator(node)):
                    relative = path.relative_to(ROOT).as_posix()
                    places.append(Fault(path=relative, line=node.lineno, number=number, operator=name))
    return sorted(places, key=lambda fault: (fault.path, fault.line, fault.number))


def faulty(fault: Fault) -> str:
    """Return the text of the module with the fault."""
    tree = ast.parse((ROOT / fault.path).read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    node = nodes[fault.number]
    parent = next(other for other in nodes if node in ast.iter_child_nodes(other))
    apply(node, parent)
    return ast.unparse(ast.fix_missing_locations(tree))


# --- tests -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Record:
    """The record of which unit tests execute which lines."""

    lines: CoverageData
    #: node id → seconds, of the tests that pass without a fault
    seconds: Mapping[str, float]

    def tests(self, fault: Fault) -> list[str]:
        """Return the tests that execute the statement of a fault, in the order in which they run."""
        executed = self.lines.contexts_by_lineno(fault.path)
        contexts = {context for line in statement_lines(fault) for context in executed.get(line, ())}
        mirrors = mirroring_files(fault)
        tests, others = list[str](), list[str]()
        for test in sorted(self.seconds, key=lambda test: (_file(test) not in mirrors, self.seconds[test])):
            (tests if contexts & {test, _file(test)} else others).append(test)
        if NO_TEST in contexts:
            total = list(itertools.accumulate(self.seconds[test] for test in others))
            tests += others[: bisect(total, OTHERS_SECONDS)]
        return tests


def _file(test: str) -> str:
    return test.partition("::")[0]


def statement_lines(fault: Fault) -> range:
    """Return the lines of the innermost statement around a fault, or those of its head if it has a body."""
    tree = ast.parse((ROOT / fault.path).read_text(encoding="utf-8"))
    lines = range(fault.line, fault.line + 1)
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt):
            continue
        match node:
            case ast.Match(cases=[first, *_]):
                end = first.pattern.lineno
            case _ if body := getattr(node, "body", None):
                end = body[0].lineno
            case _:
                end = (node.end_lineno or node.lineno) + 1
        if node.lineno <= fault.line < max(end, node.lineno + 1):
            lines = range(node.lineno, max(end, node.lineno + 1))
    return lines


def mirroring_files(fault: Fault) -> list[str]:
    """Return the test file of the module, or else the test files that import it or have a similar name."""
    package, area = next(
        (package, area) for package, area in AREAS.items() if fault.path.startswith(f"{package}/")
    )
    module = Path(fault.path).relative_to(package)
    folder = ROOT / area / module.parent
    files = [folder / f"test_{module.stem.strip('_')}.py"]
    if not files[0].exists():
        dotted = ".".join((Path(package).name, *module.parent.parts))
        imported = re.compile(rf"from {dotted}(\.{module.stem} import |.* import .*\b{module.stem}\b)")
        texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / area).rglob("test_*.py")}
        files = [path for path, text in texts.items() if imported.search(text)]
    if not files:
        parts, stem = module.parent.parts, module.stem.strip("_")
        names = ["_".join(parts[start:]) for start in range(len(parts))] + [stem, stem.partition("_")[0]]
        for name, areas in itertools.product(names, ([area], AREAS.values())):
            patterns = [f"{other}/**/test_{name}{end}.py" for other in areas for end in ("", "_*")]
            files = files or [path for pattern in patterns for path in ROOT.glob(pattern)]
    return sorted(path.relative_to(ROOT).as_posix() for path in files)


def record(checkout: Checkout, folder: Path) -> Record:
    """Run the group `unit` once, unless the folder has the record; raises SystemExit if pytest cannot run."""
    lines, seconds = folder / "lines.coverage", folder / "seconds.json"
    if not seconds.exists():
        command = ["-m", "coverage", "run", f"--data-file={lines}", *PYTEST, "-m", "unit", *AREAS.values()]
        status = checkout.run(command, 3600.0, **{SECONDS_FILE: str(seconds), PROFILE: ""})
        if status not in (0, 1):
            raise SystemExit(f"the record of the group `unit` failed: pytest exits with {status}")
    data = CoverageData(basename=str(lines))
    data.read()
    return Record(lines=data, seconds=json.loads(seconds.read_text(encoding="utf-8")))


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of the tests: `detected`, `timeout` (they hang, which detects it, too) or `survived`."""

    name: str
    #: the number of unit tests that execute the statement
    tests: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.name:9} {self.tests:5} tests {self.seconds:6.1f} s"


def judge(fault: Fault, checkout: Checkout, known: Record, passed: Passed) -> Result:
    """Run the tests with a fault; `passed` contains the results of tests that ran without the fault."""
    begin, tests = time.monotonic(), known.tests(fault)
    target = checkout.root / fault.path
    target.write_text(faulty(fault), encoding="utf-8")
    try:
        name = run_unit_tests(checkout, tests, known, fault)
        if name == "survived":
            group = ("-m", "not unit") if tests else ()
            name = run_files(checkout, (*group, *mirroring_files(fault)), fault, passed)
    finally:
        shutil.copyfile(ROOT / fault.path, target)
    return Result(name=name, tests=len(tests), seconds=round(time.monotonic() - begin, 1))


def run_unit_tests(checkout: Checkout, tests: list[str], known: Record, fault: Fault) -> str:
    """Run the selected tests, the first ones in a process that imports few files; return the result.

    A failure counts if the same tests pass without the fault.
    """
    selection = checkout.root.parent / "selection.json"
    for part in filter(None, (tests[:FIRST], tests[FIRST:])):
        selection.write_text(json.dumps(part), encoding="utf-8")
        files = sorted({_file(test) for test in part})
        limit = 90.0 + 20 * sum(known.seconds[test] for test in part)
        command, variables = [*PYTEST, "-x", *files], {SELECTION_FILE: str(selection)}
        status = checkout.run(command, limit, **variables)
        if status not in PASSED:
            shutil.copyfile(ROOT / fault.path, checkout.root / fault.path)
            if checkout.run(command, limit, **variables) not in PASSED:
                return "survived"  # the tests also fail without the fault
            return "timeout" if status is None else "detected"
    return "survived"


def run_files(checkout: Checkout, arguments: tuple[str, ...], fault: Fault, passed: Passed) -> str:
    """Run whole test files; a failure counts if the same tests pass without the fault."""
    command = [*PYTEST, "-x", *arguments]
    status = checkout.run(command, FILES_SECONDS) if passed.get(arguments, True) else None
    if status is None or status in PASSED:
        return "survived"
    if arguments not in passed:
        shutil.copyfile(ROOT / fault.path, checkout.root / fault.path)
        passed[arguments] = checkout.run(command, FILES_SECONDS) in PASSED
    return "detected" if passed[arguments] else "survived"


def main() -> None:
    """Seed, run and count."""
    assert __doc__
    head, _, description = __doc__.partition("\n")
    parser = argparse.ArgumentParser(
        description=head, epilog=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=20, help="number of faults (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="which faults (default: 1)")
    parser.add_argument("--only", default="", metavar="PATH", help="only modules whose path begins so")
    parser.add_argument("--minutes", type=float, default=60.0, help="for all faults (default: 60)")
    parser.add_argument(
        "--folder", type=Path, default=Path("fault-seeding"), help="of the results (default: fault-seeding)"
    )
    parser.add_argument("--list", action="store_true", help="print the faults and run nothing")
    options = parser.parse_args()

    candidates = [fault for fault in faults() if fault.path.startswith(options.only)]
    selected_faults = random.Random(options.seed).sample(candidates, min(options.count, len(candidates)))
    if options.list:
        print(*selected_faults, f"{len(candidates)} faults can be seeded", sep="\n")
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    results = options.folder.resolve() / "results.jsonl"
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    known = {Fault(**entry["fault"]): Result(**entry["result"]) for entry in map(json.loads, lines)}
    end, passed = time.monotonic() + options.minutes * 60, Passed()
    with tempfile.TemporaryDirectory(prefix="fault-seeding-") as folder:
        checkout = copied(ROOT, Path(folder))
        tests = record(checkout, options.folder.resolve())
        for fault in selected_faults:
            if fault not in known and time.monotonic() < end:
                known[fault] = judge(fault, checkout, tests, passed)
                with results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"fault": asdict(fault), "result": asdict(known[fault])}) + "\n")
                print(f"{known[fault]} {fault}", flush=True)
    tests.lines.close()
    judged = [fault for fault in selected_faults if fault in known]
    survived = [fault for fault in judged if known[fault].name == "survived"]
    remaining_count = len(selected_faults) - len(judged)
    print(f"{len(judged) - len(survived)} of {len(judged)} faults detected; {remaining_count} left")
    for reached, text in ((True, "executed by unit tests"), (False, "executed by no unit test")):
        faults_of_kind = [fault for fault in survived if bool(known[fault].tests) is reached]
        print(f"{len(faults_of_kind)} survived, {text}:", *faults_of_kind, sep="\n  ")


if __name__ == "__main__":
    main()
