"""The archive with the code of the supervisor's modules is used only if it is current and of this user."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.stacks import resolved, server
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.engine import LocalEngine
from infra_runtime.supervisor import code_archive
from infra_runtime.supervisor.argv import command
from infra_runtime.supervisor.code_archive import ARCHIVE_LIMIT

pytestmark = pytest.mark.process
ROOT = str(Path(code_archive.__file__).parents[2])
#: imports the module `animal` with the archive, and shows whether its code came from the archive
USE = """
from infra_runtime.supervisor import code_archive
code_archive.use(sys.argv[1])
import animal
print(animal.NAME, type(animal.__spec__.loader).__name__, animal.__file__)
code_archive.finish()
code_archive.renew()
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The source of a module."""
    path = tmp_path / "modules" / "animal.py"
    path.parent.mkdir()
    path.write_text("NAME = 'cat'")
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "archive"


Run = Callable[..., list[str]]


@pytest.fixture
def run(source: Path, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run code in a new interpreter that can import the module; return the words that it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(code: str = USE) -> list[str]:
        paths = f"import sys; sys.path += {[ROOT, str(source.parent)]!r}\n"
        argv = [sys.executable, "-S", "-c", paths + code, str(archive)]
        done = subprocess.run(argv, capture_output=True, text=True, check=True, env=environment)
        return done.stdout.split()

    return run


def test_the_second_process_uses_the_archive_of_the_first(run: Run, source: Path) -> None:
    assert run() == ["cat", "SourceFileLoader", str(source)]
    assert run() == ["cat", "Archive", str(source)]


def test_an_archive_is_private(run: Run, archive: Path) -> None:
    run()

    assert archive.stat().st_mode & 0o777 == 0o600


def test_after_a_change_of_a_source_the_archive_is_written_again(run: Run, source: Path) -> None:
    run()
    source.write_text("NAME = 'horse'")

    assert run()[:2] == ["horse", "SourceFileLoader"]
    assert run()[:2] == ["horse", "Archive"]


def test_after_the_removal_of_a_source_the_archive_is_not_used(run: Run, source: Path) -> None:
    run()
    source.unlink()

    with pytest.raises(subprocess.CalledProcessError):
        run()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _of_another_python(path: Path) -> None:
    path.write_bytes(b"4" + path.read_bytes()[1:])


def _damaged_index(path: Path) -> None:
    start = len(sys.version) + 1
    path.write_bytes(path.read_bytes()[:start] + b"\xff" * 40)


def _writable_by_others(path: Path) -> None:
    path.chmod(0o666)


def _link(path: Path) -> None:
    path.rename(path.with_name("target"))
    path.symlink_to("target")


@pytest.mark.parametrize(
    "change", [_cut, _empty, _of_another_python, _damaged_index, _writable_by_others, _link]
)
def test_another_archive_is_not_used_and_is_replaced(
    run: Run, archive: Path, change: Callable[[Path], None]
) -> None:
    run()
    change(archive)

    assert run()[:2] == ["cat", "SourceFileLoader"]
    assert run()[:2] == ["cat", "Archive"]


def test_without_a_writable_cache_modules_are_imported_as_usual(run: Run, archive: Path) -> None:
    archive.parent.write_text("a file instead of a folder")

    assert run() == run()


def test_old_archives_are_removed(run: Run, archive: Path) -> None:
    archive.parent.mkdir()
    for number in range(ARCHIVE_LIMIT + 2):
        path = archive.with_name(f"old{number}")
        path.touch()
        os.utime(path, (number, number))

    run()

    assert sorted(path.name for path in archive.parent.iterdir()) == [
        "archive",
        *(f"old{number}" for number in range(3, ARCHIVE_LIMIT + 2)),
    ]


def test_a_fork_imports_modules_as_usual(run: Run) -> None:
    run()
    code = USE.replace("import animal", "import os\nif os.fork():\n    os.wait(); sys.exit()\nimport animal")

    assert run(code)[:2] == ["cat", "SourceFileLoader"]


def test_a_module_with_an_error_has_its_line_in_the_traceback(run: Run, source: Path) -> None:
    source.write_text("def fail():\n    raise ValueError('no such animal')\nNAME = 'cat'")
    run()
    code = USE + "\nimport traceback\ntry: animal.fail()\nexcept ValueError: print(traceback.format_exc())"

    assert "raise ValueError('no such animal')" in " ".join(run(code))


def test_a_supervisor_uses_the_archive_that_an_earlier_one_has_written(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFRA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    show = "import asyncio; print(type(asyncio.__spec__.loader).__name__)"
    argv = command(Paths(str(data)), "test")
    argv[4] = argv[4].replace("sys.exit(main())", show)

    def loader() -> str:
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    before = loader()
    LocalEngine().open(resolved(data, [server("web")])).finish()

    assert (before, loader()) == ("SourceFileLoader", "Archive")
