"""The engine that writes a Procfile: one line for each service, for programs such as honcho.

Source: Heroku Dev Center, "The Procfile"; honcho documentation, "Using Procfiles".
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from typing import ClassVar

from infra_runtime.engines.machine.document import FILE, document
from infra_runtime.engines.machine.launch import MODULE
from infra_runtime.engines.output import first_line
from infra_runtime.plan import Plan
from infra_runtime.value import frozen

#: the name of the folder with the services' data in the folder of the Procfile
DATA = "data"


@frozen
class Procfile:
    """The engine that converts a plan to a Procfile. The class implements `Engine`."""

    name: ClassVar[str] = "procfile"
    #: the absolute path of the folder of the Procfile
    folder: str
    #: NAME → path, for references `${bin.NAME}`
    binaries: Mapping[str, str]
    #: the path of the Python interpreter that runs the launcher
    python: str = sys.executable

    def render(self, plan: Plan) -> Mapping[str, str]:
        """Return the Procfile and the document to which its lines refer, as a mapping from path to text.

        Raises:
            ConfigurationError: the environment has no fixed ports, or a service needs the supervisor; the
                location is then the dotted key of the setting.
        """
        stack = document(plan, self.binaries)
        lines = [f"{_process_name(name)}: {shlex.join((*self._command(), name))}" for name in stack.services]
        comment = first_line(self.name)
        return {
            "Procfile": comment + "".join(f"{line}\n" for line in lines),
            FILE: stack.text(self.name),
            ".gitignore": f"{comment}/{DATA}/\n/{FILE}\n/Procfile\n",
        }

    def _command(self) -> tuple[str, ...]:
        data = f"{self.folder}/{DATA}"
        return (self.python, "-I", "-m", MODULE, "run", "--data", data, f"{self.folder}/{FILE}")


def _process_name(service: str) -> str:
    """Return the name of a service's line: honcho accepts only letters, digits, `_` and `-` in names."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", service)
