"""Two users on one machine: a client never sends anything to a process of another user, except as root."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.stacks import alive, until
from fakes.users import ALICE, MALLORY, run_as, start_as
from infra_runtime.data_directory.paths import Paths
from infra_runtime.engines.local.engine import attach
from infra_runtime.errors import DataDirectoryError, NoStackError
from infra_runtime.host import processes

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can run processes as other users"),
]

#: Listens on the socket `arguments[0]`, prints `ready`, and at the end of its input what clients have sent.
LISTEN = """
path = arguments[0]
Path(path).parent.mkdir(parents=True, exist_ok=True)
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
{after_bind}
listener.listen()
os.chmod(path, 0o777)
print("ready", flush=True)
sys.stdin.read()
listener.setblocking(False)
received = b""
while True:
    try:
        connection, _ = listener.accept()
    except BlockingIOError:
        break
    connection.setblocking(False)
    try:
        received += connection.recv(1 << 20)
    except BlockingIOError:
        pass
print(received)
"""
#: Connects to `arguments[0]`, or starts a supervisor in it; prints the error.
CONNECT = """
try:
    connect_or_launch(Paths(arguments[0]), "test") if arguments[1:] else Client.connect(Paths(arguments[0]))
    print("connected")
except InfraError as error:
    print(type(error).__name__, error, error.hint)
"""


@pytest.fixture
def shared(short: Path) -> Path:
    """A folder like `/tmp`."""
    short.chmod(0o1777)
    return short


@pytest.fixture
def home(shared: Path) -> Path:
    """A folder of Alice with her data directory in it."""
    home = shared / "alice"
    for folder in (home, home / "data"):
        folder.mkdir(mode=0o700)
        os.chown(folder, ALICE, ALICE)
    return home


def received(listener: subprocess.Popen[str]) -> str:
    output, errors = listener.communicate(timeout=120)
    assert listener.returncode == 0, errors
    return output.strip()


def wait_until_ready(listener: subprocess.Popen[str]) -> None:
    assert listener.stdout is not None
    assert listener.stdout.readline() == "ready\n", listener.communicate()


#: Records the socket `arguments[1]` as that of a running supervisor of the data directory `arguments[0]`.
RECORD = """
make_data_directory(Paths(arguments[0]), "test")
recorded = Paths(arguments[0])
recorded.control = arguments[1]
control_file.write(recorded)
text = Path(recorded.control_file).read_text()
Path(recorded.control_file).write_text(json.dumps({**json.loads(text), "pid": 1, "started": arguments[2]}))
"""


def socket_in(run: Path, home: Path) -> Path:
    """Return the path of the control socket of Alice's stack, in a folder for sockets."""
    return run / Paths(str(home / "data")).stack / ".control"


def record(data: Path, path: Path) -> None:
    run_as(ALICE, RECORD, data, path, processes.started(1))


@pytest.mark.parametrize("launch", [(), ("launch",)], ids=["connect", "launch"])
def test_nothing_is_sent_to_a_socket_in_a_folder_of_another_user(shared, home, launch) -> None:
    path = socket_in(shared / "run", home)
    record(home / "data", path)
    with start_as(MALLORY, "become()\n" + LISTEN.format(after_bind=""), path) as listener:
        wait_until_ready(listener)

        error = run_as(ALICE, CONNECT, home / "data", *launch)

        assert received(listener) == "b''"
    assert (
        f"SupervisorError the control socket is not trusted: {shared}/run: belongs to uid {MALLORY}" in error
    )
    assert "No request was sent" in error


def test_nothing_is_sent_to_a_process_of_another_user_that_listens_on_the_control_socket(
    shared, home
) -> None:
    path = socket_in(home / "run", home)
    record(home / "data", path)
    own = f"for item in (path, str(Path(path).parent)): os.chown(item, {ALICE}, {ALICE})\nbecome()"
    code = LISTEN.format(after_bind=own).replace("os.chmod(path, 0o777)\n", "")
    with start_as(MALLORY, code, path) as listener:
        wait_until_ready(listener)

        error = run_as(ALICE, CONNECT, home / "data")

        assert received(listener) == "b''"
    assert f"{path}: a process of uid {MALLORY} listens on this socket" in error


