"""Record the classes that a Kafka server loads, so that later starts need half of the processor time.

`python -m infra_runtime.kafka_training PROGRAM FOLDER` starts a server with the file `training.properties` in
FOLDER. The module replaces the words CLIENT_PORT, CONTROLLER_PORT and LOG_FOLDER in this file by two free
ports and the path of the folder `log` in FOLDER. When the server has answered a request, or has not answered
for two minutes, the module stops the server, and Java writes the file `classes.aot` to FOLDER. The module
then removes the other files.

Source: JEP 514, "Ahead-of-Time Command-Line Ergonomics" (`-XX:AOTCacheOutput`).
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

#: the seconds after which the server is stopped even without an answer, and the longest time in seconds until
#: Java has written the file after the stop
PATIENCE = 120.0


def main(program: str, folder: Path) -> None:
    """Record the classes of one start.

    Raises `SystemExit` with the end of the server's output if Java does not write the file,
    `TimeoutExpired` if the server does not stop.
    """
    logs, output = folder / "log", folder / "classes.aot"
    ports = _free_ports(2)
    template = folder / "training.properties"
    text = template.read_text().replace("LOG_FOLDER", str(logs))
    for word, port in zip(("CLIENT_PORT", "CONTROLLER_PORT"), ports, strict=True):
        text = text.replace(word, str(port))
    template.write_text(text)
    options = f"{os.environ.get('JDK_JAVA_OPTIONS', '')} -XX:AOTCacheOutput={output}"
    with (folder / "output").open("wb") as log:
        server = subprocess.Popen(
            [program, str(template)],
            env={**os.environ, "JDK_JAVA_OPTIONS": options},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(server, ports[0])
            server.send_signal(signal.SIGTERM)
            server.wait(PATIENCE)
        finally:
            server.kill()
            server.wait()
    if not output.is_file():
        sys.exit((folder / "output").read_text(errors="replace")[-2000:] or f"Java did not write {output}")
    for path in (template, folder / "output"):
        path.unlink()
    shutil.rmtree(logs)


def _free_ports(count: int) -> list[int]:
    """Return port numbers that no process uses at the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    numbers = [socket_.getsockname()[1] for socket_ in sockets]
    for socket_ in sockets:
        socket_.close()
    return numbers


def _wait(server: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the server has answered a request or has exited, for at most `PATIENCE` seconds."""
    deadline = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                # The request ApiVersions, which the probe of Kafka sends, too: Java loads the classes for
                # requests.
                connection.sendall(bytes.fromhex("0000000a0012000000000007ffff"))
                if connection.recv(8):
                    return
        except OSError:
            time.sleep(0.1)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
