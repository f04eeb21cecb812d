"""The setting `operator` of kinds that an operator of a Kubernetes cluster can run."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from infra_runtime.services.user_service import Storage


class OperatorSettings(BaseModel):
    """The settings of every operator; the subclass for a kind adds `name`, the name of the operator."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: the number of servers in the cluster; by default, three in production and one in other environments
    instances: Annotated[int, Field(ge=1, le=99)] | None = None
    storage: Storage = "10Gi"
    image: str = ""


def named(value: Any) -> Any:
    """Return the setting as a table; a string becomes a table with this string as `name`."""
    return {"name": value} if isinstance(value, str) else value
