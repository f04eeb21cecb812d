"""The ids of the checks of oasdiff, a program that compares OpenAPI documents.

Each id is an alias of a rule, or has a reason why no rule corresponds to the check.

Source: the catalogue of oasdiff 1.32.1 (`oasdiff checks changelog`, 755 checks), read in November 2026. The
last line of `_FAMILIES` contains four checks that were only on oasdiff's main branch at that time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_FAMILIES = """
api-{,path-}removed-{before-sunset,with-deprecation,without-deprecation}
api-{path-sunset-parse,deprecated-sunset-missing,deprecated-sunset-parse}
api-{sunset-date-changed-too-small,sunset-date-too-small}
api-{invalid-stability-level,stability-decreased,stability-increased,schema-removed}
api-{operation-id,tag}-{added,removed}
api-{,global-}security-{,scope-}{added,removed}
api-security-component-{,oauth-scope-}{added,removed}
api-security-component-{oauth-scope,oauth-token-url,oauth-url,type}-changed
api-{major-version-not-bumped,version-decreased,version-not-bumped}
endpoint-{added,deprecated,deprecated-with-sunset,reactivated}
sunset-deleted
webhook-{added,removed}
new-{optional,required}-request-{parameter,property,default-parameter-to-existing-path}
new-{required-request-header-property,required-request-property-with-default,request-path-parameter}
request-body-{added-optional,added-required,removed,became-optional,became-required}
{request-body,response-body}-media-type-{,item-}schema-{added,removed}
response-body-media-type-item-schema-removed-untyped
request-body-media-type-{added,removed}
request-header-property-became-{enum,required}
request-parameter-{became-required,became-optional,deprecated,reactivated}
request-parameter-removed{,-before-sunset,-with-deprecation}
request-parameter-{deprecated-sunset-missing,sunset-date-changed-too-small,sunset-date-too-small}
request-parameter-{sunset-deleted,sunset-parse}
request-{parameter,property}-x-extensible-enum-value-removed
request-property-{became-required,became-required-with-default,became-optional,removed}
{request,response}-property-{deprecated,deprecated-with-sunset,deprecated-sunset-missing}
{request,response}-property-{deprecated-sunset-invalid,reactivated,sunset-date-too-small}
{request,response}-property-stability-{decreased,increased}
{request,response}-{optional,required}-property-became-{,not-}{read,write}-only
request-read-only-property-{enum-value-removed,exclusive-max-decreased,exclusive-min-increased}
request-read-only-property-{max,max-items,max-length,max-properties}-decreased
request-read-only-property-min-increased
response-{optional,required}-{,write-only-}property-{added,removed}
response-{,write-only-}property-became-{optional,required}
response-write-only-property-enum-value-added
{required,optional}-response-header-removed
response-header-{added,became-optional}
response-media-type-{added,removed,name-changed,name-generalized,name-specialized}
response-media-type-parameter-{added,changed,removed}
response-{success,non-success}-status-{added,removed}
request-{body,property,parameter}-{exclusive-,}{max,min}-{increased,decreased,set,unset}
request-{body,property,parameter}-{max,min}-{items,length,properties,contains}-{increased,decreased,set,unset}
response-{body,property,header}-{exclusive-,}{max,min}-{increased,decreased,set,unset}
response-{body,property,header}-{max,min}-{items,length,properties,contains}-{increased,decreased,set,unset}
request-{body,property}-multiple-of-{set,unset,changed,generalized}
response-{body,property}-multiple-of-{set,unset,changed,specialized}
{request-parameter,response-header}-multiple-of-{set,unset}
request-{body,property}-unique-items-{set,unset}
response-{body,property}-unique-items-unset
{request,response}-{body,property}-{all-of,any-of,one-of}-{added,removed}
{request,response}-{body,property}-all-of-{added,removed}-annotation-only
{request,response}-body-wrapped-in-one-of{,-original-preserved}
request-{body,property,parameter,parameter-property}-became-{,not-}nullable
response-{body,property,header}-became-{,not-}nullable
request-{body,property,parameter}-became-enum
{request,response}-{body,property}-const-{added,changed,removed}
{request-body,request-property,request-parameter,response-body,response-property}-default-value-{added,changed,removed}
request-{parameter,parameter-property,property}-enum-value-{added,removed}
response-property-enum-value-{added,removed}
{request-body,response-mediatype}-enum-value-removed
request-{body,property,parameter,parameter-property}-list-of-types-{narrowed,widened}
response-{body,property}-list-of-types-{narrowed,widened}
request-{body,property}-type-{changed,generalized,compatible}
request-{parameter,parameter-property}-type-{changed,generalized}
request-parameter-property-type-specialized
response-{body,property,header}-type-{changed,generalized,specialized,compatible}
request-{parameter,property}-pattern-{added,changed,removed,generalized}
response-property-pattern-{added,changed,removed}
{request,response}-{body,property}-discriminator-{,mapping-}added
{request,response}-{body,property}-discriminator-{removed,property-name-changed,mapping-deleted,mapping-changed}
{request,response}-{body,property}-{contains,content-schema,dependent-required,dependent-schema}-{added,removed}
{request,response}-{body,property}-{content-encoding,content-media-type,dependent-required}-changed
{request,response}-{body,property}-{if,then,else,pattern-property,property-names,prefix-items}-{added,removed}
{request,response}-{body,property}-unevaluated-{items,properties}-{added,removed}
request-{body,property,parameter,parameter-property}-schema-became-{,not-}false
response-{body,property,header}-schema-became-{,not-}false

