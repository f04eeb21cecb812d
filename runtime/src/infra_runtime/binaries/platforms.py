"""The platform of this machine: operating system, C library and processor, such as `linux-x86_64`."""

from __future__ import annotations

import functools
import os


def _manylinux(machine: str, oldest: int) -> tuple[str, ...]:
    return tuple(f"manylinux_2_{minor}_{machine}" for minor in range(36, oldest - 1, -1))


def _macos(machine: str, oldest: int) -> tuple[str, ...]:
    return tuple(f"macosx_{major}_0_{machine}" for major in range(15, oldest - 1, -1))


#: platform → the platform tags of wheels that run on it, the newest first. Source: PEP 600, PEP 656
WHEEL_TAGS = {
    "linux-x86_64": (
        *_manylinux("x86_64", 5),
        *("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"),
    ),
    "linux-aarch64": (*_manylinux("aarch64", 17), "manylinux2014_aarch64", "linux_aarch64"),
    "linux-musl-x86_64": ("musllinux_1_2_x86_64", "musllinux_1_1_x86_64"),
    "linux-musl-aarch64": ("musllinux_1_2_aarch64", "musllinux_1_1_aarch64"),
    "macos-arm64": _macos("arm64", 11),
    "macos-x86_64": (
        *_macos("x86_64", 11),
        *(f"macosx_10_{minor}_x86_64" for minor in range(16, 8, -1)),
    ),
}
#: platform → the name of its processor in Debian. On platforms with musl, Debian programs are started by the
#: loader in their packages.
DEBIAN_ARCHITECTURES = {
    "linux-x86_64": "amd64",
    "linux-aarch64": "arm64",
    "linux-musl-x86_64": "amd64",
    "linux-musl-aarch64": "arm64",
}


@functools.cache
def current() -> str:
    """Return the platform of this machine, such as `linux-x86_64`, `linux-musl-aarch64` or `macos-arm64`."""
    system, machine = os.uname().sysname, os.uname().machine
    if system == "Darwin":
        return f"macos-{machine}"
    if system == "Linux":
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
        return f"linux-{machine}" if glibc_version() else f"linux-musl-{machine}"
    return f"{system.lower()}-{machine}"


@functools.cache
def glibc_version() -> tuple[int, ...]:
    """Return the version of the GNU C library, such as (2, 36); empty if this process uses another one."""
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return ()
    return version_numbers(text.removeprefix("glibc "))


def version_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers at the beginning of a version: `2.36-9+deb12u10` → (2, 36)."""
    numbers = []
    for part in text.split("-", maxsplit=1)[0].split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)
