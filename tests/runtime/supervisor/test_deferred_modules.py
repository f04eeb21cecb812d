"""Modules that a supervisor does not import at its start are imported at their first use."""

from __future__ import annotations

import hashlib
import subprocess

import pytest

from infra_runtime.data_directory.paths import Paths
from infra_runtime.supervisor.argv import command

pytestmark = pytest.mark.process
DEFERRED = {
    *("inspect", "locale", "linecache", "traceback", "concurrent.futures", "logging", "hashlib"),
    *("asyncio.sslproto", "asyncio.staggered"),
}
#: what else these modules would import
BEHIND = {"ast", "dis", "string", "textwrap", "tokenize"}


def in_a_supervisor(data: str, code: str) -> str:
    """Run code in a process with the modules of a supervisor, after its imports; return the output."""
    argv = command(Paths(data), "test")
    imports = "import asyncio, sys, infra_runtime.supervisor.lifetime"
    argv[4] = argv[4].replace("sys.exit(main())", f"{imports}\n{code}")
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_the_start_of_a_supervisor_imports_no_deferred_module(tmp_path) -> None:
    code = "async def main(): asyncio.get_running_loop().add_signal_handler(15, print)\n"
    code += (
        f"asyncio.run(main())\nprint(*[name for name in {DEFERRED!r} if vars(sys.modules[name])['__spec__']])"
    )
    code += f"\nprint(*{BEHIND!r}.intersection(sys.modules))"

    assert in_a_supervisor(str(tmp_path), code).split() == []


def test_a_deferred_module_has_the_attributes_of_the_module(tmp_path) -> None:
    code = """
import concurrent.futures, inspect, locale, traceback
assert concurrent.futures.ThreadPoolExecutor().submit(int, '7').result() == 7
assert inspect.isfunction(lambda: 0) and locale.getlocale
try:
    raise ValueError('no pets')
except ValueError:
    print(traceback.format_exc())
try:
    inspect.missing
except AttributeError:
    print('missing')
"""
    lines = in_a_supervisor(str(tmp_path), code).split("\n")

    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2] == "missing"
    assert "ValueError: no pets" in lines


def test_asyncio_writes_its_messages_with_the_module_logging(tmp_path) -> None:
    code = """
import logging
logging.basicConfig(stream=sys.stdout, format='%(name)s: %(message)s')
async def main():
    asyncio.get_running_loop().call_exception_handler({'message': 'no pets'})
asyncio.run(main())
"""
    assert in_a_supervisor(str(tmp_path), code) == "asyncio: no pets\n"


def test_the_hashes_without_openssl_are_the_hashes_of_hashlib(tmp_path) -> None:
    code = "import hashlib\nprint(hashlib.sha256(b'pets').hexdigest(), hashlib.md5(b'pets').hexdigest())"

    expected = [hashlib.sha256(b"pets").hexdigest(), hashlib.md5(b"pets").hexdigest()]
    assert in_a_supervisor(str(tmp_path), code).split() == expected


def test_an_exception_in_a_callback_is_printed_with_its_traceback(tmp_path) -> None:
    code = """
async def main():
    def handle(loop, context):
        loop.default_exception_handler(context)
        print('handled')
    asyncio.get_running_loop().set_exception_handler(handle)
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0.01)
asyncio.run(main())
"""
    assert in_a_supervisor(str(tmp_path), code) == "handled\n"


def test_a_coroutine_function_is_refused_as_the_handler_of_a_signal(tmp_path) -> None:
    code = """
class Handler:
    async def method(self): ...
async def main():
    for handler in (main, Handler().method):
        try:
            asyncio.get_running_loop().add_signal_handler(15, handler)
        except TypeError:
            print('refused')
asyncio.run(main())
"""
    assert in_a_supervisor(str(tmp_path), code) == "refused\nrefused\n"
