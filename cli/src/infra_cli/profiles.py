"""The names of the profiles that are part of pytest-infra, for the help of the option `--profile`."""

from __future__ import annotations

from infra_runtime import manifest

#: the names in one string: "`minimal`, …, `full`, `everything`"
PROFILES = ", ".join(f"`{name}`" for name in (*manifest.PROFILES, manifest.FULL, manifest.EVERYTHING))
