"""The programs that run an unpacked image: bubblewrap, runc and podman.

Each runner starts the program of the image with a read-only root file system, as the user of the image,
without capabilities and in its own process namespace. The container uses the network of the machine. The
values of variables can be secrets, so they are not in a command line.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from infra_runtime.binaries import Binary, locate
from infra_runtime.binaries.launch import bubblewrap_program
from infra_runtime.errors import BinaryMissingError, ImageError
from infra_runtime.images import container_folder
from infra_runtime.images.container import Container, Running
from infra_runtime.value import frozen

#: the seconds in which the program must exit after a signal
_PATIENCE = 10.0
_RUNTIME_SPEC = "1.0.2"


@frozen
class Runner:
    """A program that runs images, such as podman."""

    name: str
    #: the name of the executable
    binary: str
    #: a function that runs a command in a container; at the end of its `with` statement, the stop signal
    #: stops the command
    start: Callable[[Path, Container, Sequence[str]], AbstractContextManager[Running]]
    #: a function that returns the reason why the program does not work on this machine; empty if it works
    problem: Callable[[Path], str]


def choose(service: str, name: str = "") -> tuple[Runner, Path]:
    """Return a runner and its executable: the runner called `name`, or the first runner that works here.

    Raises:
        BinaryMissingError: the executable of the runner called `name` is missing.
        ImageError: the runner called `name`, or without a name every runner, does not work on this machine.
    """
    problems = []
    for runner in RUNNERS:
        if name not in {"", runner.name}:
            continue
        try:
            program = locate(Binary(name=runner.binary))
        except BinaryMissingError:
            if name:
                raise
            problems.append(f"{runner.binary} is missing")
            continue
        if not (problem := runner.problem(program)):
            return runner, program
        problems.append(problem)
    hint = "Install bubblewrap or podman; the option --runner selects one of the installed programs."
    raise ImageError(service, f"the image cannot be run on this machine: {'; '.join(problems)}", hint)


# --- bubblewrap --------------------------------------------------------------------------------------


@contextmanager
def _bubblewrap(program: Path, container: Container, words: Sequence[str]) -> Iterator[Running]:
    reading, writing = os.pipe()
    with open(reading, "rb") as information:  # noqa: PTH123 - a file descriptor
        try:
            process = _sandbox(program, container, words, information=writing)
        finally:
            os.close(writing)

        def send(number: signal.Signals) -> None:
            # bubblewrap does not forward signals to the child of its process in the container.
            pid = int(json.loads(information.read())["child-pid"])
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
            os.kill(int(children[0]), number)

        def execute(check: Sequence[str], timeout: float) -> subprocess.CompletedProcess[bytes]:
            with _sandbox(program, container, check, output=subprocess.PIPE) as sandbox:
                try:
                    out, problem = sandbox.communicate(timeout=timeout)
                except subprocess.TimeoutExpired:
                    sandbox.kill()  # the kernel then kills all processes of the namespace
                    raise
                return subprocess.CompletedProcess(check, sandbox.returncode, out, problem)

        with _stopping(container, process, send):
            yield Running(container=container, process=process, execute=execute)


def _sandbox(
    program: Path,
    container: Container,
    words: Sequence[str],
    *,
    information: int = 0,
    output: int | None = None,
) -> subprocess.Popen[bytes]:
    """Run the command `words` with bubblewrap, which reads its options from a file in memory.

    `output` is the destination of stdout and stderr, as for `subprocess.Popen`; by default, those of this
    process.
    """
    arguments = os.memfd_create("infra-bubblewrap")
    try:
        with open(arguments, "wb", closefd=False) as file:
            text = "\0".join(sandbox_options(container, information=information))
            file.write(f"{text}\0".encode())
        os.lseek(arguments, 0, os.SEEK_SET)
        inherited = (arguments, *((information,) if information else ()))
        command = [str(program), "--args", str(arguments), "--", *words]
        return subprocess.Popen(
            command,
            env={**os.environ, **container_folder.environment(container.folder)},
            pass_fds=inherited,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    finally:
        os.close(arguments)


def sandbox_options(container: Container, *, information: int = 0) -> list[str]:
    """Return the options of bubblewrap for a container.

    `information` is the file descriptor to which bubblewrap writes the pid of the process; 0: nothing is
    written.
    """
    user, group = container.user()
    options = ["--ro-bind", str(container.root), "/", "--proc", "/proc", "--dev", "/dev"]
    for path, folder in container.writable().items():
        options += ["--bind", str(folder), path]
    options += ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    options += ["--uid", str(user), "--gid", str(group), "--cap-drop", "ALL"]
    options += ["--new-session", "--die-with-parent", "--chdir", container.working_folder(), "--clearenv"]
    if information:
        options += ["--info-fd", str(information)]
    for name, value in sorted(container.environment().items()):
        options += ["--setenv", name, value]
    return options


def _bubblewrap_problem(program: Path) -> str:
    return "" if bubblewrap_program(program) else "bwrap cannot create namespaces"


# --- runc --------------------------------------------------------------------------------------------


@contextmanager
def _runc(program: Path, container: Container, words: Sequence[str]) -> Iterator[Running]:
    name, common = _name(), [str(program), "--root", str(container.folder / "runc")]
    _open_folders(container)
    bundle = container.folder / "bundle"
    bundle.mkdir(mode=0o700)
    (bundle / "config.json").write_text(json.dumps(runtime_config(container, words)), encoding="utf-8")

    def execute(check: Sequence[str], timeout: float) -> subprocess.CompletedProcess[bytes]:
        return _output([*common, "exec", name, *check], timeout)

    removal = [*common, "delete", "--force", name]
    with _client(container, [*common, "run", "--bundle", str(bundle), name], removal) as process:
        yield Running(container=container, process=process, execute=execute)


def runtime_config(container: Container, words: Sequence[str]) -> dict[str, Any]:
    """Return the configuration of a container for runc.

    The configuration contains no limits for processes and files, because raising a limit needs a capability
    that can be missing if this machine is itself a container. Source: Open Container Initiative, "Runtime
    Specification" 1.0, "Configuration".
    """
    user, group = container.user()
    safe = ["nosuid", "noexec", "nodev"]
    mounts = [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": safe},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": [*safe, "mode=1777"]},  # noqa: S108
    ]
    for path, folder in container.writable().items():
        options = ["bind", "rw", "nosuid", "nodev"]
        mounts.append({"destination": path, "type": "bind", "source": str(folder), "options": options})
    return {
        "ociVersion": _RUNTIME_SPEC,
        "process": {
            "terminal": False,
            "user": {"uid": user, "gid": group},
            "args": [*words],
            "env": [f"{name}={value}" for name, value in sorted(container.environment().items())],
            "cwd": container.working_folder(),
            "noNewPrivileges": True,
            "capabilities": {},
        },
        "root": {"path": str(container.root), "readonly": True},
        "hostname": container.name,
        "mounts": mounts,
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/sysrq-trigger"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"],
        },
    }


def _runc_problem(_: Path) -> str:
    # Without root, a container of runc can have only the user with the id 0.
    return "" if os.geteuid() == 0 else "runc needs root"


# --- podman ------------------------------------------------------------------------------------------


@contextmanager
def _podman(program: Path, container: Container, words: Sequence[str]) -> Iterator[Running]:
    name = _name()
    if os.geteuid() == 0:
        _open_folders(container)
    command = [str(program), *podman_options(container, name), *words]

    def execute(check: Sequence[str], timeout: float) -> subprocess.CompletedProcess[bytes]:
        return _output([str(program), "exec", name, *check], timeout)

    removal = [str(program), "rm", "--force", "--ignore", "--time=0", name]
    with _client(container, command, removal, container.variables) as process:
        yield Running(container=container, process=process, execute=execute)


def podman_options(container: Container, name: str, *, root: bool | None = None) -> list[str]:
    """Return the arguments of podman between `podman` and the command of the container.

    `root` is whether podman runs as root; by default, podman has the user of this process. Source:
    podman-run(1).
    """
    user, group = container.user()
    root = os.geteuid() == 0 if root is None else root
    options = ["run", "--rm", f"--name={name}", "--network=host", "--read-only", "--read-only-tmpfs=false"]
    options += ["--cap-drop=all", "--security-opt=no-new-privileges", "--log-driver=none"]
    options += ["--no-healthcheck", f"--user={user}:{group}", f"--workdir={container.working_folder()}"]
    # Without root, the files that the program writes belong to the user of this process.
    options += [] if root else [f"--userns=keep-id:uid={user},gid={group}"]
    for path, folder in container.writable().items():
        options.append(f"--mount=type=bind,source={folder},target={path}")
    options.append("--unsetenv-all")
    for variable, value in sorted(container.own_environment().items()):
        options += [] if variable in container.variables else [f"--env={variable}={value}"]
    options += [f"--env={variable}" for variable in sorted(container.variables)]
    return [*options, "--rootfs", str(container.root)]


# --- processes ---------------------------------------------------------------------------------------


def _name() -> str:
    return f"infra-{uuid.uuid4().hex[:12]}"


def _open_folders(container: Container) -> None:
    """Permit all users, and so the user of the image, to write to the writable folders of the container.

    Only the user of this process can open the folder above these folders.
    """
    for folder in container.writable().values():
        folder.chmod(0o1777)


@contextmanager
def _client(
    container: Container,
    command: Sequence[str],
    removal: Sequence[str],
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a client that forwards signals to its container.

    At the end, stop the client and remove the container.
    """
    with container_folder.removed(container.folder, removal):
        process = subprocess.Popen(
            command,
            env={**os.environ, **variables, **container_folder.environment(container.folder)},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        with _stopping(container, process, process.send_signal):
            yield process


def _output(command: Sequence[str], timeout: float) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
    )


@contextmanager
def _stopping(
    container: Container, process: subprocess.Popen[bytes], send: Callable[[signal.Signals], None]
) -> Iterator[None]:
    """Send the stop signal at the end of the `with` statement, and kill the process if it does not exit."""
    try:
        yield
    finally:
        if process.poll() is None:
            name = str(container.settings.get("StopSignal") or "SIGTERM")
            with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
                send(signal.Signals[name])
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_PATIENCE)
        if process.poll() is None:
            process.kill()  # with bubblewrap, the kernel then kills all processes of the namespace
        process.wait()


#: the runners, the preferred runner first; podman counts as working if it is installed
RUNNERS = (
    Runner(name="bubblewrap", binary="bwrap", start=_bubblewrap, problem=_bubblewrap_problem),
    Runner(name="runc", binary="runc", start=_runc, problem=_runc_problem),
    Runner(name="podman", binary="podman", start=_podman, problem=lambda _: ""),
)
