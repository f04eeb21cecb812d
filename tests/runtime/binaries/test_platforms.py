"""The platform of a machine, from its operating system, its processor and its C library."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from infra_runtime.binaries import platforms


@pytest.fixture(autouse=True)
def without_cache() -> Iterator[None]:
    yield
    platforms.current.cache_clear()
    platforms.glibc_version.cache_clear()


def machine(monkeypatch: pytest.MonkeyPatch, system: str, processor: str, library: str | None) -> None:
    """Simulate a machine; `library` is the answer of the C library to the question for its version."""
    platforms.current.cache_clear()
    platforms.glibc_version.cache_clear()
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(sysname=system, machine=processor))

    def confstr(_name: str) -> str | None:
        if library is None:
            raise ValueError("unrecognized configuration name")
        return library

    monkeypatch.setattr(os, "confstr", confstr)


@pytest.mark.parametrize(
    ("system", "processor", "library", "expected"),
    [
        ("Linux", "x86_64", "glibc 2.36", "linux-x86_64"),
        ("Linux", "arm64", "glibc 2.17", "linux-aarch64"),
        ("Linux", "x86_64", None, "linux-musl-x86_64"),
        ("Linux", "aarch64", "", "linux-musl-aarch64"),
        ("Darwin", "arm64", None, "macos-arm64"),
        ("FreeBSD", "amd64", None, "freebsd-amd64"),
    ],
)
def test_the_platform_has_the_c_library_and_the_processor(
    monkeypatch: pytest.MonkeyPatch, system: str, processor: str, library: str | None, expected: str
) -> None:
    machine(monkeypatch, system, processor, library)

    assert platforms.current() == expected


@pytest.mark.parametrize(("library", "version"), [("glibc 2.36", (2, 36)), ("", ()), (None, ())])
def test_a_library_other_than_glibc_has_no_version(
    monkeypatch: pytest.MonkeyPatch, library: str | None, version: tuple[int, ...]
) -> None:
    machine(monkeypatch, "Linux", "x86_64", library)

    assert platforms.glibc_version() == version


def test_wheels_for_musl_are_never_those_for_glibc() -> None:
    for platform, tags in platforms.WHEEL_TAGS.items():
        assert all(("musllinux" in tag) == ("musl" in platform) for tag in tags)


@pytest.mark.parametrize(
    ("text", "numbers"), [("2.36-9+deb12u10", (2, 36)), ("2.4", (2, 4)), ("2.x", (2,)), ("", ())]
)
def test_the_numbers_at_the_beginning_of_a_version(text: str, numbers: tuple[int, ...]) -> None:
    assert platforms.version_numbers(text) == numbers
