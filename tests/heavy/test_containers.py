"""Services in containers: `apt-get install podman runc netavark iptables busybox-static`.

The image consists of a static busybox. The storage of podman is in a temporary folder, and the network of a
test as root in its own network namespace, which the kernel removes with its addresses and firewall rules. As
another user (`apt-get install uidmap slirp4netns`), podman creates this namespace itself. The tests also use
docker if its daemon runs; they do not start a daemon.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.base_image import VERSION, python_base
from fakes.project import Project, empty_project
from fakes.stacks import alive, kill, kill_both, until
from fakes.suite import free_port
from infra_runtime.binaries import Binary, locate
from infra_runtime.data_directory import remains
from infra_runtime.data_directory.leak_check import check_leaks
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.kubernetes import Kubernetes
from infra_runtime.engines.local.engine import start
from infra_runtime.engines.local.stack import Stack
from infra_runtime.host import disk
from infra_runtime.images.base_image import select
from infra_runtime.images.container import prepare, wait_until_ready
from infra_runtime.images.container_folder import container_folder
from infra_runtime.images.runners import choose

#: the places outside of the temporary folder to which podman writes as root
PLACES = tuple(
    map(Path, ("/run/netns", "/run/containers", "/run/libpod", "/var/lib/containers", "/dev/shm/libpod_lock"))
)
CGROUPS = Path("/sys/fs/cgroup")
CLONE_NEWNET = 0x40000000  # Source: <linux/sched.h>

IMAGE = "localhost/box:1"

STORAGE = """
[storage]
driver = "vfs"
graphroot = "{0}/graph"
rootless_storage_path = "{0}/graph"
runroot = "{0}/run"
"""
#: podman as root requests more files than a container without CAP_SYS_RESOURCE allows. The database is in its
#: default folder: the process that records the exit of a container does not get another `static_dir`, and
#: `podman run` then waits 20 seconds for the record.
ENGINE = """
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
tmp_dir = "{0}/tmp"
[network]
network_backend = "netavark"
network_config_dir = "{0}/networks"
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=16384:16384"]
"""
STACK_FILE = """
use = ["web", "reader"]

[services.web]
image = "localhost/box:1"
entrypoint = "/bin/sh"
command = ["-c", '''
trap "exit 0" TERM
printf %s "$PAGE" > /www/page
touch /tmp/started
httpd -f -p ${port.http} -h /www &
echo serving
wait
''']
ports = { http = 18099 }
container_ports = { http = 80 }
env = { PAGE = "two\\nlines", API_KEY = "s3cret" }
ready = { http = "/page" }
volumes = { "/www" = "${data}/www", "/etc/box" = "conf" }

[services.probed]
image = "localhost/box:1"
command = ["/bin/sh", "-c", "trap 'exit 0' TERM; touch /tmp/started; sleep 600 & wait"]
ready = { exec = ["test", "-f", "/tmp/started"] }

