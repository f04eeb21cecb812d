"""Functions that read the spec of a catalogue's service, without a process."""

from __future__ import annotations

import json
from typing import Any

from infra_runtime.catalogue import entry
from infra_runtime.spec import ServiceSpec, WriteFile, substitute


def spec_of(name: str, **settings: Any) -> ServiceSpec:
    """Return the spec of a service of this kind, with these settings."""
    kind = entry(name)
    return kind.make(kind.settings.model_validate(settings), ())


def configuration_of(spec: ServiceSpec) -> Any:
    """Return the content of the service's first file, which is its configuration as JSON."""
    file = next(step for step in spec.prepare if isinstance(step, WriteFile))
    assert file.json
    return json.loads(file.text)


def options(spec: ServiceSpec) -> dict[str, str]:
    """Return a mapping from name to value of the options `-c name=value` and `--name value`."""
    words = list(spec.command[1:])
    values = {}
    while words:
        word = words.pop(0)
        if not word.startswith("-"):  # a subcommand or a configuration file
            continue
        if word == "-c":
            name, _, value = words.pop(0).partition("=")
        elif "=" in word:
            name, _, value = word.partition("=")
        else:
            name, value = word, words.pop(0) if words else ""
        values[name.lstrip("-")] = value
    return values


def bound(text: str) -> str:
    """Return the text with each reference in angle brackets."""
    return substitute(text, lambda reference: f"<{reference}>")
