"""Sentences that state what to do about a finding.

All findings of the level info have the same sentence. For other levels, `_OF_RULE` contains sentences for
single rules; for all other rules, the effect, the direction and the level select a sentence.
"""

from __future__ import annotations

from infra_openapi import facts
from infra_openapi.finding import Direction, Level
from infra_openapi.rules.rule import Effect, Rule

REQUEST, RESPONSE, NONE = Direction.REQUEST, Direction.RESPONSE, Direction.NONE

_NEW_VERSION = "or publish the change as a new version of the API"
_OPTIONAL = f"Keep {{subject}} optional and use a default for a missing value, {_NEW_VERSION}."
_KEEP = f"Keep {{subject}} and mark it as deprecated, {_NEW_VERSION}."
_KEEP_OPERATION = f"Keep the operation, mark it as deprecated with a date in `x-sunset`, {_NEW_VERSION}."
_ACCEPT_VALUES = f"Continue to accept the {{values}}, {_NEW_VERSION}."
_RETURN_VALUES = (
    "Send the {values} only to clients that request them, or use the preset `lenient-enums` if your "
    f"clients handle unknown values, {_NEW_VERSION}."
)
_SAME_DISCRIMINATOR = f"Restore the discriminator, {_NEW_VERSION}."
_EXCLUSIVE = "Use `anyOf`, or add a required property with a different constant to each alternative."

#: The id of a rule → the sentence; the placeholders are the placeholders of `Rule.message`.
_OF_RULE: dict[str, str] = {
    **{
        kind.undirected: _KEEP_OPERATION
        for kind in (facts.OPERATION_REMOVED, facts.OPERATION_REMOVED_DEPRECATED)
    },
    facts.OPERATION_REMOVED_BEFORE_SUNSET.undirected: "Keep the operation until its sunset date has passed.",
    facts.SERVER_REMOVED.undirected: "Keep the old address, or redirect its requests to the new address.",
    facts.SECURITY_ADDED.undirected: f"Continue to accept requests without credentials, {_NEW_VERSION}.",
    facts.SECURITY_SCOPE_ADDED.undirected: f"Accept tokens without the new scope, {_NEW_VERSION}.",
    facts.PARAMETER_ADDED_REQUIRED.request: f"Make the parameter optional, {_NEW_VERSION}.",
    facts.PARAMETER_BECAME_REQUIRED.request: f"Keep the parameter optional, {_NEW_VERSION}.",
    facts.PARAMETER_REMOVED.request: (
        "Deprecate the parameter before its removal, and ignore it on the server afterwards."
    ),
    facts.BODY_ADDED_REQUIRED.request: f"Make the body optional, {_NEW_VERSION}.",
    facts.BODY_BECAME_REQUIRED.request: f"Keep the body optional, {_NEW_VERSION}.",
    facts.MEDIA_TYPE_REMOVED.request: f"Continue to accept the media type {{before}}, {_NEW_VERSION}.",
    facts.MEDIA_TYPE_REMOVED.response: f"Continue to offer the media type {{before}}, {_NEW_VERSION}.",
    facts.SUCCESS_STATUS_REMOVED.response: f"Continue to return the status {{before}}, {_NEW_VERSION}.",
    facts.REQUIRED_HEADER_REMOVED.response: f"Continue to send the header, {_NEW_VERSION}.",
    facts.HEADER_REMOVED.response: (
        "Check whether clients read the header, and deprecate it before its removal."
    ),
    facts.PROPERTY_ADDED_REQUIRED.request: _OPTIONAL,
    facts.PROPERTY_BECAME_REQUIRED.request: _OPTIONAL,
    facts.REQUIRED_PROPERTY_BECAME_NOT_READ_ONLY.request: _OPTIONAL,
    facts.PROPERTY_REMOVED.request: (
        "Deprecate {subject} before its removal, and ignore it on the server afterwards."
    ),
    facts.REQUIRED_PROPERTY_REMOVED.request: "Ignore {subject} on the server instead of rejecting it.",
    facts.PROPERTY_REMOVED_FROM_CLOSED.request: "Keep {subject} in the schema and ignore it on the server.",
    facts.PROPERTY_REMOVED.response: (
        "Check whether clients read {subject}, and deprecate it before its removal."
    ),
    facts.REQUIRED_PROPERTY_REMOVED.response: _KEEP,
    facts.PROPERTY_BECAME_OPTIONAL.response: f"Always send {{subject}}, {_NEW_VERSION}.",
    facts.BECAME_NULLABLE.response: f"Send a value instead of `null`, {_NEW_VERSION}.",
    facts.BECAME_NOT_NULLABLE.request: f"Continue to accept `null`, {_NEW_VERSION}.",
    facts.PROPERTY_ADDED_TO_CLOSED.response: (
        f"Allow undeclared properties first, so that clients can prepare, {_NEW_VERSION}."
    ),
    facts.ENUM_VALUE_REMOVED.request: _ACCEPT_VALUES,
    facts.ENUM_VALUE_ADDED.response: _RETURN_VALUES,
    **dict.fromkeys(
        (
            facts.UNION_BRANCH_ADDED.response,
            facts.UNION_BRANCH_REPLACED.response,
            facts.NEW_ALTERNATIVE.response,
        ),
        f"Send the alternative only to clients that request it, {_NEW_VERSION}.",
    ),
    facts.UNION_BRANCH_REMOVED.request: f"Continue to accept the alternative {{subject}}, {_NEW_VERSION}.",
    **{
        kind.rule(direction): _SAME_DISCRIMINATOR
        for kind in (
            facts.DISCRIMINATOR_PROPERTY_CHANGED,
            facts.DISCRIMINATOR_MAPPING_CHANGED,
            facts.DISCRIMINATOR_MAPPING_REMOVED,
        )
        for direction in (REQUEST, RESPONSE)
    },
    **{
        kind.request: _EXCLUSIVE
        for kind in (
            facts.UNION_OVERLAP_ADDED,
            facts.UNION_OVERLAP_ADDED_FOR_SOME,
            facts.UNION_BECAME_EXCLUSIVE,
            facts.UNION_BECAME_EXCLUSIVE_FOR_SOME,
        )
    },
}
_OF_DIRECTION = {
    REQUEST: f"Continue to accept every request that was valid before, {_NEW_VERSION}.",
    RESPONSE: f"Send only values that were valid before, {_NEW_VERSION}.",
    NONE: f"Keep the parts of the API that existing clients use, {_NEW_VERSION}.",
}
_COMPARE = "Compare both documents at this location, and accept the finding if clients are not affected."
_CHECK = "Check whether clients depend on the old behaviour, and accept the finding if no client does."
_NO_ACTION = "No action is necessary: existing clients are not affected."


def advice(rule: Rule, level: Level) -> str:
    """Return a sentence that states what to do about a finding of a rule and level.

    The sentence can contain the placeholders of `Rule.message`, such as `{subject}`.
    """
    if level is Level.INFO:
        return _NO_ACTION
    if rule.id in _OF_RULE:
        return _OF_RULE[rule.id]
    if rule.effect is Effect.UNDECIDED:
        return _COMPARE
    return _OF_DIRECTION[rule.direction] if level is Level.BREAKING else _CHECK
