# Short names for the usual development commands. Each command can also be run without `just`.

# print this list
default:
    @just --list

# create a virtual environment for development in .venv
setup:
    python -m venv .venv
    .venv/bin/python -m pip install --constraint .ci/lock.txt --editable '.[dev]'

# run the tests that this machine can run: `just test tests/runtime -k probe`
test *args:
    python -m pytest -n 2 {{args}}

# run the tests of one kind with its real server: `just real postgres`
real service:
    python -m pytest tests/runtime/services/test_{{service}}.py

# run the linters and the type checkers
check:
    ruff check
    ruff format --check
    mypy
    pyright

# repair the findings that the linters can repair, and format the code
fix:
    ruff check --fix
    ruff format

# start the stack of this folder
up *services:
    infra runtime up {{services}}

# run the tests of the examples
example:
    cd examples/orders && python -m pytest
    cd examples/shop-events && python -m pytest

# run all benchmarks, or some of them: `just bench cold_start --rounds 5`
bench *args:
    python -m benchmarks {{args}}

# run the script of CI
ci:
    bash .ci/run

# run some environments of tox: `just tox full`
tox *envs:
    python -m tox run -e {{envs}}

# pin the newest releases of all dependencies
lock:
    python -m tox run -e lock
