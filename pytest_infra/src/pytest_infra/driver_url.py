"""The type of the fixture `infra_url`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from infra_runtime.engines.local.stack import Endpoint

#: The type of the fixture `infra_url`, a function from endpoint and driver to URL.
UrlFor: TypeAlias = Callable[[Endpoint, str], str]
