"""The command `infra export kubernetes`, which writes the stack for `kubectl apply -k`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra_cli import exports
from infra_cli.exports import Export, export_options
from infra_cli.target import Target, target_in
from infra_runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from infra_runtime.config.resolve import Resolved
    from infra_runtime.engines.kubernetes import Kubernetes

FOLDER = "kubernetes"


@click.command(short_help="Write the stack for a Kubernetes cluster.")
@click.option("--namespace", default="", help="The namespace. [default: the name of the project]")
@click.option(
    "--registry",
    default="",
    help="The beginning of the names of the images that you build. [default: the name of the project]",
)
@click.option("--tag", default="latest", show_default=True, help="The tag of the images that you build.")
@click.option("--host", default="", help="The host name of the Ingress, besides the hosts of the routes.")
@click.option("--email", default="", help="Your e-mail address for the certificate authority.")
@click.option(
    "--secrets",
    type=click.Choice(["manual", "sealed"]),
    default="manual",
    show_default=True,
    help="With `manual`, you create the Secrets of staging and production. With `sealed`, the command writes "
    "sealed secrets.",
)
@click.option(
    "--certificate",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The certificate of the controller that decrypts sealed secrets, a file in the format PEM.",
)
@export_options(FOLDER)
@target_in("The environment to export. [default: development, staging and production]")
def command(
    target: Target, export: Export, *, secrets: str, certificate: Path | None, **options: Any
) -> None:
    """Write the stack as a Kustomize base and overlays for a Kubernetes cluster.

    The folder `base` contains the resources that all environments share. `overlays/ENVIRONMENT` contains the
    changes of the environments development, staging and production; with --env, the command writes `base`,
    the overlay of this environment and the overlays that the folder already has. No secret is written outside
    of development: create the Secret that the command names, or use --secrets sealed, which writes encrypted
    values only. A setting that a cluster cannot have, such as a path of this machine, is an error with the
    line of the stack file.

    \b
    Examples:
      infra export kubernetes --registry registry.example/shop --tag 1.4.2
      kubectl apply --server-side -k kubernetes/overlays/production
      infra export kubernetes --secrets sealed --certificate controller.pem
      infra export kubernetes --check          in CI: check whether the committed files are up to date
    """
    if certificate and secrets != "sealed":
        raise click.UsageError("--certificate is only used with --secrets sealed.")
    from infra_runtime.engines.kubernetes import Kubernetes
    from infra_runtime.engines.kubernetes.cluster import ENVIRONMENTS
    from infra_runtime.engines.kubernetes.engine import KUSTOMIZATION
    from infra_runtime.engines.output import SECRETS
    from infra_runtime.engines.project import project_name

    stacks = exports.resolve_environments(target, export, ENVIRONMENTS)
    root = Path(stacks[0].plan.root)
    folder = export.target_folder(root, FOLDER)
    selected = {stack.environment for stack in stacks}
    if target.environment in ENVIRONMENTS:
        # All overlays of a folder have the same base, so they are written together.
        stacks = [
            stack
            for name in ENVIRONMENTS
            if name in selected or (folder / "overlays" / name / KUSTOMIZATION).is_file()
            for stack in exports.resolve_environments(target.within(name), export, ())
        ]
    engine = Kubernetes(project=project_name(root), **options)
    plans = [resolved.plan for resolved in stacks]
    with exports.checked(stacks):
        if secrets == "sealed":
            engine = _sealed(engine, stacks, selected, folder, certificate)
        else:
            other_environments = [stack.environment for stack in stacks if stack.environment not in selected]
            engine = _with_existing_secrets(engine, other_environments, folder)
        files = engine.render_environments(plans)
    start_environment = target.environment or stacks[0].environment
    with_development = stacks[0].environment == "development"
    exports.write(
        engine.name,
        export,
        folder,
        files,
        secrets=engine.secrets(plans[0]) if with_development else (),
        secrets_folder=f"overlays/development/{SECRETS}",
        notes=engine.notes(plans),
        start=f"kubectl apply --server-side -k {exports.quoted(folder / 'overlays' / start_environment)}",
    )


def _sealed(
    engine: Kubernetes,
    stacks: Sequence[Resolved],
    selected: Collection[str],
    folder: Path,
    certificate: Path | None,
) -> Kubernetes:
    """Return a copy of the engine with the sealed secrets of staging and production.

    Sealed values in the files of an earlier export are not encrypted again. An environment that is not
    selected has sealed secrets only if an earlier export has written them.
    """
    from infra_runtime.engines.kubernetes import sealing
    from infra_runtime.engines.kubernetes.engine import SEALED

    if certificate is None:
        raise ConfigurationError(
            "sealed secrets need the certificate of the controller that decrypts them",
            where="--secrets sealed",
            hint="Add --certificate FILE; `kubeseal --fetch-cert` prints the certificate.",
        )
    key = sealing.read_certificate(certificate)
    sealed = {}
    for resolved in stacks:
        existing = sealing.read_sealed(folder / "overlays" / resolved.environment / SEALED)
        if resolved.environment != "development" and (existing or resolved.environment in selected):
            required = engine.required_secrets(resolved.plan)
            values = {f"{engine.stack_name()}-variables": resolved.variables}
            sealed[resolved.environment] = sealing.sealed_secrets(
                required, existing, values, key, engine.namespace_name()
            )
    return replace(engine, sealed=sealed)


def _with_existing_secrets(engine: Kubernetes, environments: Sequence[str], folder: Path) -> Kubernetes:
    """Return a copy of the engine with the sealed secrets that an earlier export has written, if any."""
    from infra_runtime.engines.kubernetes.engine import SEALED

    paths = {name: folder / "overlays" / name / SEALED for name in environments}
    if existing := {name: path for name, path in paths.items() if path.is_file()}:
        from infra_runtime.engines.kubernetes import sealing

        return replace(engine, sealed={name: sealing.read_sealed(path) for name, path in existing.items()})
    return engine
