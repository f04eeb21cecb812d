"""A small TCP server, which tests start as a child process; its options turn faults on.

    python -I -S server.py PORT [--exit-after S] [--status N] [--ignore-term] [--fork-away S] [--stray FILE]
        [--wait-for GATE] [--deaf]

The server imports only the standard library.
"""

import os
import signal
import socket
import sys
import time


def write(path: str, text: str) -> None:
    """Write a file that is complete as soon as it exists."""
    with open(f"{path}.new", "w", encoding="ascii") as file:  # noqa: PTH123 - no pathlib: boot fast
        file.write(text)
    os.rename(f"{path}.new", path)  # noqa: PTH104


def wait(gate: str, port: int) -> None:
    """Write the port to GATE.port, and wait until GATE exists: a test uses the port before it is bound.

    GATE.up exists when the server listens.
    """
    write(f"{gate}.port", str(port))
    while not os.path.exists(gate):  # noqa: PTH110
        time.sleep(0.005)


def main(arguments: list[str]) -> None:
    port, options = int(arguments[0]), arguments[1:]

    def value(name: str, default: str = "") -> str:
        return options[options.index(name) + 1] if name in options else default

    print(f"server on {port} with {options}", flush=True)
    if "--ignore-term" in options:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
    if "--fork-away" in options and os.fork():
        sys.exit(0)
    if "--fork-away" in options:
        os.setsid()
        time.sleep(float(value("--fork-away", "0")))
    if "--stray" in options and os.fork() == 0:
        # Start a grandchild process in its own session that ignores SIGTERM and whose parent has exited.
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        write(value("--stray"), str(os.getpid()))
        time.sleep(600)
    if gate := value("--wait-for"):
        wait(gate, port)
    if "--exit-after" in options:
        signal.signal(signal.SIGALRM, lambda *_: os._exit(int(value("--status", "1"))))
        signal.setitimer(signal.ITIMER_REAL, float(value("--exit-after")))
    if "--deaf" in options:
        time.sleep(600)
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
        if gate:
            write(f"{gate}.up", "")
        while True:
            connection, _ = server.accept()
            connection.close()


if __name__ == "__main__":
    main(sys.argv[1:])