[services.reader]
image = "localhost/box:1"
network = "host"
command = ["/bin/sh", "-c", "wget -q -O /out/copy $URL/page && ! touch /etc/box/x"]
env = { URL = "${web.url}" }
volumes = { "/out" = "${data}", "/etc/box" = "conf" }
task = true
needs = ["probed"]
"""


@pytest.fixture
def own_network() -> Iterator[None]:
    """As root, run the test and the processes that it starts in a new network namespace."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    yield
    assert libc.setns(before, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    os.close(before)


@pytest.fixture
def system() -> Iterator[None]:
    """Run one test at a time, and remove what podman leaves: folders, a mount and control groups."""
    with locate(Binary(name="podman")).open("rb") as program:
        fcntl.flock(program, fcntl.LOCK_EX)
        new = [place for place in PLACES if not place.exists()]
        yield
        for place in new:
            subprocess.run(["umount", place], check=False, capture_output=True)
            with contextlib.suppress(OSError):
                disk.remove(str(place))
        for parent in [*CGROUPS.glob("libpod_parent"), *CGROUPS.glob("*/libpod_parent")]:
            for folder, _, _ in os.walk(parent, topdown=False):
                with contextlib.suppress(OSError):  # a group with processes is not removed
                    Path(folder).rmdir()


@pytest.fixture
def empty_podman(system: None, own_network: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the path of podman, which has no images."""
    path = str(locate(Binary(name="podman")))
    with tempfile.TemporaryDirectory(prefix="infra-", dir="/tmp") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        for name, text in (("CONTAINERS_STORAGE_CONF", STORAGE), ("CONTAINERS_CONF", ENGINE)):
            file = Path(folder, name)
            file.write_text(text.format(folder))
            monkeypatch.setenv(name, str(file))
        monkeypatch.setenv("INFRA_CONTAINER_ENGINE", path)
        yield path
        subprocess.run([path, "rm", "--force", "--all"], check=True, capture_output=True)
        if os.geteuid() != 0:
            # The files belong to other users, and a process of podman keeps the namespace of the users.
            subprocess.run([path, "unshare", "rm", "-r", f"{folder}/graph"], check=True)
            subprocess.run([path, "system", "migrate"], check=True, capture_output=True)


@pytest.fixture
def podman(empty_podman: str, tmp_path: Path) -> str:
    """Return the path of podman, which has only the image `localhost/box:1` of busybox."""
    layer = tmp_path / "layer.tar"
    layer.write_bytes(busybox())
    subprocess.run([empty_podman, "import", str(layer), IMAGE], check=True, capture_output=True)
    return empty_podman


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the path of docker, whose daemon has the image `localhost/box:1` during the test."""
    path = str(locate(Binary(name="docker")))
    version = [path, "version", "--format={{.Server.Version}}"]
    result = subprocess.run(version, check=False, capture_output=True, text=True, timeout=300)
    if result.returncode != 0:
        pytest.skip(f"docker has no running daemon: {result.stderr.strip()}")
    monkeypatch.setenv("INFRA_CONTAINER_ENGINE", path)
    layer = tmp_path / "layer.tar"
    layer.write_bytes(busybox())
    subprocess.run([path, "import", str(layer), IMAGE], check=True, capture_output=True)
    yield path
    if names := containers(path):
        subprocess.run([path, "rm", "--force", *names], check=True, capture_output=True)
    subprocess.run([path, "image", "rm", IMAGE], check=True, capture_output=True)


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.real(name, "busybox")) for name in ("podman", "docker")]
)
def engine(request: pytest.FixtureRequest) -> str:
    """Return the path of an engine, which has the image `localhost/box:1`."""
    path: str = request.getfixturevalue(request.param)
    return path


def busybox() -> bytes:
    """Return a layer with busybox and its commands."""
    program = locate(Binary(name="busybox")).read_bytes()
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for folder in ("bin", "tmp", "www", "etc", "out"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(program), 0o755
        tar.addfile(entry, io.BytesIO(program))
        for name in ("sh", "httpd", "wget", "sleep", "touch", "test"):
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    return content.getvalue()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str) -> Project:
    project = empty_project(tmp_path, monkeypatch)
    monkeypatch.setenv("INFRA_CONTAINER_ENGINE", engine)
    project.write(STACK_FILE)
    project.write("text", "conf/box.conf")
    return project


@pytest.fixture
def stack(project: Project) -> Iterator[Stack]:
    data = project.root / "data"
    stack = start(directory=project.root, environment="test", data=data)
    yield stack
    stack.close()
    remains.end_unsupervised(Paths(str(data)))
    until(lambda: not alive(data))


def containers(engine: str) -> list[str]:
    """Return the names of the containers of the image, also of those that do not run."""
    command = [engine, "ps", "--all", "--format={{.Names}}", f"--filter=ancestor={IMAGE}"]
    return subprocess.check_output(command, text=True).split()