request-parameter-{style-changed,explode-changed,became-allow-reserved,became-not-allow-reserved}
"""
_DAYS = "the API check has no option for a minimum number of days until the sunset date"
_READ_ONLY = "clients do not send read-only properties"
_WRITE_ONLY = "clients do not receive write-only properties"
#: oasdiff's checks without a corresponding rule → the reason.
_WITHOUT_RULE = {
    "api-{major-version-not-bumped,version-decreased,version-not-bumped}": "`info.version` is not compared",
    "api-{deprecated-sunset-missing,sunset-date-too-small}": _DAYS,
    "request-parameter-{deprecated-sunset-missing,sunset-date-too-small}": _DAYS,
    "{request,response}-property-{deprecated-sunset-missing,sunset-date-too-small}": _DAYS,
    "{request,response}-property-deprecated-sunset-invalid": (
        "the finding of the deprecation contains the date, and the API check does not check the date"
    ),
    "api-schema-removed": (
        "a change of a schema is reported where operations use the schema; an unused schema has no effect"
    ),
    "api-security-component-{added,removed}": (
        "a change of a security scheme is reported where operations require the scheme; an unused scheme has "
        "no effect"
    ),
    "api-security-component-oauth-scope-changed": "the description of a scope has no effect",
    "{request,response}-{body,property}-all-of-{added,removed}": (
        "the API check merges the schemas of `allOf`; a change in one of them is reported by the rule for "
        "the changed keyword"
    ),
    "{request,response}-{body,property}-all-of-{added,removed}-annotation-only": (
        "annotations do not change which values are valid"
    ),
    "{request,response}-{body,property}-prefix-items-{added,removed}": (
        "a change of an item is reported as a change of its type or schema"
    ),
    "request-{optional,required}-property-became-{,not-}write-only": (
        "a write-only property is sent in requests like any other property"
    ),
    "request-read-only-property-{enum-value-removed,exclusive-max-decreased}": _READ_ONLY,
    "request-read-only-property-exclusive-min-increased": _READ_ONLY,
    "request-read-only-property-{max,max-items,max-length,max-properties}-decreased": _READ_ONLY,
    "request-read-only-property-min-increased": _READ_ONLY,
    "response-{optional,required}-property-became-{,not-}read-only": (
        "a read-only property is sent in responses like any other property"
    ),
    "response-{optional,required}-write-only-property-{added,removed}": _WRITE_ONLY,
    "response-write-only-property-{became-optional,became-required,enum-value-added}": _WRITE_ONLY,
}
_CHOICE = re.compile(r"\{([^{}]*)\}")


def _expanded(family: str) -> Iterator[str]:
    """Yield every id that a string with braces describes; braces contain alternatives, as in a shell."""
    braces = _CHOICE.search(family)
    if braces is None:
        yield family
        return
    for choice in braces[1].split(","):
        yield from _expanded(family[: braces.start()] + choice + family[braces.end() :])


PEER_IDS = frozenset(name for family in _FAMILIES.split() for name in _expanded(family))
WITHOUT_RULE = {name: reason for family, reason in _WITHOUT_RULE.items() for name in _expanded(family)}
