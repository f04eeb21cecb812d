"""Lock files: packages with hashes, from requirements and pylock.toml; uv.lock is read by uv."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest

from fakes.samples import every
from infra_runtime.errors import ImageError
from infra_runtime.images.locked import Locked, find_lock, locked_packages, requirements

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
REQUIREMENTS = f"""\
# written by uv
--index-url https://example.com/simple
idna==3.10 \\
    --hash={ONE} \\
    --hash={TWO}
    # via httpx
colorama[extra]==0.4 ; sys_platform == 'win32' --hash={ONE}
"""


def test_the_packages_of_a_requirements_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(REQUIREMENTS)

    assert locked_packages(path, uv=None) == [
        Locked(name="colorama", version="0.4", hashes=(ONE,), marker="sys_platform == 'win32'"),
        Locked(name="idna", version="3.10", hashes=(ONE, TWO)),
    ]
    text = "".join(package.requirement() for package in locked_packages(path, uv=None))
    assert requirements(text, path) == locked_packages(path, uv=None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"idna==3.10 --hash={ONE}\nanyio==4.0\n", "the package anyio has no SHA-256"),
        ("anyio>=4.0\n", "the package anyio is not pinned"),
        ("shop @ file:///shop\n", "the package shop is not pinned"),
    ],
)
def test_the_first_package_without_version_or_hash_is_named(text: str, problem: str) -> None:
    with pytest.raises(ImageError, match=problem) as error:
        requirements(text, Path("requirements.txt"))
    assert "--generate-hashes" in error.value.hint


def test_included_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(f"-r more/base.txt\n--requirement=more/base.txt\n-e .\nidna==3.10 --hash={ONE}\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "base.txt").write_text(f"-r ../requirements.txt\nanyio==4.0 --hash={TWO}\n")

    assert {package.name for package in locked_packages(path, uv=None)} == {"idna", "anyio"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-r missing.txt\n", "requirements file .*missing.txt cannot be read"),
        ("-e ./lib\n", "./lib is a folder"),
    ],
)
def test_a_missing_file_and_a_folder_are_errors(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(text)

    with pytest.raises(ImageError, match=problem):
        locked_packages(path, uv=None)


PYLOCK = f"""\
lock-version = "1.0"
[[packages]]
name = "idna"
version = "3.10"
marker = "python_version > '3'"
wheels = [{{ url = "https://example.com/idna.whl", hashes = {{ sha256 = "{"1" * 64}" }} }}]
[[packages]]
name = "shop"
directory = {{ path = ".", editable = true }}
"""


def test_the_packages_of_pylock_are_read(tmp_path: Path) -> None:
    path = tmp_path / "pylock.toml"
    path.write_text(PYLOCK)

    assert locked_packages(path, uv=None) == [
        Locked(name="idna", version="3.10", hashes=(ONE,), marker="python_version > '3'")
    ]


def test_a_package_of_pylock_without_a_wheel_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pylock.toml"
    path.write_text('[[packages]]\nname = "old"\nversion = "1"\n')

    with pytest.raises(ImageError, match="the package old has no wheel with a SHA-256"):
        locked_packages(path, uv=None)


@every(
    [
        ("packages = 3", "packages: "),
        ("packages = ['idna']", "packages.0: "),
        ("[[packages]]\nversion = '1'", "packages.0.name: "),
        ("[[packages]]\nname = 'idna'\nversion = 1", "packages.0.version: "),
        ("[[packages]]\nname = 'idna'\nwheels = 3", "packages.0.wheels: "),
        ("[[packages]]\nname = 'idna'\nwheels = [{ hashes = 3 }]", "packages.0.wheels.0.hashes: "),
        ("[[packages]]\nname = 'idna'\ndirectory = '.'", "packages.0.directory: "),
    ]
)
def test_a_damaged_pylock_is_an_error_with_the_key(text: str, key: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pylock.toml"
        path.write_text(text)

        with pytest.raises(ImageError, match=rf"pylock\.toml: .* PEP 751: {re.escape(key)}"):
            locked_packages(path, uv=None)


def test_the_project_itself_is_left_out_of_pylock_and_another_folder_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "pylock.toml"
    path.write_text("[[packages]]\nname = 'shop'\ndirectory = { path = '.' }\n")
    own = locked_packages(path, uv=None)
    path.write_text("[[packages]]\nname = 'lib'\ndirectory = { path = '../lib' }\n")

    assert own == []
    with pytest.raises(ImageError, match="the package lib is a folder"):
        locked_packages(path, uv=None)


def test_uv_lock_is_preferred_and_needs_uv(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").touch()
    (tmp_path / "uv.lock").touch()
    path = find_lock(tmp_path)

    assert path == tmp_path / "uv.lock"
    with pytest.raises(ImageError, match=r"the program uv, which reads uv\.lock, is missing"):
        locked_packages(path, uv=None)


def test_a_lock_file_that_cannot_be_read_is_an_error_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "pylock.toml").mkdir()

    with pytest.raises(ImageError, match=r"pylock\.toml: the file cannot be read: Is a directory"):
        locked_packages(tmp_path / "pylock.toml", uv=None)
