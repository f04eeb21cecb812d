"""A container engine for tests: a program with the commands of podman that pytest-infra uses.

A container is a file in the folder of the engine, and its ports are served by the client. If the client is
killed, the file remains, as a container of a real engine does.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PROGRAM = """\
import json, os, sys

folder = os.path.dirname(os.path.abspath(__file__))
words = sys.argv[1:]
with open(f"{folder}/calls", "a") as file:
    file.write(json.dumps(words) + "\\n")

def read(name):
    with open(f"{folder}/{name}") as file:
        return json.load(file)

def fail(text, status=125):
    print(f"Error: {text}", file=sys.stderr)
    sys.exit(status)

def path(name):
    return f"{folder}/containers/{name}"

def run():
    import signal
    from http.server import BaseHTTPRequestHandler, HTTPServer

    options = [word[2:].partition("=")[::2] for word in words if word.startswith("--")]
    image = next(word for word in words[1:] if not word.startswith("--"))
    if image not in read("images"):
        fail(f"{image}: image not known")
    (name,) = (value for key, value in options if key == "name")
    if os.path.exists(path(name)):
        fail(f"the container name {name!r} is already in use")
    labels = [value for key, value in options if key == "label"]
    with open(path(name), "w") as file:
        json.dump(labels, file)

    def stop(*_):
        os.unlink(path(name))
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    environ = {key: os.environ[key] for option, key in options if option == "env" and key in os.environ}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(environ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    print("the container runs", flush=True)
    (port,) = (int(value.split(":")[1]) for key, value in options if key == "publish")
    HTTPServer(("127.0.0.1", port), Handler).serve_forever()

def ps():
    wanted = {word.partition("label=")[2] for word in words if word.startswith("--filter=label=")}
    for name in sorted(os.listdir(f"{folder}/containers")):
        if wanted <= set(read(f"containers/{name}")):
            print(name)

def rm():
    for name in (word for word in words[1:] if not word.startswith("--")):
        os.unlink(path(name))

def image():
    properties = read("images").get(words[-1])
    if properties is None:
        fail(f"{words[-1]}: image not known")
    print(json.dumps([properties]))

def pull():
    registry, images = read("registry"), read("images")
    if words[-1] not in registry:
        fail(f"{words[-1]}: manifest unknown")
    print(f"Trying to pull {words[-1]}...")
    for digest in registry[words[-1]]["RepoDigests"]:
        images[digest] = registry[words[-1]]
    images[words[-1]] = registry[words[-1]]
    with open(f"{folder}/images", "w") as file:
        json.dump(images, file)

def exec():
    import subprocess

    if not os.path.exists(path(words[1])):
        fail("no such container")
    sys.exit(subprocess.run(words[2:]).returncode)

globals()[words[0]]()
"""


class ContainerEngine:
    """The program, and the content of its folder: images, registry, containers and calls."""

    def __init__(self, folder: Path, name: str = "podman") -> None:
        self.folder, self.path = folder, folder / name
        (folder / "containers").mkdir(parents=True)
        for file in ("images", "registry"):
            self._write(file, {})
        (folder / "calls").touch()
        self.path.write_text(f"#!{sys.executable} -IS\n{PROGRAM}", encoding="utf-8")
        self.path.chmod(0o755)

    def add_image(self, name: str, *digests: str, digest: str = "") -> None:
        """Put an image on this machine; `digest` is the one for this platform."""
        self._write("images", {**self._read("images"), **_named(name, digests, digest)})

    def publish(self, name: str, *digests: str, digest: str = "") -> None:
        """Put an image in the registry, from which it can be pulled by its name and by its digests."""
        self._write("registry", {**self._read("registry"), **_named(name, digests, digest)})

    def add_container(self, name: str, *labels: str) -> None:
        """Create a container of another program, or one that a killed stack has left."""
        self._write(f"containers/{name}", list(labels))

    @property
    def containers(self) -> list[str]:
        """The names of all containers."""
        return sorted(path.name for path in (self.folder / "containers").iterdir())

    def calls(self, command: str) -> list[list[str]]:
        """Return the argument lists of all calls with a command, such as `run`."""
        lines = (self.folder / "calls").read_text(encoding="utf-8").splitlines()
        return [words for words in map(json.loads, lines) if words[0] == command]

    def _read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def _write(self, name: str, data: object) -> None:
        (self.folder / name).write_text(json.dumps(data), encoding="utf-8")


def _named(name: str, digests: tuple[str, ...], digest: str) -> dict[str, object]:
    repository = name.partition("@")[0].rpartition(":")[0] or name
    references = [f"{repository}@{image}" for image in digests]
    properties = {"RepoDigests": references, **({"Digest": digest} if digest else {})}
    return dict.fromkeys([name, *references], properties)
