"""The rules for folders, modules and the distribution."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import infra_cli
import infra_openapi
import infra_runtime
import pytest_infra

ROOT = Path(__file__).parent.parent.parent
SOURCES = [ROOT / "runtime" / "src", ROOT / "cli" / "src", ROOT / "pytest_infra" / "src"]
MODULES = sorted(path for source in SOURCES for path in source.rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = {"infra_runtime", "infra_openapi", "infra_cli", "pytest_infra"}
#: requirement → import name, if the two differ
IMPORTED_AS = {
    "aio-pika": "aio_pika",
    "confluent-kafka": "confluent_kafka",
    "grpcio": "grpc",
    "pytest-xprocess": "xprocess",
    "python-dotenv": "dotenv",
    "nats-py": "nats",
    "opentelemetry-api": "opentelemetry",
    "opentelemetry-proto": "opentelemetry",
    "paho-mqtt": "paho",
    "prometheus-client": "prometheus_client",
    "protobuf": "google",
    "pyyaml": "yaml",
    "pydantic-settings": "pydantic_settings",
    "pytest-asyncio": "pytest_asyncio",
}

#: the start of a module with a docstring: comments, and a string that is not empty
DOCSTRING = re.compile(r'(?:\s|#.*\n)*r?"""[^"]')
#: the first module of a line that may be an import
IMPORT = re.compile(r"^\s*(?:import|from)\s+(\w+)", re.MULTILINE)
#: what can be a variable `found` or `each`; words in texts can match, too
VAGUE = re.compile(r"\b(?:found|each)\b *(?:[=:,|+)\[]|in\b)")
#: modules that are parts of a declared distribution with another name
BUNDLED = {"_pytest", "bson", "py", "pydantic_core"}


def test_no_module_has_a_vague_name() -> None:
    vague = {"utils", "util", "helpers", "helper", "base", "common", "misc"}

    assert [module for module in MODULES if module.stem in vague] == []


def test_every_module_stays_under_400_lines() -> None:
    """A longer module has a second responsibility."""
    lengths = {module: len(module.read_text(encoding="utf-8").splitlines()) for module in MODULES}

    assert {module: length for module, length in lengths.items() if length >= 400} == {}


def test_every_module_has_a_docstring() -> None:
    texts = {module: module.read_text(encoding="utf-8") for module in MODULES}

    assert [module for module, text in texts.items() if not DOCSTRING.match(text)] == []


def test_no_variable_has_a_name_without_content() -> None:
    """The names `found` and `each` do not state what the value is."""
    forbidden_names = {"found", "each"}
    others = (
        path for folder in ("tests", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py")
    )
    texts = {module: module.read_text(encoding="utf-8") for module in (*MODULES, *others)}
    places = [
        f"{module.relative_to(ROOT)}:{node.lineno}"
        for module, text in texts.items()
        if VAGUE.search(text)
        for node in ast.walk(ast.parse(text))
        if (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in forbidden_names)
        or (isinstance(node, ast.arg) and node.arg in forbidden_names)
    ]

    assert places == []


def test_every_package_is_typed_and_in_a_src_folder() -> None:
    """The names `runtime`, `cli` and `infra` must not be importable, because users' packages have them."""
    folders = {path.name for source in SOURCES for path in source.iterdir() if path.is_dir()}

    assert {name for name in folders if not name.startswith(("_", "."))} == PACKAGES
    assert {path.parent.name for source in SOURCES for path in source.glob("*/py.typed")} == PACKAGES
    assert not [path for path in ("runtime", "cli", "pytest_infra") if (ROOT / path / "__init__.py").exists()]


def test_every_imported_distribution_is_declared() -> None:
    """An undeclared dependency can disappear when another distribution no longer requires it."""
    declared = {_imported(name) for group in _requirements() for name in group}
    known = sys.stdlib_module_names | PACKAGES | BUNDLED | declared

    assert {name for module in MODULES for name in _foreign_imports(module, known)} == set()


def test_the_distribution_without_extras_has_few_dependencies() -> None:
    """Dependencies that only some users need, and all servers, are extras."""
    assert {_name(requirement) for requirement in PROJECT["dependencies"]} == {
        "click",
        "filelock",
        "pluggy",
        "pydantic",
        "pydantic-settings",
        "pytest",
        "pytest-xprocess",
        "python-dotenv",
        "rich",
    }


def test_every_direct_dependency_has_a_lower_bound() -> None:
    """Type stubs and the project itself need no lower bound."""
    extras = PROJECT["optional-dependencies"].values()
    requirements = [requirement for group in (PROJECT["dependencies"], *extras) for requirement in group]

    assert [
        requirement
        for requirement in requirements
        if ">=" not in requirement and not requirement.startswith(("pytest-infra[", "types-"))
    ] == []


def test_the_extra_all_has_every_extra_for_users() -> None:
    """The extra `moto` has about fifty dependencies."""
    extras = PROJECT["optional-dependencies"]
    included_extras = {
        name for text in extras["all"] for name in re.sub(r".*\[(.*)\]", r"\1", text).split(",")
    }

    assert included_extras == extras.keys() - {"all", "moto", "test", "types", "dev"}


@pytest.mark.process
def test_the_supervisor_imports_the_standard_library_only() -> None:
    """Every start of a stack waits for the imports of the supervisor."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(infra_runtime.__file__).parent.parent)!r});"
        "from infra_runtime.supervisor import guardian, lifetime, main;"
        "print(*(n + '=' + (getattr(m, '__file__', None) or '') for n, m in sys.modules.items()), sep='\\n')"
    )

    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    loaded = dict(line.split("=", 1) for line in answer.stdout.splitlines())

    foreign = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names - {"__main__"}
    assert foreign == {"infra_runtime"}
    assert not [
        name for name, file in loaded.items() if "site-packages" in file and "infra_runtime" not in name
    ]
    packages = {".".join(name.split(".")[:2]) for name in loaded if name.startswith("infra_runtime.")}
    assert packages == {
        f"infra_runtime.{name}"
        for name in (
            "errors",
            "record",
            "value",
            "spec",
            "message",
            "messages",
            "redaction",
            "host",
            "data_directory",
            "supervisor",
        )
    }


@pytest.mark.process
def test_importing_the_runtime_imports_nothing_slow() -> None:
    slow = {"pydantic", "rich", "click", "pytest"}
    code = f"import sys, infra_runtime; print(*sorted(set(sys.modules) & {slow}))"

    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )

    assert answer.stdout.strip() == ""


def test_the_wheel_has_the_packages_and_nothing_else() -> None:
    files = importlib.metadata.files("pytest-infra") or []
    if not any(file.parts[0] == "infra_runtime" for file in files):
        pytest.skip("an editable install has no wheel to check; tox installs one")
    tops = {
        file.parts[0] for file in files if file.parts[0] != ".." and not file.parts[0].endswith(".dist-info")
    }

    assert tops == PACKAGES
    assert {str(file) for file in files if file.name == "py.typed"} == {
        f"{name}/py.typed" for name in PACKAGES
    }
    assert not [file for file in files if "test" in file.name.lower() and file.suffix == ".py"]


def test_all_packages_are_from_the_same_installation() -> None:
    """All packages are imported either from the tree or from the wheel."""
    is_in_tree = {
        Path(package.__file__).parents[1].is_relative_to(ROOT)
        for package in (infra_runtime, infra_openapi, infra_cli, pytest_infra)
        if package.__file__
    }

    assert len(is_in_tree) == 1


def _requirements() -> Iterator[set[str]]:
    for group in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()):
        yield {_name(requirement) for requirement in group}


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=;~! ]", requirement)[0].lower()


def _imported(name: str) -> str:
    return IMPORTED_AS.get(name, name)


def _foreign_imports(module: Path, known: frozenset[str]) -> Iterator[str]:
    """Yield the imported top-level names that are not known."""
    text = module.read_text(encoding="utf-8")
    if set(IMPORT.findall(text)) <= known:  # a module is parsed only if the text is not proof enough
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module.partition(".")[0]]
        else:
            continue
        yield from (name for name in names if name not in known)
