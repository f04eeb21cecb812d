"""The rows of the documentation tables that list how an engine exports each field of a service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from infra_runtime.value import frozen

Outcome: TypeAlias = Literal["kept", "changed", "left out", "refused"]


@frozen
class Row:
    """A row about one field: its outcome, the corresponding attribute in the exported files, and a remark."""

    outcome: Outcome
    attribute: str = ""
    remark: str = ""


#: fields of `ServiceSpec` that only the local engine uses; no export contains them
LOCAL_FIELDS: Mapping[str, Row] = {
    "quiesce": Row(outcome="left out", remark="Only the local engine saves snapshots."),
    "in_snapshots": Row(outcome="left out", remark="Only the local engine has snapshots."),
    "ports_may_vary": Row(outcome="left out", remark="The ports are those of the stack file."),
    "copy_of": Row(
        outcome="left out",
        remark="A plan does not contain the copies of services that belong to single tests.",
    ),
    "sensitive": Row(
        outcome="left out", remark="The field lists names whose values `infra` masks in its output."
    ),
}

#: the keys of a user's own service in the stack file whose rows are the rows of `ServiceSpec` fields
FIELD_KEYS = (
    *("summary", "needs", "ready", "exports", "sensitive", "task", "watch"),
    *("start_timeout", "stop", "restart", "env"),
)

#: The rows of `CONTAINER_…` are equal in all engines for containers. They describe fields of `ServiceSpec`,
#: keys of the user's services, keys of services with an image, and references.
CONTAINER_FIELDS: Mapping[str, Row] = {
    "kind": Row(outcome="left out", remark="The kind determines the image when the plan is created."),
    "summary": Row(outcome="left out", remark="The summary is only a description of the service."),
    "image": Row(
        outcome="left out", remark="The field `container` contains the image as it is in the stack file."
    ),
    "env_defaults": Row(
        outcome="left out", remark="A container does not inherit the variables of the machine."
    ),
    "starts_on_connection": Row(outcome="left out", remark="A container runs from the start."),
    **LOCAL_FIELDS,
}
_CONTRIBUTION = Row(
    outcome="kept",
    attribute="the configuration of the service that consumes the contribution",
    remark="The planner adds the contribution to the spec of the service that consumes the contribution.",
)
CONTAINER_USER_KEYS: Mapping[str, Row] = {
    **dict.fromkeys(("metrics", "alert", "log"), _CONTRIBUTION),
    "telemetry": Row(outcome="left out", remark="The variables of the telemetry service are not exported."),
}
CONTAINER_IMAGE_KEYS: Mapping[str, Row] = {
    "image": Row(outcome="kept", attribute="`image`"),
    "digest": Row(outcome="left out", remark="The digest in `infra.lock` is not part of the exported image."),
    "network": Row(outcome="left out", remark="The services of the exported stack share a network."),
    "options": Row(outcome="refused", remark="The options belong to the container engine of this machine."),
}
_NO_SUPERVISOR = Row(outcome="refused", remark="A container has no supervisor.")
CONTAINER_REFERENCES: Mapping[str, Row] = {
    "${stack.project}": Row(outcome="refused", remark="The project's folder is not known in a container."),
    **dict.fromkeys(("${stack.run}", "${stack.token}", "${stack.data}"), _NO_SUPERVISOR),
}


def table(name_title: str, attribute_title: str, rows: Mapping[str, Row]) -> str:
    """Return rows as a Markdown table; `name_title` and `attribute_title` are the titles of two columns."""
    return "\n".join(
        [f"| {name_title} | outcome | {attribute_title} | |", "| --- | --- | --- | --- |", *_lines(rows), ""]
    )


def _lines(rows: Mapping[str, Row]) -> Iterable[str]:
    for name, row in rows.items():
        cells = (f"`{name}`", row.outcome, row.attribute, row.remark)
        yield f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in cells)}|"