def page(stack: Stack) -> str:
    with urllib.request.urlopen(f"{stack.endpoints()['web'].url}/page") as answer:
        text: str = answer.read().decode()
    return text


def test_services_run_in_containers(stack: Stack, engine: str) -> None:
    data = Path(stack.data)
    running = containers(engine)

    assert page(stack) == "two\nlines"
    assert len(running) == 2
    assert "s3cret" not in subprocess.check_output(["ps", "axww"], text=True)
    assert "serving" in Path(stack.status().services["web"].log).read_text()
    assert stack.status().services["reader"].phase == "done"

    kill(stack.status().services["web"].pid)
    until(lambda: stack.status().services["web"].restarts == 1)
    stack.wait("web")

    assert page(stack) == "two\nlines"
    stack.down()
    assert containers(engine) == []
    assert check_leaks(Paths(str(data))).clean


def test_the_containers_of_a_killed_stack_are_removed(stack: Stack, engine: str) -> None:
    data = Path(stack.data)
    subprocess.run([engine, "create", "--name=foreign", IMAGE, "sh"], check=True)
    kill_both(data, stack.status().pid)

    leaks = check_leaks(Paths(str(data)))
    cleaned = remains.end_unsupervised(Paths(str(data)))

    assert len(leaks.containers) == 2
    assert (cleaned.containers, cleaned.left) == (2, ())
    assert containers(engine) == ["foreign"]
    assert check_leaks(Paths(str(data))).clean


def test_the_guardian_removes_the_containers(stack: Stack, engine: str) -> None:
    kill(stack.status().pid)

    until(lambda: containers(engine) == [])


KUBERNETES_STACK = """
use = ["web"]

[services.web]
image = "localhost/box:1"
entrypoint = "/bin/sh"
command = ["-c", '''
trap "exit 0" TERM
touch /www/x && exit 1
printf %s "$PAGE" > /tmp/page
httpd -f -p 8080 -h /tmp &
wait
''']
env = { PAGE = "y $$x 1e3" }
user = "1000"
"""


@pytest.mark.real("podman", "busybox")
def test_podman_runs_the_workloads_that_are_exported_to_kubernetes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, podman: str
) -> None:
    """The root of the container is read-only, and the program is not root."""
    if os.geteuid() != 0 and not (CGROUPS / "cgroup.controllers").exists():
        pytest.skip(
            "without root, podman needs control groups of version 2 to limit the memory of a container"
        )
    project = empty_project(tmp_path, monkeypatch)
    project.write(KUBERNETES_STACK)
    plan = project.resolve(environment="development").plan
    file = tmp_path / "web.yaml"
    file.write_text(Kubernetes(project="shop").render(plan)["base/service-web.yaml"])

    subprocess.run([podman, "kube", "play", str(file)], check=True, capture_output=True)
    name = next(name for name in containers(podman) if name.endswith("-web"))

    def answers(*command: str) -> str:
        done = subprocess.run([podman, "exec", name, *command], check=False, capture_output=True, text=True)
        return done.stdout

    until(lambda: answers("/bin/busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/page"))
    assert answers("/bin/busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/page") == "y $x 1e3"
    details = json.loads(subprocess.check_output([podman, "inspect", name]))[0]
    assert (details["Config"]["User"], details["HostConfig"]["ReadonlyRootfs"]) == ("1000:1000", True)
    assert not details["EffectiveCaps"]
    subprocess.run([podman, "kube", "down", str(file)], check=True, capture_output=True)
    assert containers(podman) == []


