"""Every kind of fact, with the ids of its rules. A fact is one difference between two documents.

Only this module contains rule ids. To find the code that reports a finding, search this module for the id of
its rule: the id belongs to a constant. Then search for the constant: the code in `api/`, `schema/` or
`comparison` adds the fact, and the row in `rules/` defines the rule. Rule ids are public and do not change.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra_openapi.finding import Direction


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FactKind:
    """A kind of fact, with the ids of the rules for requests and for responses; an id may be empty.

    `undirected` is the id of the rule for a fact that is about neither requests nor responses, such as the
    change of an operation, a server or security.
    """

    request: str = ""
    response: str = ""
    undirected: str = ""

    def rule(self, direction: Direction) -> str:
        """Return the id of the rule for a fact with this direction; empty if the direction has no rule."""
        if direction is Direction.REQUEST:
            return self.request
        return self.response if direction is Direction.RESPONSE else self.undirected


def _both(request: str, response: str) -> FactKind:
    return FactKind(request=request, response=response)


def _request(rule: str) -> FactKind:
    return FactKind(request=rule)


def _response(rule: str) -> FactKind:
    return FactKind(response=rule)


def _undirected(rule: str) -> FactKind:
    return FactKind(undirected=rule)


# --- operations, callbacks, servers, security (rules/operation.py) ---

OPERATION_REMOVED = _undirected("operation-removed")
OPERATION_REMOVED_BEFORE_SUNSET = _undirected("operation-removed-before-sunset")
OPERATION_REMOVED_AFTER_SUNSET = _undirected("operation-removed-after-sunset")
OPERATION_REMOVED_DEPRECATED = _undirected("operation-removed-deprecated")
OPERATION_REMOVED_UNSTABLE = _undirected("operation-removed-unstable")
OPERATION_ADDED = _undirected("operation-added")
OPERATION_DEPRECATED = _undirected("operation-deprecated")
OPERATION_REACTIVATED = _undirected("operation-reactivated")
OPERATION_SUNSET_REMOVED = _undirected("operation-sunset-removed")
OPERATION_SUNSET_EARLIER = _undirected("operation-sunset-earlier")
OPERATION_SUNSET_INVALID = _undirected("operation-sunset-invalid")
OPERATION_STABILITY_INVALID = _undirected("operation-stability-invalid")
OPERATION_STABILITY_DECREASED = _undirected("operation-stability-decreased")
OPERATION_STABILITY_INCREASED = _undirected("operation-stability-increased")
OPERATION_ID_CHANGED = _undirected("operation-id-changed")
OPERATION_ID_REMOVED = _undirected("operation-id-removed")
OPERATION_ID_ADDED = _undirected("operation-id-added")
OPERATION_TAG_REMOVED = _undirected("operation-tag-removed")
OPERATION_TAG_ADDED = _undirected("operation-tag-added")
CALLBACK_REMOVED = _undirected("callback-removed")
CALLBACK_ADDED = _undirected("callback-added")
SERVER_REMOVED = _undirected("server-removed")
SERVER_ADDED = _undirected("server-added")
SECURITY_ADDED = _undirected("security-added")
SECURITY_REMOVED = _undirected("security-removed")
SECURITY_ALTERNATIVE_REMOVED = _undirected("security-alternative-removed")
SECURITY_ALTERNATIVE_ADDED = _undirected("security-alternative-added")
SECURITY_OPTION_REMOVED = _undirected("security-option-removed")
SECURITY_SCOPE_ADDED = _undirected("security-scope-added")
SECURITY_SCOPE_REMOVED = _undirected("security-scope-removed")
SECURITY_SCHEME_CHANGED = _undirected("security-scheme-changed")
SECURITY_FLOW_REMOVED = _undirected("security-flow-removed")
SECURITY_FLOW_ADDED = _undirected("security-flow-added")
SECURITY_FLOW_SCOPE_REMOVED = _undirected("security-flow-scope-removed")
SECURITY_FLOW_SCOPE_ADDED = _undirected("security-flow-scope-added")
SECURITY_URL_CHANGED = _undirected("security-url-changed")

# --- parameters and bodies (rules/message.py) ---

PARAMETER_ADDED = _both("request-parameter-added", "response-parameter-added")
PARAMETER_ADDED_REQUIRED = _both("request-parameter-added-required", "response-parameter-added-required")
PARAMETER_ADDED_REQUIRED_WITH_DEFAULT = _both(
    "request-parameter-added-required-with-default", "response-parameter-added-required-with-default"
)
PARAMETER_REMOVED = _both("request-parameter-removed", "response-parameter-removed")
PARAMETER_REMOVED_BEFORE_SUNSET = _both(
    "request-parameter-removed-before-sunset", "response-parameter-removed-before-sunset"
)
PARAMETER_REMOVED_AFTER_SUNSET = _both(
    "request-parameter-removed-after-sunset", "response-parameter-removed-after-sunset"
)
PARAMETER_BECAME_REQUIRED = _both("request-parameter-became-required", "response-parameter-became-required")
PARAMETER_BECAME_REQUIRED_WITH_DEFAULT = _both(
    "request-parameter-became-required-with-default", "response-parameter-became-required-with-default"
)
PARAMETER_BECAME_OPTIONAL = _both("request-parameter-became-optional", "response-parameter-became-optional")
PARAMETER_SERIALIZATION_CHANGED = _both(
    "request-parameter-serialization-changed", "response-parameter-serialization-changed"
)
PARAMETER_RESERVED_FORBIDDEN = _both(
    "request-parameter-reserved-forbidden", "response-parameter-reserved-forbidden"
)
PARAMETER_RESERVED_ALLOWED = _both(
    "request-parameter-reserved-allowed", "response-parameter-reserved-allowed"
)
PARAMETER_EMPTY_FORBIDDEN = _both("request-parameter-empty-forbidden", "response-parameter-empty-forbidden")
PARAMETER_EMPTY_ALLOWED = _both("request-parameter-empty-allowed", "response-parameter-empty-allowed")
PARAMETER_DEPRECATED = _both("request-parameter-deprecated", "response-parameter-deprecated")
PARAMETER_REACTIVATED = _both("request-parameter-reactivated", "response-parameter-reactivated")
PARAMETER_SUNSET_REMOVED = _both("request-parameter-sunset-removed", "response-parameter-sunset-removed")
PARAMETER_SUNSET_EARLIER = _both("request-parameter-sunset-earlier", "response-parameter-sunset-earlier")
BODY_ADDED = _both("request-body-added", "response-body-added")
BODY_ADDED_REQUIRED = _both("request-body-added-required", "response-body-added-required")
BODY_REMOVED = _both("request-body-removed", "response-body-removed")
BODY_BECAME_REQUIRED = _both("request-body-became-required", "response-body-became-required")
BODY_BECAME_OPTIONAL = _both("request-body-became-optional", "response-body-became-optional")
MEDIA_TYPE_REMOVED = _both("request-media-type-removed", "response-media-type-removed")
MEDIA_TYPE_ADDED = _both("request-media-type-added", "response-media-type-added")
XML_CHANGED = _both("request-xml-changed", "response-xml-changed")
PART_MEDIA_TYPE_REMOVED = _both("request-part-media-type-removed", "response-part-media-type-removed")
PART_MEDIA_TYPE_ADDED = _both("request-part-media-type-added", "response-part-media-type-added")
ENCODING_CHANGED = _both("request-encoding-changed", "response-encoding-changed")
REQUIRED_PARAMETER_REMOVED = _response("response-required-parameter-removed")
DELIVERED_MEDIA_TYPE_REMOVED = _response("response-delivered-media-type-removed")
DELIVERED_MEDIA_TYPE_ADDED = _response("response-delivered-media-type-added")

# --- responses (rules/response.py) ---

SUCCESS_STATUS_REMOVED = _both("request-success-status-removed", "response-success-status-removed")
SUCCESS_STATUS_ADDED = _both("request-success-status-added", "response-success-status-added")
STATUS_REMOVED = _both("request-status-removed", "response-status-removed")
STATUS_ADDED = _both("request-status-added", "response-status-added")
HEADER_REMOVED = _both("request-header-removed", "response-header-removed")
REQUIRED_HEADER_REMOVED = _both("request-required-header-removed", "response-required-header-removed")
HEADER_ADDED = _both("request-header-added", "response-header-added")
HEADER_ADDED_REQUIRED = _both("request-header-added-required", "response-header-added-required")
HEADER_BECAME_OPTIONAL = _both("request-header-became-optional", "response-header-became-optional")
HEADER_BECAME_REQUIRED = _both("request-header-became-required", "response-header-became-required")
HEADER_SERIALIZATION_CHANGED = _both(
    "request-header-serialization-changed", "response-header-serialization-changed"
)
HEADER_DEPRECATED = _both("request-header-deprecated", "response-header-deprecated")
HEADER_REACTIVATED = _both("request-header-reactivated", "response-header-reactivated")
LINK_REMOVED = _both("request-link-removed", "response-link-removed")
LINK_ADDED = _both("request-link-added", "response-link-added")
LINK_CHANGED = _both("request-link-changed", "response-link-changed")
MEDIA_TYPE_GENERALIZED = _response("response-media-type-generalized")
MEDIA_TYPE_SPECIALIZED = _response("response-media-type-specialized")

# --- the properties of an object (rules/properties.py) ---

PROPERTY_ADDED = _both("request-property-added", "response-property-added")
PROPERTY_ADDED_REQUIRED = _both("request-property-added-required", "response-property-added-required")
PROPERTY_ADDED_REQUIRED_WITH_DEFAULT = _both(
    "request-property-added-required-with-default", "response-property-added-required-with-default"
)
PROPERTY_ADDED_TO_CLOSED = _both("request-property-added-to-closed", "response-property-added-to-closed")
PROPERTY_REMOVED = _both("request-property-removed", "response-property-removed")
REQUIRED_PROPERTY_REMOVED = _both("request-required-property-removed", "response-required-property-removed")
PROPERTY_REMOVED_FROM_CLOSED = _both(
    "request-property-removed-from-closed", "response-property-removed-from-closed"
)
PROPERTY_FORBIDDEN = _both("request-property-forbidden", "response-property-forbidden")
PROPERTY_NO_LONGER_FORBIDDEN = _both(
    "request-property-no-longer-forbidden", "response-property-no-longer-forbidden"
)
PROPERTY_BECAME_REQUIRED = _both("request-property-became-required", "response-property-became-required")
PROPERTY_BECAME_REQUIRED_WITH_DEFAULT = _both(
    "request-property-became-required-with-default", "response-property-became-required-with-default"
)
PROPERTY_BECAME_OPTIONAL = _both("request-property-became-optional", "response-property-became-optional")
ADDITIONAL_PROPERTIES_FORBIDDEN = _both(
    "request-additional-properties-forbidden", "response-additional-properties-forbidden"
)
ADDITIONAL_PROPERTIES_ALLOWED = _both(
    "request-additional-properties-allowed", "response-additional-properties-allowed"
)
PATTERN_PROPERTY_ADDED = _both("request-pattern-property-added", "response-pattern-property-added")
PATTERN_PROPERTY_REMOVED = _both("request-pattern-property-removed", "response-pattern-property-removed")
PATTERN_PROPERTY_ALLOWED = _both("request-pattern-property-allowed", "response-pattern-property-allowed")
PATTERN_PROPERTY_FORBIDDEN = _both(
    "request-pattern-property-forbidden", "response-pattern-property-forbidden"
)
PROPERTY_NAMES_ADDED = _both("request-property-names-added", "response-property-names-added")
PROPERTY_NAMES_REMOVED = _both("request-property-names-removed", "response-property-names-removed")
DISCRIMINATOR_PROPERTY_CHANGED = _both(
    "request-discriminator-property-changed", "response-discriminator-property-changed"
)
PROPERTY_BECAME_READ_ONLY = _request("request-property-became-read-only")
REQUIRED_PROPERTY_BECAME_READ_ONLY = _request("request-required-property-became-read-only")
PROPERTY_BECAME_NOT_READ_ONLY = _request("request-property-became-not-read-only")
REQUIRED_PROPERTY_BECAME_NOT_READ_ONLY = _request("request-required-property-became-not-read-only")
PROPERTY_BECAME_WRITE_ONLY = _response("response-property-became-write-only")
REQUIRED_PROPERTY_BECAME_WRITE_ONLY = _response("response-required-property-became-write-only")
PROPERTY_BECAME_NOT_WRITE_ONLY = _response("response-property-became-not-write-only")
REQUIRED_PROPERTY_BECAME_NOT_WRITE_ONLY = _response("response-required-property-became-not-write-only")

# --- schemas as a whole: unions, conditions, items, annotations (rules/structure.py) ---

DEPENDENT_REQUIRED_ADDED = _both("request-dependent-required-added", "response-dependent-required-added")
DEPENDENT_REQUIRED_REMOVED = _both(
    "request-dependent-required-removed", "response-dependent-required-removed"
)
DEPENDENT_SCHEMA_ADDED = _both("request-dependent-schema-added", "response-dependent-schema-added")
DEPENDENT_SCHEMA_REMOVED = _both("request-dependent-schema-removed", "response-dependent-schema-removed")
CONTAINS_ADDED = _both("request-contains-added", "response-contains-added")
CONTAINS_REMOVED = _both("request-contains-removed", "response-contains-removed")
UNION_BRANCH_REMOVED = _both("request-union-branch-removed", "response-union-branch-removed")
UNION_BRANCH_ADDED = _both("request-union-branch-added", "response-union-branch-added")
UNION_BRANCH_REPLACED = _response("response-union-branch-replaced")
NEW_ALTERNATIVE = _response("response-new-alternative")
UNION_BECAME_EXCLUSIVE = _both("request-union-became-exclusive", "response-union-became-exclusive")
UNION_NO_LONGER_EXCLUSIVE = _both("request-union-no-longer-exclusive", "response-union-no-longer-exclusive")
UNION_BECAME_EXCLUSIVE_FOR_SOME = _both(
    "request-union-became-exclusive-for-some", "response-union-became-exclusive-for-some"
)
UNION_NO_LONGER_EXCLUSIVE_FOR_SOME = _both(
    "request-union-no-longer-exclusive-for-some", "response-union-no-longer-exclusive-for-some"
)
UNION_OVERLAP_ADDED = _both("request-union-overlap-added", "response-union-overlap-added")
UNION_OVERLAP_REMOVED = _both("request-union-overlap-removed", "response-union-overlap-removed")
NOT_ADDED = _both("request-not-added", "response-not-added")
NOT_REMOVED = _both("request-not-removed", "response-not-removed")
NOT_NARROWED = _both("request-not-narrowed", "response-not-narrowed")
NOT_WIDENED = _both("request-not-widened", "response-not-widened")
NOT_CHANGED = _both("request-not-changed", "response-not-changed")
CONDITION_ADDED = _both("request-condition-added", "response-condition-added")
CONDITION_REMOVED = _both("request-condition-removed", "response-condition-removed")
CONDITION_NARROWED = _both("request-condition-narrowed", "response-condition-narrowed")
CONDITION_WIDENED = _both("request-condition-widened", "response-condition-widened")
CONDITION_CHANGED = _both("request-condition-changed", "response-condition-changed")
LIMIT_REACHED = _both("request-limit-reached", "response-limit-reached")
KEYWORD_UNDECIDED = _both("request-keyword-undecided", "response-keyword-undecided")
DISCRIMINATOR_ADDED = _both("request-discriminator-added", "response-discriminator-added")
DISCRIMINATOR_REMOVED = _both("request-discriminator-removed", "response-discriminator-removed")
DISCRIMINATOR_MAPPING_ADDED = _both(
    "request-discriminator-mapping-added", "response-discriminator-mapping-added"
)
DISCRIMINATOR_MAPPING_REMOVED = _both(
    "request-discriminator-mapping-removed", "response-discriminator-mapping-removed"
)
DISCRIMINATOR_MAPPING_CHANGED = _both(
    "request-discriminator-mapping-changed", "response-discriminator-mapping-changed"
)
SCHEMA_DEPRECATED = _both("request-schema-deprecated", "response-schema-deprecated")
SCHEMA_REACTIVATED = _both("request-schema-reactivated", "response-schema-reactivated")
SCHEMA_STABILITY_DECREASED = _both(
    "request-schema-stability-decreased", "response-schema-stability-decreased"
)
SCHEMA_STABILITY_INCREASED = _both(
    "request-schema-stability-increased", "response-schema-stability-increased"
)
SCHEMA_STABILITY_INVALID = _both("request-schema-stability-invalid", "response-schema-stability-invalid")
UNION_OVERLAP_ADDED_FOR_SOME = _request("request-union-overlap-added-for-some")
UNION_OVERLAP_REMOVED_FOR_SOME = _response("response-union-overlap-removed-for-some")

# --- single values: types, enumerations, bounds, defaults (rules/values.py) ---

TYPE_NARROWED = _both("request-type-narrowed", "response-type-narrowed")
TYPE_WIDENED = _both("request-type-widened", "response-type-widened")
TYPE_CHANGED = _both("request-type-changed", "response-type-changed")
BECAME_NULLABLE = _both("request-became-nullable", "response-became-nullable")
BECAME_NOT_NULLABLE = _both("request-became-not-nullable", "response-became-not-nullable")
BECAME_IMPOSSIBLE = _both("request-became-impossible", "response-became-impossible")
BECAME_POSSIBLE = _both("request-became-possible", "response-became-possible")
SCHEMA_ADDED = _both("request-schema-added", "response-schema-added")
SCHEMA_REMOVED = _both("request-schema-removed", "response-schema-removed")
ENUM_VALUE_REMOVED = _both("request-enum-value-removed", "response-enum-value-removed")
ENUM_VALUE_ADDED = _both("request-enum-value-added", "response-enum-value-added")
ENUM_ADDED = _both("request-enum-added", "response-enum-added")
ENUM_REMOVED = _both("request-enum-removed", "response-enum-removed")
CONST_CHANGED = _both("request-const-changed", "response-const-changed")
EXTENSIBLE_ENUM_VALUE_REMOVED = _both(
    "request-extensible-enum-value-removed", "response-extensible-enum-value-removed"
)
EXTENSIBLE_ENUM_VALUE_ADDED = _both(
    "request-extensible-enum-value-added", "response-extensible-enum-value-added"
)
MULTIPLE_OF_ADDED = _both("request-multiple-of-added", "response-multiple-of-added")
MULTIPLE_OF_REMOVED = _both("request-multiple-of-removed", "response-multiple-of-removed")
MULTIPLE_OF_NARROWED = _both("request-multiple-of-narrowed", "response-multiple-of-narrowed")
MULTIPLE_OF_WIDENED = _both("request-multiple-of-widened", "response-multiple-of-widened")
MULTIPLE_OF_CHANGED = _both("request-multiple-of-changed", "response-multiple-of-changed")
UNIQUE_ITEMS_ADDED = _both("request-unique-items-added", "response-unique-items-added")
UNIQUE_ITEMS_REMOVED = _both("request-unique-items-removed", "response-unique-items-removed")
MIN_LENGTH_INCREASED = _both("request-min-length-increased", "response-min-length-increased")
MIN_LENGTH_DECREASED = _both("request-min-length-decreased", "response-min-length-decreased")
MIN_LENGTH_ADDED = _both("request-min-length-added", "response-min-length-added")
MIN_LENGTH_REMOVED = _both("request-min-length-removed", "response-min-length-removed")
MAX_LENGTH_INCREASED = _both("request-max-length-increased", "response-max-length-increased")
MAX_LENGTH_DECREASED = _both("request-max-length-decreased", "response-max-length-decreased")
MAX_LENGTH_ADDED = _both("request-max-length-added", "response-max-length-added")
MAX_LENGTH_REMOVED = _both("request-max-length-removed", "response-max-length-removed")
MINIMUM_INCREASED = _both("request-minimum-increased", "response-minimum-increased")
MINIMUM_DECREASED = _both("request-minimum-decreased", "response-minimum-decreased")
MINIMUM_ADDED = _both("request-minimum-added", "response-minimum-added")
MINIMUM_REMOVED = _both("request-minimum-removed", "response-minimum-removed")
MAXIMUM_INCREASED = _both("request-maximum-increased", "response-maximum-increased")
MAXIMUM_DECREASED = _both("request-maximum-decreased", "response-maximum-decreased")
MAXIMUM_ADDED = _both("request-maximum-added", "response-maximum-added")
MAXIMUM_REMOVED = _both("request-maximum-removed", "response-maximum-removed")
MIN_ITEMS_INCREASED = _both("request-min-items-increased", "response-min-items-increased")
MIN_ITEMS_DECREASED = _both("request-min-items-decreased", "response-min-items-decreased")
MIN_ITEMS_ADDED = _both("request-min-items-added", "response-min-items-added")
MIN_ITEMS_REMOVED = _both("request-min-items-removed", "response-min-items-removed")
MAX_ITEMS_INCREASED = _both("request-max-items-increased", "response-max-items-increased")
MAX_ITEMS_DECREASED = _both("request-max-items-decreased", "response-max-items-decreased")
MAX_ITEMS_ADDED = _both("request-max-items-added", "response-max-items-added")
MAX_ITEMS_REMOVED = _both("request-max-items-removed", "response-max-items-removed")
MIN_PROPERTIES_INCREASED = _both("request-min-properties-increased", "response-min-properties-increased")
MIN_PROPERTIES_DECREASED = _both("request-min-properties-decreased", "response-min-properties-decreased")
MIN_PROPERTIES_ADDED = _both("request-min-properties-added", "response-min-properties-added")
MIN_PROPERTIES_REMOVED = _both("request-min-properties-removed", "response-min-properties-removed")
MAX_PROPERTIES_INCREASED = _both("request-max-properties-increased", "response-max-properties-increased")
MAX_PROPERTIES_DECREASED = _both("request-max-properties-decreased", "response-max-properties-decreased")
MAX_PROPERTIES_ADDED = _both("request-max-properties-added", "response-max-properties-added")
MAX_PROPERTIES_REMOVED = _both("request-max-properties-removed", "response-max-properties-removed")
MIN_CONTAINS_INCREASED = _both("request-min-contains-increased", "response-min-contains-increased")
MIN_CONTAINS_DECREASED = _both("request-min-contains-decreased", "response-min-contains-decreased")
MIN_CONTAINS_ADDED = _both("request-min-contains-added", "response-min-contains-added")
MIN_CONTAINS_REMOVED = _both("request-min-contains-removed", "response-min-contains-removed")
MAX_CONTAINS_INCREASED = _both("request-max-contains-increased", "response-max-contains-increased")
MAX_CONTAINS_DECREASED = _both("request-max-contains-decreased", "response-max-contains-decreased")
MAX_CONTAINS_ADDED = _both("request-max-contains-added", "response-max-contains-added")
MAX_CONTAINS_REMOVED = _both("request-max-contains-removed", "response-max-contains-removed")
DEFAULT_ADDED = _both("request-default-added", "response-default-added")
DEFAULT_REMOVED = _both("request-default-removed", "response-default-removed")
DEFAULT_CHANGED = _both("request-default-changed", "response-default-changed")

# --- formats and patterns (rules/lexical.py) ---

FORMAT_ADDED = _both("request-format-added", "response-format-added")
FORMAT_REMOVED = _both("request-format-removed", "response-format-removed")
FORMAT_NARROWED = _both("request-format-narrowed", "response-format-narrowed")
FORMAT_WIDENED = _both("request-format-widened", "response-format-widened")
FORMAT_CHANGED = _both("request-format-changed", "response-format-changed")
UNKNOWN_FORMAT_ADDED = _both("request-unknown-format-added", "response-unknown-format-added")
UNKNOWN_FORMAT_CHANGED = _both("request-unknown-format-changed", "response-unknown-format-changed")
PATTERN_ADDED = _both("request-pattern-added", "response-pattern-added")
PATTERN_REMOVED = _both("request-pattern-removed", "response-pattern-removed")
PATTERN_NARROWED = _both("request-pattern-narrowed", "response-pattern-narrowed")
PATTERN_WIDENED = _both("request-pattern-widened", "response-pattern-widened")
PATTERN_CHANGED = _both("request-pattern-changed", "response-pattern-changed")
