"""Dependencies: commands of uv and pip, the interpreter of console scripts, and a package without a wheel."""

from __future__ import annotations

import base64
import hashlib
import sys
from pathlib import Path

import pytest

from infra_runtime.errors import ImageError
from infra_runtime.images.dependencies import Installer, install, installer, relocate_scripts
from infra_runtime.images.documents import Platform
from infra_runtime.images.locked import Locked

ARM = Platform(architecture="arm64")


def test_both_programs_install_only_wheels_with_hashes_for_the_platform(tmp_path: Path) -> None:
    file, target = tmp_path / "r.txt", tmp_path / "t"
    uv = Installer(uv=Path("/bin/uv")).command(file, target, ARM, "3.12", test=False)
    pip = Installer(uv=None).command(file, target, ARM, "3.12", test=True)

    for command in (uv, pip):
        assert {"--require-hashes", "--no-deps"} < {*command}
        assert command[command.index("--only-binary") + 1] == ":all:"
        assert command[command.index("--python-version") + 1] == "3.12"
    assert uv[uv.index("--python-platform") + 1] == "aarch64-manylinux_2_28"
    platforms = [pip[number + 1] for number, word in enumerate(pip) if word == "--platform"]
    assert platforms[0] == "manylinux_2_28_aarch64"
    assert platforms[-1] == "linux_aarch64"
    assert "--dry-run" in pip
    assert "--dry-run" not in uv


def test_console_scripts_get_the_interpreter_of_the_image(tmp_path: Path) -> None:
    scripts, record = tmp_path / "bin", tmp_path / "shop.dist-info" / "RECORD"
    scripts.mkdir()
    record.parent.mkdir()
    (scripts / "short").write_text("#!/home/me/.venv/bin/python3.13\nimport shop\n")
    (scripts / "long").write_text(
        "#!/bin/sh\n'''exec' '/home/me/long/python' \"$0\" \"$@\"\n' '''\nimport shop\n"
    )
    (scripts / "program").write_bytes(b"\x7fELF")
    (scripts / "shell").write_text("#!/bin/sh\necho\n")
    record.write_text("../../bin/short,sha256=old,1\nbin/long,sha256=old,1\nshop.py,sha256=kept,2\n")

    relocate_scripts(tmp_path, "/usr/bin/python3.11")

    new = b"#!/usr/bin/python3.11\nimport shop\n"
    digest = base64.urlsafe_b64encode(hashlib.sha256(new).digest()).rstrip(b"=").decode()
    assert (scripts / "short").read_bytes() == (scripts / "long").read_bytes() == new
    assert (scripts / "program").read_bytes() == b"\x7fELF"
    assert (scripts / "shell").read_text() == "#!/bin/sh\necho\n"
    assert record.read_text().splitlines() == [
        f"../../bin/short,sha256={digest},{len(new)}",
        f"bin/long,sha256={digest},{len(new)}",
        "shop.py,sha256=kept,2",
    ]


def test_another_platform_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="linux/riscv64: packages cannot be installed"):
        install(
            [], tmp_path / "t", platform=Platform(architecture="riscv64"), python="3.12", program=installer()
        )


PROGRAM = """\
#!{python}
import sys
file = sys.argv[sys.argv.index("-r") + 1]
text = open(file).read()
if "broken" in text or "other" in text:
    sys.exit("no matching distribution")
"""


def fake_uv(folder: Path, text: str) -> Installer:
    """Return an installer whose uv is a Python program; `text` contains `{python}` in its first line."""
    program = folder / "uv"
    program.write_text(text.format(python=sys.executable))
    program.chmod(0o755)
    return Installer(uv=program)


@pytest.mark.process
def test_the_first_package_without_a_wheel_is_named(tmp_path: Path) -> None:
    packages = [Locked(name=name, version="1", hashes=("sha256:0",)) for name in ("fine", "broken", "other")]

    with pytest.raises(ImageError, match=r"^broken 1: no wheel for linux/arm64 and Python 3\.12") as error:
        install(packages, tmp_path / "t", platform=ARM, python="3.12", program=fake_uv(tmp_path, PROGRAM))
    assert "no matching distribution" in error.value.hint


#: the errors of uv 0.9 for a wheel with another hash than in the lock, which a dry run does not find
MISMATCH = """\
#!{python}
import sys
if "--dry-run" not in sys.argv:
    sys.exit("error: Failed to download `Other==1`\\n  cause: Hash mismatch for `Other==1`\\n" + 5 * "x\\n")
"""


@pytest.mark.process
def test_a_package_whose_wheel_has_another_hash_is_named(tmp_path: Path) -> None:
    packages = [Locked(name=name, version="1", hashes=("sha256:0",)) for name in ("her", "an-other", "other")]

    with pytest.raises(ImageError, match=r"^other 1: .*another hash than in the lock") as error:
        install(packages, tmp_path / "t", platform=ARM, python="3.12", program=fake_uv(tmp_path, MISMATCH))
    assert "Hash mismatch for `Other==1`" in error.value.hint
