"""The JSON document of a stack, from which `launcher` starts each service without a supervisor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from infra_runtime.engines.output import mark
from infra_runtime.engines.references import ALL_ADDRESSES, setting_key
from infra_runtime.errors import ConfigurationError
from infra_runtime.manifest import DEPLOYED
from infra_runtime.plan import Plan
from infra_runtime.spec import ServiceSpec, decode_service, encode, map_texts, references_in
from infra_runtime.spec.references import substitute_some
from infra_runtime.value import frozen

#: the name of the file with the document
FILE = "stack.json"
#: the references that have a value only in a stack with a supervisor
OF_THE_SUPERVISOR = frozenset({"stack.data", "stack.logs", "stack.token"})


@frozen
class Document:
    """The services of a plan, and the values of one machine for their references."""

    environment: str
    root: str
    #: NAME → path, for references `${bin.NAME}`
    binaries: Mapping[str, str]
    #: service → its spec
    services: Mapping[str, ServiceSpec]

    def text(self, engine: str) -> str:
        """Return the document as JSON, from which `read` creates the document again."""
        data = {
            "": mark(engine),
            "environment": self.environment,
            "root": self.root,
            "binaries": dict(sorted(self.binaries.items())),
            "services": [encode(spec) for spec in self.services.values()],
        }
        return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def read(text: str) -> Document:
    """Return the document in a JSON text.

    Raises `ValueError`, `KeyError` or `TypeError` if the text is not a document.
    """
    data: Mapping[str, Any] = json.loads(text)
    specs = [decode_service(spec) for spec in data["services"]]
    return Document(
        environment=data["environment"],
        root=data["root"],
        binaries=data["binaries"],
        services={spec.name: spec for spec in specs},
    )


def document(plan: Plan, binaries: Mapping[str, str]) -> Document:
    """Return the document of a plan; `binaries` is a mapping from the name of an executable to its path.

    Raises:
        ConfigurationError: the environment has no fixed ports, or a service needs the supervisor; the
            location is then the dotted key of the setting.
    """
    if plan.ports == "leased":
        raise ConfigurationError(
            f"the environment {plan.environment!r} has no fixed ports, which other process managers need",
            hint="Export the environment development, staging or production with --env.",
        )
    return Document(
        environment=plan.environment,
        root=plan.root,
        binaries=binaries,
        services={spec.name: _service(spec, plan.environment) for spec in plan.services},
    )


def _service(spec: ServiceSpec, environment: str) -> ServiceSpec:
    if spec.image:
        raise ConfigurationError(
            f"{spec.name} runs in a container, and only the supervisor removes the containers of a service",
            where=setting_key(spec.name, "image"),
            hint=f"Export the stack without {spec.name}, or export it with `infra export compose`.",
        )
    for field in ("command", "env"):
        reference_names = {*references_in(getattr(spec, field))}
        for name in sorted(reference_names & OF_THE_SUPERVISOR):
            raise ConfigurationError(
                f"{spec.name} refers to ${{{name}}}, which has a value only in a stack with a supervisor",
                where=setting_key(spec.name, field),
                hint=f"Remove the reference, or export the stack without {spec.name}.",
            )
    if environment in DEPLOYED and spec.container is not None and spec.container.public:
        public_host = {"host": ALL_ADDRESSES}
        spec = replace(
            spec,
            command=map_texts(spec.command, lambda text: substitute_some(text, public_host)),
            env=map_texts(spec.env, lambda text: substitute_some(text, public_host)),
            prepare=map_texts(spec.prepare, lambda text: substitute_some(text, public_host)),
        )
    return replace(spec, container=None, starts_on_connection=False, watch=())
