"""The envelope: the JSON format of a message with id, time, type, tenant, payload and metadata."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Metadata(BaseModel):
    """The origin of a message: the program that published it, and the request that caused it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    #: the program that has published the message
    source: str = ""
    #: the id of the request that caused the message; all messages of one request have this id
    correlation_id: str = ""


class Envelope(BaseModel):
    """A message as JSON: `{message_id, timestamp, type, tenant_id, payload, metadata}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    message_id: str = Field(default_factory=lambda: str(uuid.uuid4()), min_length=1, max_length=255)
    timestamp: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    #: the type of the message, such as `email.welcome`, which is also the default routing key
    type: str = Field(min_length=1, max_length=255)
    tenant_id: str = ""
    payload: Mapping[str, Any] = {}
    metadata: Metadata = Metadata()

    def encoded(self) -> bytes:
        """Return the body of a message with this envelope.

        `decoded` converts the body to the envelope again.
        """
        return self.model_dump_json().encode()

    @classmethod
    def decoded(cls, body: bytes) -> Envelope:
        """Return the envelope in the body of a message. Raises `ValueError` if it is not an envelope."""
        return cls.model_validate_json(body)
