"""A fake supervisor, which listens on the control socket and sends the answers that a test defines."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra_runtime.data_directory import control_file
from infra_runtime.data_directory.paths import PROTOCOL, Paths

#: a function from a request to the messages of the answer, in their order; None closes the connection
Answer = Callable[[dict[str, Any]], "list[dict[str, Any]] | None"]

GREETING = {"protocol": PROTOCOL, "pid": 1, "ending": False}


def result(request: dict[str, Any], **values: Any) -> dict[str, Any]:
    """Return the successful answer to a request."""
    return {"jsonrpc": "2.0", "id": request["id"], "result": values}


def error(request: dict[str, Any], message: str, data: object = None) -> dict[str, Any]:
    """Return an error answer to a request."""
    return {"jsonrpc": "2.0", "id": request["id"], "error": {"code": 1, "message": message, "data": data}}


def event(name: str) -> dict[str, Any]:
    """Return a notification about an event."""
    return {"jsonrpc": "2.0", "method": "event", "params": {"event": name}}


@contextmanager
def answering(paths: Paths, **methods: Answer) -> Iterator[list[dict[str, Any]]]:
    """Answer requests on the control socket of `paths`, including `hello`; yield the list of requests."""
    methods = {"hello": lambda request: [result(request, **GREETING)], "limits": lambda _: [], **methods}
    requests: list[dict[str, Any]] = []
    is_closing = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            for line in lines:
                request = json.loads(line)
                requests.append(request)
                if (answers := methods[request["method"]](request)) is None:
                    return
                for answer in answers:
                    connection.sendall(json.dumps(answer).encode() + b"\n")

    def accept() -> None:
        while not is_closing.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    Path(paths.run).mkdir(parents=True, mode=0o700)
    Path(paths.data).mkdir(parents=True, mode=0o700, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(paths.control)
        listener.listen()
        control_file.write(paths)
        listener.settimeout(0.01)
        threads = [threading.Thread(target=accept)]
        threads[0].start()
        try:
            yield requests
        finally:
            is_closing.set()
            for thread in threads:
                thread.join(60)