def test_the_runtime_folder_that_another_user_created_is_refused(shared, home) -> None:
    run_as(MALLORY, "os.mkdir(arguments[0], 0o777)", shared / "run")
    code = f"os.environ['INFRA_RUNTIME_DIR'] = {str(shared / 'run')!r}\n"

    error = run_as(ALICE, code + CONNECT, home / "data", "launch")

    assert f"ConfigurationError INFRA_RUNTIME_DIR: {shared}/run: belongs to " in error
    assert "to a folder that only you can change" in error


def test_an_old_record_whose_socket_another_user_has_replaced_is_not_a_stack(shared, home) -> None:
    path = socket_in(shared / "run", home)
    run_as(ALICE, RECORD, home / "data", path, "an earlier start")
    with start_as(MALLORY, "become()\n" + LISTEN.format(after_bind=""), path) as listener:
        wait_until_ready(listener)

        error = run_as(ALICE, CONNECT, home / "data")

        assert received(listener) == "b''"
    assert "NoStackError" in error


def test_a_data_directory_of_another_user_is_an_error_that_names_its_owner(home) -> None:
    home.chmod(0o755)
    (home / "data").chmod(0o755)

    for launch in ((), ("launch",)):
        error = run_as(MALLORY, CONNECT, home / "data", *launch)

        assert f"DataDirectoryError {home}/data: belongs to uid {ALICE}" in error
        assert f"this process runs as uid {MALLORY}" in error


# --- a stack of one user, and root -----------------------------------------------------------------

#: Starts a supervisor in `arguments[0]`, with its sockets in `arguments[1]`, that runs until it is stopped.
START = """
os.environ["INFRA_RUNTIME_DIR"] = arguments[1]
client = connect_or_launch(Paths(arguments[0]), "test")
client.call(STAY, Stay(on=True))
print(client.call(STATUS, Nothing()).pid)
"""


@pytest.fixture
def stack_of_alice(home: Path) -> Iterator[Path]:
    """The data directory of a running stack of Alice."""
    run_as(ALICE, START, home / "data", home / "run")
    yield home / "data"
    with contextlib.suppress(NoStackError):
        attach(home / "data", lease=False).down()
    until(lambda: not alive(home / "data"))


def test_root_finds_and_stops_the_stack_of_the_data_directorys_owner(stack_of_alice) -> None:
    with attach(stack_of_alice, lease=False) as stack:
        assert os.stat(f"/proc/{stack.status().pid}").st_uid == ALICE  # noqa: PTH116

        stack.down()

    with pytest.raises(NoStackError):
        attach(stack_of_alice, lease=False)


def test_root_does_not_use_a_record_that_a_third_user_has_written(stack_of_alice) -> None:
    os.chown(stack_of_alice / "control.json", MALLORY, MALLORY)
    try:
        with pytest.raises(DataDirectoryError, match=f"control.json: belongs to uid {MALLORY}"):
            attach(stack_of_alice, lease=False)
    finally:
        os.chown(stack_of_alice / "control.json", ALICE, ALICE)


def test_another_user_cannot_reach_the_stack(stack_of_alice) -> None:
    """Also when every folder can be entered."""
    recorded = (stack_of_alice.parent / "run").glob("*/.control")
    for folder in (stack_of_alice.parent, stack_of_alice):
        folder.chmod(0o755)

    assert "belongs to uid" in run_as(MALLORY, CONNECT, stack_of_alice)
    [path] = recorded
    for folder in (path.parent, path.parent.parent):
        folder.chmod(0o755)
    code = "client = socket.socket(socket.AF_UNIX)\nprint(client.connect_ex(arguments[0]) == errno.EACCES)"
    assert run_as(MALLORY, code, path) == "True"


def test_the_supervisor_closes_the_connection_of_another_user_without_an_answer(stack_of_alice) -> None:
    """Also when the modes of all folders and of the socket let the user connect."""
    [path] = (stack_of_alice.parent / "run").glob("*/.control")
    for item in (stack_of_alice.parent, path.parent.parent, path.parent, path):
        item.chmod(0o777)
    code = "client = socket.socket(socket.AF_UNIX)\nclient.connect(arguments[0])\n"
    code += 'try:\n    client.sendall(b\'{"id": 1, "method": "endpoints"}\\n\')\nexcept OSError: pass\n'
    code += "try:\n    print(client.recv(1000))\nexcept ConnectionError: print(b'')"

    answer = run_as(MALLORY, code, path)

    for item in (stack_of_alice.parent, path.parent.parent, path.parent, path):
        item.chmod(0o700)
    assert answer == "b''"
