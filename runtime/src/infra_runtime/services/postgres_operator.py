"""PostgreSQL that the operator CloudNativePG runs in a cluster of Kubernetes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal

from infra_runtime.services import postgres_extensions
from infra_runtime.services.operator_settings import OperatorSettings
from infra_runtime.spec import Operator

_IMAGE = "ghcr.io/cloudnative-pg/postgresql:{version}-standard-bookworm"


class PostgresOperator(OperatorSettings):
    name: Literal["cloudnative-pg"]


def operator(
    table: PostgresOperator,
    *,
    version: int,
    locale: str,
    has_locale: bool,
    extensions: Sequence[str],
    options: Mapping[str, str],
) -> Operator:
    """Return the settings of the operator: a database `app` of the user `app`, who is not a superuser.

    `has_locale` is true if PostgreSQL 17 and later versions contain the locale (the provider `builtin`).

    Source: CloudNativePG documentation, "API Reference", "Bootstrap", "Service Management", "Networking" and
    "Connecting from an application"; the variant `standard` of its images contains pgvector and pgAudit.
    """
    parameters = {"jit": "off", **options}
    libraries = parameters.pop("shared_preload_libraries", "").split(",")
    database = {"database": "app", "owner": "app", "encoding": "UTF8"}
    if not has_locale:
        database |= {"localeCollate": locale, "localeCType": locale}
    elif version >= 17:
        database |= {"localeProvider": "builtin", "builtinLocale": locale}
    statements = [f'CREATE EXTENSION IF NOT EXISTS "{name}" CASCADE' for name in extensions]
    missing_extensions = sorted({*extensions} - postgres_extensions.CONTRIB - {"vector", "pgaudit"})
    fields = {
        "imageName": table.image or _IMAGE.format(version=version),
        "storage": {"size": table.storage},
        "bootstrap": {"initdb": {**database, "postInitApplicationSQL": statements}},
        "postgresql": {
            "parameters": parameters,
            "shared_preload_libraries": [*filter(None, map(str.strip, libraries))],
        },
    }
    return Operator(
        name=table.name,
        version="postgresql.cnpg.io/v1",
        kind="Cluster",
        fields=json.dumps(fields),
        members="instances",
        instances=table.instances or 0,
        spread=True,
        service="-rw",
        secret="-app",  # noqa: S106 - the end of a name
        label="cnpg.io/cluster",
        manager={"app.kubernetes.io/name": "cloudnative-pg"},
        ports=(8000, 5432),
        exports={
            "url": "postgresql://app:${secret.password}@${host}:${port.client}/app",
            "user": "app",
            "database": "app",
        },
        problem=f"the image of the operator does not have the extension {missing_extensions[0]!r};"
        " set `image` in"
        " `operator` to an image that has this extension"
        if missing_extensions and not table.image
        else "",
    )
