"""Write a constraints file that pins each of our direct dependencies to its lower bound.

pip alone has no such resolution; everything that our dependencies need in turn stays as new as they admit.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

BOUND = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*>=\s*([^,;\s]+)")


def constraints(project: Path) -> list[str]:
    """`name==bound` for every requirement with a lower bound, extras included."""
    table = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    groups = [table["dependencies"], *table["optional-dependencies"].values()]
    found = (BOUND.match(requirement) for group in groups for requirement in group)
    return sorted({f"{match[1]}=={match[2]}" for match in found if match})


if __name__ == "__main__":
    root = Path(__file__).resolve().parent.parent
    Path(sys.argv[1]).write_text("\n".join(constraints(root / "pyproject.toml")) + "\n", encoding="utf-8")
