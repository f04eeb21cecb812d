"""No file names a folder of one machine or the host of a registry."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDERS = (".ci", "benchmarks", "changelog.d", "cli", "docs", "examples", "pytest_infra", "runtime", "tests")
#: in two parts, so that this file does not contain them
HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("repo1", "maven", "org"),
        ("repo", "maven", "apache", "org"),
        ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
    )
]
FORBIDDEN = (f"/{'root'}/", f"/{'work'}/main", *HOSTS)


@pytest.mark.parametrize("folder", [*FOLDERS, "."])
def test_no_file_names_a_machine_or_a_registry(folder: str) -> None:
    paths = (ROOT / folder).glob("*" if folder == "." else "**/*")
    files = [path for path in paths if path.is_file() and not _is_generated(path.relative_to(ROOT / folder))]
    lines = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files
        for number in forbidden_lines(path.read_text(encoding="utf-8", errors="replace"))
    ]

    assert files
    assert lines == []


def forbidden_lines(text: str) -> list[int]:
    """Return the numbers of the lines with a forbidden address."""
    if not any(address in text for address in FORBIDDEN):
        return []
    lines = enumerate(text.splitlines(), 1)
    return [number for number, line in lines if any(address in line for address in FORBIDDEN)]


def _is_generated(path: Path) -> bool:
    """Return whether a file is compiled, or is in a hidden folder such as a data directory."""
    return path.suffix in {".pyc", ".class"} or any(part.startswith(".") for part in path.parts)


@pytest.mark.parametrize("text", [f"cd /{'root'}/x", f"https://{HOSTS[0]}/project/x", HOSTS[-1]])
def test_a_forbidden_address_is_found_with_its_line(text: str) -> None:
    assert forbidden_lines(f"\n{text}\n") == [2]
