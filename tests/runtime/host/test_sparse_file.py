"""Files with a hole at their beginning."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra_runtime.host import sparse_file


@pytest.fixture
def file(tmp_path: Path) -> int:
    """Yield the descriptor of a file of a million bytes."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1_000_000)
    descriptor = os.open(path, os.O_RDWR)
    yield descriptor
    os.close(descriptor)


def punched(descriptor: int, length: int) -> None:
    try:
        sparse_file.punch(descriptor, length)
    except OSError as error:
        pytest.skip(f"this file system has no holes: {error}")


def test_a_hole_frees_space_and_keeps_the_offsets(file) -> None:
    punched(file, 900_001)

    assert os.fstat(file).st_size == 1_000_000
    assert os.fstat(file).st_blocks * 512 < 200_000
    assert os.pread(file, 10, 899_996) == b"\0" * 5 + b"x" * 5


@pytest.mark.parametrize("length", [1, 4096, 4097, 999_999])
def test_the_first_data_is_after_the_hole(file, length) -> None:
    punched(file, length)

    assert sparse_file.first_data(file) == length
    assert sparse_file.first_data(file, length // 2) == length


def test_an_offset_after_the_hole_stays(file) -> None:
    punched(file, 4096)

    assert sparse_file.first_data(file, 5000) == 5000


def test_a_file_that_is_one_hole_has_no_data(file) -> None:
    os.ftruncate(file, 0)
    os.ftruncate(file, 1 << 40)

    assert sparse_file.first_data(file) == 1 << 40


def test_an_empty_file_has_no_data(file) -> None:
    os.ftruncate(file, 0)

    assert sparse_file.first_data(file) == 0


def test_zeros_are_skipped_where_the_kernel_does_not_report_holes(file, monkeypatch) -> None:
    monkeypatch.delattr(os, "SEEK_DATA", raising=False)
    os.pwrite(file, bytes(200_000), 0)

    assert sparse_file.first_data(file) == 200_000
