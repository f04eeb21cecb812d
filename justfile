# The phone book: every line can be typed by hand. CI is tox.

# this list
default:
    @just --list

# an environment to work in, in .venv
setup:
    python -m venv .venv
    .venv/bin/python -m pip install --constraint .ci/lock.txt --editable '.[dev]'

# the tests, quickly: `just test tests/runtime -k probe`
test *args:
    python -m pytest -n 2 {{args}}

# one real server's tests: `just real postgres`
real service:
    python -m pytest tests/runtime/services/test_{{service}}.py

# what the linters and the type checkers say
check:
    ruff check
    ruff format --check
    mypy
    pyright

# put the code into shape
fix:
    ruff check --fix
    ruff format

# the stack of this folder
up *services:
    infra runtime up {{services}}

# the examples and their tests
example:
    cd examples/orders && python -m pytest
    cd examples/shop-events && python -m pytest

# the benchmarks, all or some: `just bench cold_start --rounds 5`
bench *args:
    python -m benchmarks {{args}}

# everything that CI does, as CI does it
ci:
    bash .ci/run

# one part of it: `just tox full`
tox *envs:
    python -m tox run -e {{envs}}

# pin the newest releases of all dependencies
lock:
    python -m tox run -e lock
