"""The names of the profiles that are part of pytest-infra, for the help of the option `--profile`."""

from __future__ import annotations

from infra_runtime import manifest

#: such as "`minimal`, `full`"
PROFILES = ", ".join(f"`{name}`" for name in (*manifest.PROFILES, manifest.FULL, manifest.EVERYTHING))
