"""The tests of an example pass in a copy of its folder.

`test_documents.py` tests the example `orders`, which consists of the blocks of the tutorial.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
#: seconds that the tests of an example may take
TIMEOUT = 300.0

pytest.importorskip("pika", reason="needs the extra `rabbitmq`")


@pytest.mark.real("postgres", "rabbitmq", "mail")
def test_the_tests_of_shop_events_pass(tmp_path: Path) -> None:
    project = tmp_path / "shop-events"
    shutil.copytree(
        EXAMPLES / project.name, project, ignore=shutil.ignore_patterns("__pycache__", ".*", "*.pyc")
    )
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "INFRA_ENV"))
    }

    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project, env=environ, capture_output=True, text=True, check=False, timeout=TIMEOUT,
    )  # fmt: skip

    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed" in result.stdout
    assert "0 processes, 0 ports, 0 sockets left" in result.stdout
