"""Tokens: valid ones, and forged ones. Source of the attacks: RFC 8725, sections 2 and 3."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

pytest.importorskip("joserfc", reason="needs the extra `web`")

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from fakes.clock import Clock
from infra_runtime.errors import ConfigurationError
from infra_runtime.web.access import Actor, ActorKind
from infra_runtime.web.settings import WebSettings
from infra_runtime.web.storage import MemoryStorage
from infra_runtime.web.tokens import Keys, TokenError, TokenPair, Tokens, actor_of

SECRET = "the secret of the tests, with more than 32 bytes"
ADA = Actor(id="ada", kind=ActorKind.USER, roles=frozenset({"clerk"}))
NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def rsa() -> RSAKey:
    return RSAKey.generate_key(2048)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def tokens(clock: Clock) -> Tokens:
    return made(Keys.from_secret(SECRET), clock)


def made(keys: Keys, clock: Clock) -> Tokens:
    storage = MemoryStorage(clock=clock)
    return Tokens(keys, issuer="shop", audience="orders", storage=storage, clock=clock)


def reason(tokens: Tokens, token: str, **options: Any) -> str:
    """Return why a token is refused."""
    with pytest.raises(TokenError) as caught:
        asyncio.run(tokens.verify(token, **options))
    assert (caught.value.status, caught.value.detail) == (401, "the token is invalid")
    return caught.value.reason


def encoded(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(**changes: object) -> dict[str, Any]:
    """Return valid claims with changes; a change to None removes the claim."""
    values = {
        "iss": "shop", "aud": "orders", "sub": "ada", "iat": NOW, "exp": NOW + 60, "jti": "1", "sid": "2",
        "use": "access", "kind": "user", "roles": ["clerk"], **changes,
    }  # fmt: skip
    return {name: value for name, value in values.items() if value is not None}


def signed(
    values: dict[str, Any],
    *,
    key: Any = None,
    algorithm: str = "HS256",
    header: dict[str, str] | None = None,
) -> str:
    headers = {"alg": algorithm, **(header or {})}
    return jwt.encode(headers, values, key or OctKey.import_key(SECRET), algorithms=[algorithm])


# --- valid tokens ----------------------------------------------------------------------------------


def test_a_token_contains_its_actor(tokens: Tokens) -> None:
    verified = asyncio.run(tokens.verify(tokens.issue(ADA).access))

    assert actor_of(verified) == ADA
    assert verified["exp"] - verified["iat"] == 900


def test_the_actor_of_a_token_has_the_permissions_of_its_roles(tokens: Tokens) -> None:
    roles = {"clerk": ["orders:write"], "reader": ["orders:read"]}

    actor = asyncio.run(tokens.actor(tokens.issue(ADA).access, roles))

    assert actor == ADA
    assert (actor.may("orders:write"), actor.may("orders:read")) == (True, False)


def test_a_token_of_another_program_with_the_same_claims_is_valid(tokens: Tokens) -> None:
    assert asyncio.run(tokens.verify(signed(claims())))["sub"] == "ada"


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_a_program_with_the_public_key_verifies_and_does_not_issue(
    rsa: RSAKey, clock: Clock, algorithm: str
) -> None:
    private, public = rsa.as_pem(private=True).decode(), rsa.as_pem(private=False).decode()
    issuer = made(Keys.from_pem([algorithm], private=private), clock)
    verifier = made(Keys.from_pem([algorithm], public=public), clock)

    assert asyncio.run(verifier.verify(issuer.issue(ADA).access))["sub"] == "ada"
    with pytest.raises(ConfigurationError, match="private key"):
        verifier.issue(ADA)


@pytest.mark.parametrize(("algorithm", "curve"), [("ES256", "P-256"), ("ES384", "P-384")])
def test_a_token_that_a_key_of_an_elliptic_curve_signed_is_accepted(
    clock: Clock, algorithm: str, curve: Any
) -> None:
    private = ECKey.generate_key(curve).as_pem(private=True).decode()
    tokens = made(Keys.from_pem([algorithm], private=private), clock)

    assert asyncio.run(tokens.verify(tokens.issue(ADA).access))["sub"] == "ada"


# --- forged tokens ---------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
def test_a_token_without_a_signature_is_refused(tokens: Tokens, algorithm: str) -> None:
    assert reason(tokens, f"{encoded({'alg': algorithm})}.{encoded(claims())}.")


def test_a_token_with_another_key_is_refused(tokens: Tokens) -> None:
    assert "BadSignature" in reason(tokens, signed(claims(), key=OctKey.import_key("x" * 40)))


def test_changed_claims_are_refused(tokens: Tokens) -> None:
    header, _, signature = tokens.issue(ADA).access.split(".")

    assert "BadSignature" in reason(tokens, f"{header}.{encoded(claims(kind='admin'))}.{signature}")


def test_the_public_key_is_not_accepted_as_the_secret_of_hs256(rsa: RSAKey, clock: Clock) -> None:
    """A public key is not a secret, so it must not be used as the secret of a signature."""
    public = rsa.as_pem(private=False)
    tokens = made(Keys.from_pem(["RS256"], public=public.decode()), clock)
    content = f"{encoded({'alg': 'HS256'})}.{encoded(claims())}"
    signature = hmac.new(public, content.encode(), hashlib.sha256).digest()

    assert "not allowed" in reason(tokens, f"{content}.{encoded(signature)}")


def test_a_token_with_an_algorithm_outside_of_the_list_is_refused(tokens: Tokens) -> None:
    assert "not allowed" in reason(tokens, signed(claims(), algorithm="HS512"))


@pytest.mark.parametrize(
    "header", [{"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}}, {"alg": "HS256", "crit": ["x"], "x": 1}]
)
def test_a_key_in_the_header_is_not_used(tokens: Tokens, header: dict[str, Any]) -> None:
    content = f"{encoded(header)}.{encoded(claims())}"
    signature = hmac.new(b"\0\0\0", content.encode(), hashlib.sha256).digest()

    assert reason(tokens, f"{content}.{encoded(signature)}")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"exp": NOW - 60}, "exp"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"exp": True}, "exp"),
        ({"iat": NOW + 600}, "future"),
        ({"nbf": NOW + 600}, "not yet valid"),
        ({"iss": "evil"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "other"}, "aud"),
        ({"aud": None}, "aud"),
        ({"use": "refresh"}, "use"),
        ({"use": None}, "use"),
        ({"jti": None}, "jti"),
        ({"sid": None}, "sid"),
        ({"sid": 1}, "string"),
        ({"sub": ""}, "sub"),
        ({"kind": "root"}, "root"),
        ({"roles": "clerk"}, "roles"),
        ({"roles": [1]}, "roles"),
    ],
)
def test_a_claim_with_a_wrong_value_is_refused(tokens: Tokens, changes: dict[str, Any], named: str) -> None:
    assert named in reason(tokens, signed(claims(**changes)))


@pytest.mark.parametrize(
    "text", ["", "x", "a.b", "a.b.c", "....", "é.é.é", "\x00", "a" * 100_000, "e30.e30."]
)
def test_a_text_that_is_not_a_token_is_refused(tokens: Tokens, text: str) -> None:
    assert reason(tokens, text)


def test_deeply_nested_json_is_refused(tokens: Tokens) -> None:
    content = f"{encoded({'alg': 'HS256'})}.{encoded(b'[' * 4000)}"
    signature = hmac.new(SECRET.encode(), content.encode(), hashlib.sha256).digest()

    assert reason(tokens, f"{content}.{encoded(signature)}")


# --- refresh and revocation ------------------------------------------------------------------------


def test_a_refresh_token_is_exchanged_for_a_new_pair(tokens: Tokens) -> None:
    pair = asyncio.run(tokens.refresh(tokens.issue(ADA).refresh))

    assert actor_of(asyncio.run(tokens.verify(pair.access))) == ADA


def test_a_refresh_token_is_not_an_access_token(tokens: Tokens) -> None:
    pair = tokens.issue(ADA)

    assert "use" in reason(tokens, pair.refresh)
    with pytest.raises(TokenError) as caught:
        asyncio.run(tokens.refresh(pair.access))
    assert "use" in caught.value.reason


def test_the_second_use_of_a_refresh_token_revokes_all_tokens_of_the_log_in(tokens: Tokens) -> None:
    first = tokens.issue(ADA)
    second = asyncio.run(tokens.refresh(first.refresh))

    with pytest.raises(TokenError) as caught:
        asyncio.run(tokens.refresh(first.refresh))
    assert "twice" in caught.value.reason

    for token in (first.access, second.access):
        assert "revoked" in reason(tokens, token)
    with pytest.raises(TokenError):
        asyncio.run(tokens.refresh(second.refresh))
    assert asyncio.run(tokens.verify(tokens.issue(ADA).access))


def test_two_concurrent_uses_of_a_refresh_token_give_one_pair(tokens: Tokens) -> None:
    pair = tokens.issue(ADA)

    async def run() -> list[TokenPair | BaseException]:
        uses = (tokens.refresh(pair.refresh) for _ in range(5))
        return await asyncio.gather(*uses, return_exceptions=True)

    assert sum(isinstance(result, TokenPair) for result in asyncio.run(run())) == 1


def test_a_revoked_token_is_refused_until_it_expires(tokens: Tokens, clock: Clock) -> None:
    pair = tokens.issue(ADA)
    asyncio.run(tokens.revoke(pair.access))

    assert "revoked" in reason(tokens, pair.access)
    clock.now += 901
    assert "revoked" in reason(tokens, pair.access)
    clock.now += 60
    assert "Expired" in reason(tokens, pair.access)


# --- keys ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("secret", "algorithms"),
    [
        ("short", ("HS256",)),
        ("", ("HS256",)),
        (SECRET, ()),
        (SECRET, ("none",)),
        (SECRET, ("RS256",)),
        (SECRET, ("HS256", "RS256")),
    ],
)
def test_a_weak_secret_or_a_wrong_algorithm_is_an_error(secret: str, algorithms: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError):
        Keys.from_secret(secret, algorithms)


def test_a_public_key_as_a_secret_is_an_error(rsa: RSAKey) -> None:
    with pytest.raises(ConfigurationError):
        Keys.from_secret(rsa.as_pem(private=False).decode())


def test_an_invalid_pem_is_an_error_without_its_text(rsa: RSAKey) -> None:
    public = rsa.as_pem(private=False).decode()

    for options in ({"private": "hunter2"}, {}, {"private": public}, {"public": "-----BEGIN X-----"}):
        with pytest.raises(ConfigurationError) as caught:
            Keys.from_pem(["RS256"], **options)
        assert "hunter2" not in str(caught.value)


def test_tokens_of_a_former_secret_are_valid_and_new_tokens_have_the_current_one(clock: Clock) -> None:
    new = "another secret of the tests, with more than 32 bytes"
    before, after = made(Keys.from_secret(SECRET), clock), made(Keys.from_secret(new, former=[SECRET]), clock)
    token = before.issue(ADA).access

    renewed = asyncio.run(after.refresh(before.issue(ADA).refresh)).access

    assert asyncio.run(after.verify(token))["sub"] == "ada"
    assert asyncio.run(made(Keys.from_secret(new), clock).verify(renewed))["sub"] == "ada"
    assert "unknown key" in reason(before, renewed)


def test_tokens_of_a_former_key_pair_are_valid(rsa: RSAKey, clock: Clock) -> None:
    new = RSAKey.generate_key(2048)
    issuer = made(Keys.from_pem(["RS256"], private=rsa.as_pem(private=True).decode()), clock)
    public = [key.as_pem(private=False).decode() for key in (new, rsa)]
    verifier = made(Keys.from_pem(["RS256"], public=public[0], former=public[1:]), clock)

    assert asyncio.run(verifier.verify(issuer.issue(ADA).access))["sub"] == "ada"


@pytest.mark.parametrize("kid", ["", "other", 7, None, ["x"], {"x": 1}, "../../etc/passwd"])
def test_a_token_with_the_id_of_an_unknown_key_is_refused(tokens: Tokens, kid: object) -> None:
    content = f"{encoded({'alg': 'HS256', 'kid': kid})}.{encoded(claims())}"
    signature = hmac.new(SECRET.encode(), content.encode(), hashlib.sha256).digest()

    assert reason(tokens, f"{content}.{encoded(signature)}")


def test_a_token_with_the_id_of_one_key_and_the_signature_of_another_is_refused(clock: Clock) -> None:
    new = "another secret of the tests, with more than 32 bytes"
    tokens = made(Keys.from_secret(new, former=[SECRET]), clock)
    header = tokens.issue(ADA).access.partition(".")[0]
    content = f"{header}.{encoded(claims())}"
    signature = hmac.new(SECRET.encode(), content.encode(), hashlib.sha256).digest()

    assert "BadSignature" in reason(tokens, f"{content}.{encoded(signature)}")


def test_the_settings_contain_former_keys(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    new = "another secret of the tests, with more than 32 bytes"
    monkeypatch.setenv("WEB_JWT_SECRET", new)
    monkeypatch.setenv("WEB_JWT_FORMER_SECRETS", json.dumps([SECRET]))
    settings = WebSettings(jwt_issuer="shop", jwt_audience="orders")
    keys = Keys.from_settings(settings)

    assert keys is not None
    assert (
        asyncio.run(made(keys, clock).verify(signed(claims(), header={"kid": _id(SECRET)})))["sub"] == "ada"
    )
    assert SECRET not in repr(settings)


def _id(secret: str) -> str:
    return OctKey.import_key(secret).thumbprint()


def test_a_weak_former_secret_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="WEB_JWT_FORMER_SECRETS"):
        Keys.from_secret(SECRET, former=["short"])


def test_settings_without_a_key_have_no_tokens() -> None:
    assert Tokens.from_settings(WebSettings()) is None


def test_settings_with_two_keys_are_an_error(rsa: RSAKey) -> None:
    settings = WebSettings(jwt_secret=SECRET, jwt_public_key=rsa.as_pem(private=False).decode())

    with pytest.raises(ConfigurationError, match="only one"):
        Tokens.from_settings(settings)


@pytest.mark.parametrize("name", ["at+jwt", "JWE", "dpop+jwt", "application/at+jwt", "secevent+jwt", ""])
def test_a_token_of_another_type_is_refused(tokens: Tokens, name: str) -> None:
    """Another issuer with the same key may sign other documents with these claims."""
    assert "typ" in reason(tokens, signed(claims(), header={"typ": name}))


@pytest.mark.parametrize("name", ["JWT", "jwt", "application/jwt"])
def test_the_type_of_a_token_is_compared_without_regard_to_case(tokens: Tokens, name: str) -> None:
    assert asyncio.run(tokens.verify(signed(claims(), header={"typ": name})))["sub"] == "ada"


@pytest.mark.parametrize(("algorithm", "shortest"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_is_as_long_as_the_hash_of_its_algorithm(algorithm: str, shortest: int) -> None:
    assert Keys.from_secret("s" * shortest, [algorithm]).signing

    with pytest.raises(ConfigurationError, match=f"fewer than {shortest} bytes"):
        Keys.from_secret("s" * (shortest - 1), ["HS256", algorithm])


@pytest.mark.filterwarnings("ignore")  # the library warns about the key
@pytest.mark.parametrize("place", ["private", "public", "former"])
def test_a_short_rsa_key_is_an_error(rsa: RSAKey, place: str) -> None:
    short = generate_private_key(public_exponent=65_537, key_size=1024)
    pem = short.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = short.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    usual = rsa.as_pem(private=False).decode()
    given: dict[str, Any] = {
        "private": {"private": pem},
        "public": {"public": public},
        "former": {"public": usual, "former": [public]},
    }[place]

    with pytest.raises(ConfigurationError, match="fewer than 2048 bits"):
        Keys.from_pem(["RS256"], **given)
