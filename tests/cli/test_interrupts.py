"""SIGINT and SIGTERM: the first signal can be deferred, the second cannot."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra_cli import early_interrupt
from infra_cli.interrupts import Interrupts


def test_a_signal_raises_at_once_by_default() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        signal.raise_signal(signal.SIGTERM)

    assert interrupts.exit_code == 143


def defer(interrupts: Interrupts, completed: list[bool], signals: int) -> None:
    with interrupts.deferred():
        for _ in range(signals):
            signal.raise_signal(signal.SIGINT)
        completed.append(True)


def test_a_deferred_signal_raises_after_the_block() -> None:
    completed: list[bool] = []
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        defer(interrupts, completed, signals=1)

    assert completed
    assert interrupts.exit_code == 130


def test_a_second_signal_raises_inside_the_block() -> None:
    completed: list[bool] = []
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        defer(interrupts, completed, signals=2)

    assert not completed


def test_an_ignored_signal_stays_ignored_and_handlers_are_restored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts():
            signal.raise_signal(signal.SIGINT)
        handler = signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

    assert handler is signal.SIG_IGN


def test_a_signal_that_was_received_before_the_context_raises_at_its_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python has ignored the exception, because it was raised in a finalizer."""
    monkeypatch.setattr(early_interrupt, "received", signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), Interrupts():
        pytest.fail("the context was entered")


#: a program that receives SIGINT in a finalizer, during the import of the module `infra_cli.main`
INTERRUPTED_IMPORT = """
import signal, sys
from infra_cli import program

class Finalized:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

class Finder:
    def find_spec(self, name, path, target=None):
        if name == "infra_cli.main":
            Finalized()

sys.meta_path.insert(0, Finder())
sys.argv = ["infra", "runtime", "up"]
program.main()
"""


@pytest.mark.process
def test_a_signal_in_a_finalizer_during_the_imports_ends_the_command(tmp_path: Path) -> None:
    (tmp_path / "infra.toml").write_text('[services.web]\ncommand = ["sleep", "600"]\n')

    result = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert "ignored" in result.stderr  # by Python
    assert result.returncode == 130
    assert not (tmp_path / ".data").exists()
