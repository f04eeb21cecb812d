from __future__ import annotations

import os
import signal
import socket
import threading
import time

import pytest

from infra_runtime.engines.local import connection
from infra_runtime.engines.local.connection import Connection

pytestmark = pytest.mark.process


def test_a_signal_that_does_not_interrupt_the_wait_is_handled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel delivers the signal to another thread, as if it had arrived before the system call."""
    monkeypatch.setattr(connection, "LONGEST_WAIT", 0.05)

    def handle(*_: object) -> None:
        raise KeyboardInterrupt

    ours, theirs = socket.socketpair()
    waiting = Connection(ours)
    before = signal.signal(signal.SIGUSR1, handle)
    sender = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGUSR1))
    sender.start()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    end = threading.Timer(60, theirs.close)  # so that the test fails instead of waiting without an end
    end.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            waiting.receive()
    finally:
        end.cancel()
        sender.join()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
        signal.signal(signal.SIGUSR1, before)
        ours.close()
        theirs.close()


def test_a_message_is_received_after_several_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LONGEST_WAIT", 0.01)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        waiting = Connection(ours)
        threading.Timer(0.1, theirs.sendall, (b'{"a": 1}\n',)).start()

        assert waiting.receive() == {"a": 1}
        assert waiting.receive(time.monotonic() + 0.05) is None
