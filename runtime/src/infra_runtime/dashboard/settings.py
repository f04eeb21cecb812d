"""The settings of a stack: the value (secrets are masked) and the source of each setting.

A separate process reads a stack file that has changed, because the libraries for stack files need much
memory. `python -m infra_runtime.dashboard.settings ROOT DATA` prints the settings, or the error, as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from infra_runtime.config import plan_cache
from infra_runtime.config.request import Resolved, make_request
from infra_runtime.config.resolve import resolve
from infra_runtime.errors import ConfigurationError, InfraError, from_json

#: the time limit in seconds for reading a stack file
SECONDS = 60.0


def read(root: Path, data_directory: Path) -> dict[str, tuple[str, str]]:
    """Return a mapping from dotted key to value and source of each setting.

    Raises `InfraError` if the stack file is not valid.
    """
    request = make_request(directory=root, environment=os.environ.get("INFRA_ENV"), data=data_directory)
    if resolved := plan_cache.load(request, executables=False):
        return _settings(resolved, root)
    # The working directory is the project. With -P, its modules do not replace the modules of this program.
    command = [sys.executable, "-P", "-m", "infra_runtime.dashboard.settings", str(root), str(data_directory)]
    try:
        process = subprocess.run(
            command, cwd=root, text=True, capture_output=True, timeout=SECONDS, check=False
        )
        answer = json.loads(process.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(f"the settings cannot be read: {error}") from error
    if "error" in answer:
        raise from_json(answer["error"])
    return {key: (value, source) for key, (value, source) in answer["settings"].items()}


def _settings(resolved: Resolved, root: Path) -> dict[str, tuple[str, str]]:
    return {
        key: (origin.value, origin.source.removeprefix(f"{root}/"))
        for key, origin in resolved.provenance.items()
    }


def main() -> int:
    """Print the settings as JSON; arguments: the folder of the stack file, and the data directory."""
    root, data_directory = map(Path, sys.argv[1:])
    try:
        environment = os.environ.get("INFRA_ENV")
        resolved = resolve(directory=root, environment=environment, data=data_directory, executables=False)
    except InfraError as error:
        json.dump({"error": error.to_json()}, sys.stdout)
    else:
        json.dump({"settings": _settings(resolved, root)}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
