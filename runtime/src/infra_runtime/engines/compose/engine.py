"""The Compose engine: it converts plans to the text of Compose files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import ClassVar

from infra_runtime.engines.compose import dockerfile as images
from infra_runtime.engines.compose.model import (
    DOCKERFILE,
    Folders,
    generated_images,
    model,
    secret_names,
)
from infra_runtime.engines.compose.overlays import common, rest
from infra_runtime.engines.output import SECRETS, first_line
from infra_runtime.engines.references import LOOPBACK, container_of, host_name, stack_of
from infra_runtime.engines.yaml_text import Value, dump
from infra_runtime.errors import ConfigurationError
from infra_runtime.manifest import DEPLOYED
from infra_runtime.plan import Plan
from infra_runtime.value import frozen

#: the first line of every generated file; files without its mark are not overwritten, except with --force
FIRST_LINE = first_line("compose")


@frozen
class Compose:
    """The engine that converts plans to files for `docker compose`. The class implements `Engine`."""

    name: ClassVar[str] = "compose"
    #: the name of the Compose project, which is part of the names of containers and volumes
    project: str
    folders: Folders = field(default_factory=Folders)
    #: `requirements.txt` or `pyproject.toml`; empty if the project has no file from which packages can be
    #: installed
    requirements: str = ""

    def render(self, plan: Plan) -> Mapping[str, str]:
        """Return the files for one plan, `compose.yaml` and others, as a mapping from path to text."""
        return self.render_environments([plan])

    def render_environments(self, plans: Sequence[Plan]) -> Mapping[str, str]:
        """Return a mapping from relative path to text of the files for plans of several environments.

        `compose.yaml` contains the common part of all plans. For each plan, `compose.ENVIRONMENT.yaml`
        contains the values that are not common. If there is only one plan, `compose.yaml` contains the
        complete plan. Equal plans result in equal texts.

        Raises:
            ConfigurationError: a setting cannot be exported; the error contains its dotted key.
        """
        models = self._models(plans)
        base = common(list(models.values()))
        files = {"compose.yaml": _document(base, _omitted(plans))}
        if len(plans) > 1:
            files |= {
                f"compose.{environment}.yaml": _document(rest(complete, base), [])
                for environment, complete in models.items()
            }
        if any(generated_images(plan) for plan in plans):
            files[DOCKERFILE] = FIRST_LINE + self._dockerfile(plans)
            files[f"{DOCKERFILE}.dockerignore"] = FIRST_LINE + images.ignore_file(self.folders.output)
        # Compose reads variables from the file .env in the folder of the first Compose file.
        files[".gitignore"] = f"{FIRST_LINE}/{SECRETS}/\n/.env\n"
        return files

    def secrets(self, plans: Sequence[Plan]) -> list[str]:
        """Return the names of the secret files to which the exported Compose files refer."""
        return secret_names(self._models(plans).values())

    def notes(self, plans: Sequence[Plan]) -> list[str]:
        """Return remarks about the export for the user, in full sentences."""
        notes = [f"{name} is not exported: its kind has no container image." for name in _omitted(plans)]
        for plan in plans:
            stack = stack_of(plan)
            for spec in stack.services.values():
                container = container_of(spec)
                match = next(filter(None, map(LOOPBACK.search, container.command)), None)
                if match and not spec.kind:
                    notes.append(
                        f"{spec.name}: its command contains {match[0]}, which is the container itself."
                        " Use ${host} for the address at which other containers can reach the service."
                    )
            if plan.environment in DEPLOYED and not any(
                container_of(spec).public for spec in stack.services.values()
            ):
                notes.append(
                    f"No port is published in {plan.environment}: set `public = true` in the container table"
                    " of each service that clients outside the stack use."
                )
        return list(dict.fromkeys(notes))

    def _models(self, plans: Sequence[Plan]) -> dict[str, dict[str, Value]]:
        name = host_name(self.project)
        return {plan.environment: model(plan, name, self.folders) for plan in plans}

    def _dockerfile(self, plans: Sequence[Plan]) -> str:
        if not self.requirements:
            names = sorted({name for plan in plans for name in generated_images(plan)})
            raise ConfigurationError(
                f"{', '.join(names)} has no image, and a Dockerfile cannot be generated: the project has"
                " neither requirements.txt nor a pyproject.toml with the table [project] or [build-system]",
                where=f"services.{names[0]}",
                hint=f"In [services.{names[0]}.container], set `image`, or `build` and `dockerfile`.",
            )
        return images.dockerfile(self.requirements)


def _omitted(plans: Sequence[Plan]) -> list[str]:
    return sorted({name for plan in plans for name in stack_of(plan).omitted})


def _document(value: Mapping[str, Value], omitted: Sequence[str]) -> str:
    notes = "".join(f"# Not exported, because its kind has no container image: {name}\n" for name in omitted)
    return FIRST_LINE + notes + dump(value)
