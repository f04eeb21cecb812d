"""The ids of oasdiff's checks: an alias is one of them, and each is an alias or has a reason not to be.

Source: the catalogue of oasdiff 1.32.1 (`oasdiff checks changelog`, 755 checks), read in November 2026, and
after the blank line four that its main branch had by then.
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
#: What has no rule of its own here, and why.
_UNTOLD = {
    "api-{major-version-not-bumped,version-decreased,version-not-bumped}": "`info.version` is not looked at",
    "api-{deprecated-sunset-missing,sunset-date-too-small}": "there is no policy of days",
    "request-parameter-{deprecated-sunset-missing,sunset-date-too-small}": "there is no policy of days",
    "{request,response}-property-{deprecated-sunset-missing,sunset-date-too-small}": (
        "there is no policy of days"
    ),
    "{request,response}-property-deprecated-sunset-invalid": "told with the deprecation, and not judged",
    "api-schema-removed": "a schema that nothing uses harms nobody; one that is used is told where it is",
    "api-security-component-{added,removed}": (
        "a scheme that nothing asks for harms nobody; one that is asked for is told there"
    ),
    "api-security-component-oauth-scope-changed": "a description",
    "{request,response}-{body,property}-all-of-{added,removed}": (
        "`allOf` is merged; what a branch changes is told as what it is"
    ),
    "{request,response}-{body,property}-all-of-{added,removed}-annotation-only": "it changes nothing",
    "{request,response}-{body,property}-prefix-items-{added,removed}": (
        "what a place of the list may be is told as its type or its schema"
    ),
    "request-{optional,required}-property-became-{,not-}write-only": "it is sent as before",
    "request-read-only-property-{enum-value-removed,exclusive-max-decreased,exclusive-min-increased}": (
        "nobody sends it"
    ),
    "request-read-only-property-{max,max-items,max-length,max-properties}-decreased": "nobody sends it",
    "request-read-only-property-min-increased": "nobody sends it",
    "response-{optional,required}-property-became-{,not-}read-only": "it comes as before",
    "response-{optional,required}-write-only-property-{added,removed}": "it never comes",
    "response-write-only-property-{became-optional,became-required,enum-value-added}": "it never comes",
}
_CHOICE = re.compile(r"\{([^{}]*)\}")


def _spelled(family: str) -> Iterator[str]:
    """Every id of a family: braces hold what may stand there, as in a shell."""
    found = _CHOICE.search(family)
    if found is None:
        yield family
        return
    for choice in found[1].split(","):
        yield from _spelled(family[: found.start()] + choice + family[found.end() :])


PEER_IDS = frozenset(name for family in _FAMILIES.split() for name in _spelled(family))
UNTOLD = {name: reason for family, reason in _UNTOLD.items() for name in _spelled(family)}