#: a web server that answers with its user, the error of a write to the root, and a variable
SERVER = """\
import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        for path in ("/tmp/x", "/data/x"):
            open(path, "w").close()
        try:
            open("/x", "w")
        except OSError as error:
            problem = error.errno
        self.wfile.write(f"{os.getuid()} {problem} {os.environ['TOKEN']}".encode())
signal.signal(signal.SIGTERM, lambda *_: (open("/data/stopped", "w").close(), os._exit(0)))
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
CHECK = """\
import os, sys, urllib.request
text = urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/").read().decode()
assert text == f"65532 30 {os.environ['TOKEN']}", text
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with container_folder() as folder:
        yield folder


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.real(name)) for name in ("runc", "podman")]
)
def test_an_image_runs_until_it_is_stopped(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """`tests/cli/test_images_of_services.py` runs an image with bubblewrap."""
    if name == "runc" and os.geteuid() != 0:
        pytest.skip("runc needs root")
    if name == "podman":
        request.getfixturevalue("empty_podman")
    layout = python_base(tmp_path / "base")
    image = select(layout, layout.find(), None, "web")
    python, port = f"python{VERSION}", str(free_port())
    folder = request.getfixturevalue("folder")
    prepared = prepare(image, folder, {"TOKEN": "s3cret"})
    settings = {
        **prepared.settings, "User": "65532:65532", "Volumes": {"/data": {}},
        "Cmd": [python, "-c", SERVER, port], "Healthcheck": {"Test": ["CMD", python, "-c", CHECK, port]},
    }  # fmt: skip
    container = replace(prepared, settings=settings)
    runner, program = choose("web", name)

    with runner.start(program, container, container.words()) as running:
        seconds = wait_until_ready(running)
        processes = subprocess.check_output(["ps", "axww"], text=True)
        failed = running.execute([python, "-c", "raise SystemExit(3)"], 60.0)

    assert seconds > 0
    assert "s3cret" not in processes
    assert failed.returncode == 3
    assert (folder / "data" / "stopped").exists()
    assert running.process.returncode is not None
    if name == "podman":
        assert subprocess.check_output([program, "ps", "--all", "--quiet"], text=True) == ""


#: runs a program that ignores SIGTERM, and prints the folder when the program runs
KILLED = """\
import sys
from dataclasses import replace
from pathlib import Path
from infra_runtime.host import disk
from infra_runtime.images.base_image import select
from infra_runtime.images.container import prepare
from infra_runtime.images.container_folder import container_folder
from infra_runtime.images.layout import Layout
from infra_runtime.images.runners import choose

layout = Layout(Path(sys.argv[1]))
runner, program = choose("web", sys.argv[2])
with container_folder() as folder:
    container = prepare(select(layout, layout.find(), None, "web"), folder, {})
    container = replace(container, settings={**container.settings, "User": "65532:65532"})
    with runner.start(program, container, sys.argv[3:]) as running:
        print(folder, flush=True)
        running.process.wait()
"""
IGNORES = """\
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open("/tmp/running", "w").close()
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize(
    ("name", "binary"),
    [
        pytest.param("bubblewrap", "bwrap", marks=pytest.mark.real("bwrap")),
        pytest.param("runc", "runc", marks=pytest.mark.real("runc")),
        pytest.param("podman", "podman", marks=pytest.mark.real("podman")),
    ],
)
@pytest.mark.parametrize("moment", ["starts", "runs"])
def test_the_container_of_a_killed_process_is_removed(
    name: str,
    binary: str,
    number: signal.Signals,
    moment: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    if name == "runc" and os.geteuid() != 0:
        pytest.skip("runc needs root")
    if name == "podman":
        request.getfixturevalue("empty_podman")
    python_base(tmp_path / "base")
    words = [f"python{VERSION}", "-c", IGNORES, (mark := f"marked-{uuid.uuid4().hex}")]
    user = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "base"), name, *words],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert user.stdout is not None
    folder = Path(user.stdout.readline().strip())
    if moment == "runs":
        until((folder / "temporary" / "running").exists)

    user.send_signal(number)
    user.wait()
    user.stdout.close()

    until(lambda: not folder.exists())
    assert mark not in subprocess.check_output(["ps", "axww"], text=True)
    if name == "podman":
        assert subprocess.check_output([binary, "ps", "--all", "--quiet"], text=True) == ""
