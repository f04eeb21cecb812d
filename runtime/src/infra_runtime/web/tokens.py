"""JSON web tokens: access tokens with a short life, refresh tokens for one use, and revocation.

Sources: RFC 7519; RFC 8725, JSON Web Token Best Current Practices; RFC 9700, section 4.14 (refresh tokens).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, Self, TypeAlias

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from infra_runtime.errors import ConfigurationError
from infra_runtime.value import frozen
from infra_runtime.web.access import Actor, ActorKind, granted
from infra_runtime.web.problems import ProblemError
from infra_runtime.web.settings import WebSettings
from infra_runtime.web.storage import MemoryStorage, Storage

Use: TypeAlias = Literal["access", "refresh"]

#: algorithm → the class of its key; the algorithm `none` is not supported
KEY_CLASSES: dict[str, type[OctKey | RSAKey | ECKey | OKPKey]] = {
    **dict.fromkeys(("HS256", "HS384", "HS512"), OctKey),
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSAKey),
    **dict.fromkeys(("ES256", "ES384", "ES512"), ECKey),
    "Ed25519": OKPKey,
}
#: algorithm → the smallest number of bytes of a secret, and the smallest number of bits of an RSA key.
#: Source: RFC 7518, sections 3.2 and 3.3
SHORTEST_SECRETS = {"HS256": 32, "HS384": 48, "HS512": 64}
SHORTEST_RSA_KEY = 2048
#: the largest number of characters of a token; a longer token is refused before it is decoded
MAX_LENGTH = 8192
#: the largest accepted difference in seconds between the clocks of two machines
LEEWAY = 10
_ESSENTIAL: jwt.ClaimsOption = {"essential": True}


class TokenError(ProblemError):
    """A token is invalid. The response has the status 401 and does not contain `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(401, "the token is invalid", {"www-authenticate": 'Bearer error="invalid_token"'})
        self.args = (reason,)
        self.reason = reason


@frozen
class TokenPair:
    """An access token, and the refresh token that can be exchanged once for a new pair."""

    access: str
    refresh: str


@frozen
class Keys:
    """The algorithms that a token may have, the keys that verify it, and the key that signs new tokens.

    All algorithms have the same class of key, so that a public key is never used as the secret of HS256. A
    new token has the id of its key in the header `kid`. To replace a key, add the old key to the former keys
    until its tokens have expired.
    """

    algorithms: tuple[str, ...]
    #: key id → key; the first key also verifies tokens without a key id
    verifying: Mapping[str, Key]
    #: the key that signs tokens; None if this program only verifies tokens
    signing: Key | None

    @classmethod
    def from_secret(
        cls, secret: str, algorithms: Sequence[str] = ("HS256",), *, former: Sequence[str] = ()
    ) -> Self:
        """Return keys from a secret, for the given `algorithms`.

        The secret must have at least 32 bytes for HS256, 48 bytes for HS384 and 64 bytes for HS512. `former`
        contains earlier secrets, which only verify tokens.
        """
        _key_class(algorithms, {OctKey})
        shortest = max(SHORTEST_SECRETS[algorithm] for algorithm in algorithms)
        for text, setting in (
            (secret, "WEB_JWT_SECRET"),
            *((text, "WEB_JWT_FORMER_SECRETS") for text in former),
        ):
            if len(text.encode()) < shortest:
                raise _invalid(f"the secret has fewer than {shortest} bytes", setting)
            if "-----BEGIN" in text:
                raise _invalid("the secret is a PEM file", setting)
        keys = [OctKey.import_key(text) for text in (secret, *former)]
        return cls(algorithms=tuple(algorithms), verifying=_by_id(keys), signing=keys[0])

    @classmethod
    def from_pem(
        cls,
        algorithms: Sequence[str],
        *,
        private: str = "",
        public: str = "",
        former: Sequence[str] = (),
    ) -> Self:
        """Return keys from PEM strings; the public key can be omitted, because the private key contains it.

        `former` contains earlier public keys, which only verify tokens.
        """
        key_class = _key_class(algorithms, {RSAKey, ECKey, OKPKey})
        try:
            signing = key_class.import_key(private) if private else None
            verifying = key_class.import_key(public) if public else signing
            older = [key_class.import_key(text) for text in former]
        except (JoseError, ValueError, TypeError) as error:
            raise _invalid(f"the key cannot be read: {type(error).__name__}", "WEB_JWT_…_KEY") from None
        if verifying is None:
            raise _invalid("a private or a public key is missing", "WEB_JWT_PUBLIC_KEY")
        if signing is not None and not signing.is_private:
            raise _invalid("the key is a public key", "WEB_JWT_PRIVATE_KEY")
        for key in (verifying, *([signing] if signing else []), *older):
            if isinstance(key, RSAKey) and key.public_key.key_size < SHORTEST_RSA_KEY:
                raise _invalid(f"an RSA key has fewer than {SHORTEST_RSA_KEY} bits", "WEB_JWT_…_KEY")
        return cls(algorithms=tuple(algorithms), verifying=_by_id([verifying, *older]), signing=signing)

    @classmethod
    def from_settings(cls, settings: WebSettings) -> Self | None:
        """Return the keys in the settings; None if the settings contain no key."""
        secret, private, public = settings.jwt_secret, settings.jwt_private_key, settings.jwt_public_key
        if secret and (private or public):
            raise _invalid(
                "a secret and a PEM key are set, but only one of them is allowed", "WEB_JWT_SECRET"
            )
        if secret:
            former = [text.get_secret_value() for text in settings.jwt_former_secrets]
            return cls.from_secret(secret.get_secret_value(), settings.jwt_algorithms, former=former)
        if private or public:
            pem = private.get_secret_value() if private else ""
            older = settings.jwt_former_public_keys
            return cls.from_pem(settings.jwt_algorithms, private=pem, public=public or "", former=older)
        return None

    def of(self, header: Mapping[str, object]) -> Key:
        """Return the key that verifies a token with this header.

        Raises `ValueError` if no key matches, or if the token is of another type. Source: RFC 8725, section
        3.11.
        """
        if str(header.get("typ", "JWT")).upper() not in {"JWT", "APPLICATION/JWT"}:
            raise ValueError("the header `typ` of the token must be JWT")
        if "kid" not in header:
            return next(iter(self.verifying.values()))
        name = header["kid"]
        if not isinstance(name, str) or name not in self.verifying:
            raise ValueError("the token has the id of an unknown key")
        return self.verifying[name]


class Tokens:
    """Issues, verifies, exchanges and revokes tokens.

    All tokens of one login have the same claim `sid`. If a refresh token is used a second time or after its
    revocation, it was probably stolen, and all tokens of its login are revoked. If the application has
    several processes, the storage must be Valkey, so that all processes share the revoked tokens.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        issuer: str,
        audience: str,
        access_seconds: int = 900,
        refresh_seconds: int = 1_209_600,
        storage: Storage | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys, self._issuer, self._audience = keys, issuer, audience
        self._seconds: dict[Use, int] = {"access": access_seconds, "refresh": refresh_seconds}
        self._storage, self._clock = storage or MemoryStorage(), clock

    @classmethod
    def from_settings(cls, settings: WebSettings, storage: Storage | None = None) -> Self | None:
        """Return an object with the keys in the settings; None if the settings contain no key."""
        keys = Keys.from_settings(settings)
        if keys is None:
            return None
        return cls(
            keys,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            access_seconds=settings.jwt_access_seconds,
            refresh_seconds=settings.jwt_refresh_seconds,
            storage=storage,
        )

    def issue(self, actor: Actor, *, login: str = "") -> TokenPair:
        """Return a pair of tokens for an actor; `login` is the claim `sid`, by default a new one.

        Raises `ConfigurationError` if the keys can only verify tokens.
        """
        login = login or secrets.token_urlsafe(16)
        return TokenPair(
            access=self._token("access", actor, login), refresh=self._token("refresh", actor, login)
        )

    async def verify(self, token: str, use: Use = "access") -> dict[str, Any]:
        """Return the claims of a valid token that is not revoked, or raise `TokenError`."""
        claims = self.decode(token, use)
        for revoked in (claims["jti"], claims["sid"]):
            if await self._storage.get(f"revoked:{revoked}") is not None:
                raise TokenError("the token is revoked")
        return claims

    async def actor(self, token: str, roles: Mapping[str, Collection[str]]) -> Actor:
        """Return the actor of an access token with the permissions of its roles, or raise `TokenError`."""
        return granted(actor_of(await self.verify(token)), roles)

    async def refresh(self, token: str) -> TokenPair:
        """Return a new pair of tokens for a refresh token, and revoke this refresh token."""
        claims = self.decode(token, "refresh")
        if await self._storage.get(f"revoked:{claims['sid']}") is not None:
            raise TokenError("the log-in is revoked")
        if not await self._revoke(claims["jti"], claims):
            await self.revoke_login(claims)
            raise TokenError("the refresh token was used twice")
        return self.issue(actor_of(claims), login=claims["sid"])

    async def revoke(self, token: str, use: Use = "access") -> None:
        """Revoke one token until it expires."""
        claims = self.decode(token, use)
        await self._revoke(claims["jti"], claims)

    async def revoke_login(self, claims: dict[str, Any]) -> None:
        """Revoke all tokens of a log-in; `claims` are the claims of one of these tokens."""
        seconds = max(self._seconds.values()) + LEEWAY
        await self._storage.put(f"revoked:{claims['sid']}", b"1", seconds)

    def decode(self, token: str, use: Use = "access") -> dict[str, Any]:
        """Return the claims of a token after all checks except the revocation, or raise `TokenError`."""
        if len(token) > MAX_LENGTH:
            raise TokenError(f"the token has more than {MAX_LENGTH} characters")
        registry = jwt.JWTClaimsRegistry(
            now=lambda: int(self._clock()),
            leeway=LEEWAY,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._audience},
            use={"essential": True, "value": use},
            **dict.fromkeys(("exp", "iat", "sub", "jti", "sid", "kind"), _ESSENTIAL),
        )
        try:
            decoded = jwt.decode(
                token, lambda signed: self._keys.of(signed.headers()), algorithms=list(self._keys.algorithms)
            )
            registry.validate(decoded.claims)
            actor_of(decoded.claims)
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            raise TokenError(f"{type(error).__name__}: {error}") from None
        return decoded.claims

    def _token(self, use: Use, actor: Actor, login: str) -> str:
        if self._keys.signing is None:
            raise _invalid("new tokens need a private key", "WEB_JWT_PRIVATE_KEY")
        now = int(self._clock())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": actor.id,
            "iat": now,
            "exp": now + self._seconds[use],
            "jti": secrets.token_urlsafe(16),
            "sid": login,
            "use": use,
            "kind": actor.kind.value,
            "roles": sorted(actor.roles),
        }
        algorithm, signing = self._keys.algorithms[0], self._keys.signing
        header = {"alg": algorithm, "kid": _id_of(signing)}
        return jwt.encode(header, claims, signing, algorithms=[algorithm])

    async def _revoke(self, name: str, claims: dict[str, Any]) -> bool:
        seconds = max(1.0, claims["exp"] + LEEWAY - self._clock())
        return await self._storage.put(f"revoked:{name}", b"1", seconds, only_new=True)


def actor_of(claims: dict[str, Any]) -> Actor:
    """Return the actor in the claims of a token; raise `ValueError` if a claim has the wrong type."""
    roles = claims.get("roles", [])
    if not all(isinstance(claims[name], str) for name in ("sub", "jti", "sid")) or not claims["sub"]:
        raise ValueError("a claim is not a string")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise ValueError("the claim `roles` is not a list of strings")
    return Actor(id=claims["sub"], kind=ActorKind(claims["kind"]), roles=frozenset(roles))


def _by_id(keys: Sequence[Key]) -> dict[str, Key]:
    return {_id_of(key): key for key in keys}


def _id_of(key: Key) -> str:
    """Return the id of a key; a private key and its public key have the same id. Source: RFC 7638."""
    return key.thumbprint()


def _key_class(algorithms: Sequence[str], possible: set[Any]) -> type[OctKey | RSAKey | ECKey | OKPKey]:
    classes = {KEY_CLASSES.get(algorithm) for algorithm in algorithms}
    key_class = next(iter(classes), None)
    if len(classes) != 1 or key_class not in possible or key_class is None:
        raise _invalid(
            f"the configured key does not fit all of the algorithms {list(algorithms)}: a secret fits HS256, "
            "HS384 and HS512; a PEM key fits only the algorithms of its type",
            "WEB_JWT_ALGORITHMS",
        )
    return key_class


def _invalid(message: str, setting: str) -> ConfigurationError:
    return ConfigurationError(message, setting, "The page docs/reference/web.md describes the settings.")
