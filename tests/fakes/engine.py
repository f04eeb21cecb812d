"""An engine without processes: it binds a service's texts to names that one can read."""

from __future__ import annotations

import json
from typing import Any

from infra_runtime.catalogue import entry
from infra_runtime.spec import ServiceSpec, WriteFile, substitute


def made(name: str, **settings: Any) -> ServiceSpec:
    """The catalogue's service with these settings."""
    found = entry(name)
    return found.make(found.settings.model_validate(settings), ())


def written(spec: ServiceSpec) -> Any:
    """The JSON of the one configuration file that the service gets."""
    (file,) = (step for step in spec.prepare if isinstance(step, WriteFile))
    assert file.json
    return json.loads(file.text)


def options(spec: ServiceSpec) -> dict[str, str]:
    """`-c name=value` and `--name value` of the command."""
    words = list(spec.command[1:])
    found = {}
    while words:
        word = words.pop(0)
        if word == "-c":
            name, _, value = words.pop(0).partition("=")
        elif "=" in word:
            name, _, value = word.partition("=")
        else:
            name, value = word, words.pop(0) if words else ""
        found[name.lstrip("-")] = value
    return found


def bound(text: str) -> str:
    """The text with each reference in angle brackets."""
    return substitute(text, lambda reference: f"<{reference}>")
