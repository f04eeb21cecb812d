"""The type of the fixture `infra_url`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from infra_runtime.engines.local.stack import Endpoint

#: The type of the fixture `infra_url`: a function that returns the URL of an endpoint for a driver.
UrlFor: TypeAlias = Callable[[Endpoint, str], str]
