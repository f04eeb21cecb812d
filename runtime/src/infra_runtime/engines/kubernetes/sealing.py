"""Sealed secrets: values that only the controller of a cluster can decrypt, for files in version control.

A value is encrypted with a new AES key, and this key with the certificate of the controller. Namespace and
name of the Secret are part of the encryption (the scope `strict`), so a value cannot be moved to another
Secret.
Source: bitnami-labs/sealed-secrets, "Sealed Secrets Crypto".
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from infra_runtime.errors import ConfigurationError

try:
    import yaml
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
except ImportError as error:
    raise ConfigurationError(
        f"sealed secrets need the library {error.name}, which is missing",
        hint="Install it with `python -m pip install 'pytest-infra[kubernetes]'`.",
    ) from error

_KEY_BITS = 256
#: each key encrypts one value only, so the nonce can be constant
_NONCE = bytes(12)
#: random bytes of a generated password
_BYTES = 24
_HINT = "`kubeseal --fetch-cert` prints the certificate of the controller in your cluster."

#: name of a Secret → key → encrypted value
Sealed = Mapping[str, Mapping[str, str]]


def read_certificate(path: Path) -> RSAPublicKey:
    """Return the public key in a PEM file with the certificate of a controller.

    Raises `ConfigurationError` if the file is not such a certificate, or the certificate has expired.
    """
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        key = certificate.public_key()
    except (OSError, ValueError) as error:
        problem = f"the certificate cannot be read: {error}"
        raise ConfigurationError(problem, where=str(path), hint=_HINT) from None
    if not isinstance(key, RSAPublicKey):
        raise ConfigurationError("the certificate has no RSA key", where=str(path), hint=_HINT)
    if certificate.not_valid_after_utc < datetime.now(UTC):
        day = certificate.not_valid_after_utc.date()
        raise ConfigurationError(f"the certificate expired on {day}", where=str(path), hint=_HINT)
    return key


def seal(value: bytes, key: RSAPublicKey, namespace: str, name: str) -> str:
    """Return the encrypted value for the Secret `name` in a namespace, as base64."""
    session = AESGCM.generate_key(_KEY_BITS)
    padding = OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=f"{namespace}/{name}".encode())
    wrapped = key.encrypt(session, padding)
    content = len(wrapped).to_bytes(2, "big") + wrapped + AESGCM(session).encrypt(_NONCE, value, None)
    return base64.b64encode(content).decode("ascii")


def read_sealed(path: Path) -> dict[str, dict[str, str]]:
    """Return the encrypted values in the file of an earlier export; empty if the file is missing.

    Raises `ConfigurationError` if the file has another content.
    """
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        return {
            str(document["metadata"]["name"]): {
                str(key): str(value) for key, value in document["spec"]["encryptedData"].items()
            }
            for document in documents
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"the sealed secrets cannot be read: {error!r}",
            where=str(path),
            hint="Restore the file from version control, or remove it: new passwords are then generated.",
        ) from None


def sealed_secrets(
    required: Mapping[str, Sequence[str]],
    present: Sealed,
    values: Mapping[str, Mapping[str, str]],
    key: RSAPublicKey,
    namespace: str,
) -> dict[str, dict[str, str]]:
    """Return the encrypted values; `required` maps the name of each Secret to the keys that it must have.

    Values in `present` stay as they are. Other values come from `values`; a Secret without an entry there
    gets random values.

    Raises `ConfigurationError` if `values` has an entry for a Secret, but not a value for a key.
    """
    sealed: dict[str, dict[str, str]] = {}
    for name, keys in required.items():
        kept = {variable: value for variable, value in present.get(name, {}).items() if variable in keys}
        plain = values.get(name)
        if plain is None:
            plain = {variable: secrets.token_hex(_BYTES) for variable in keys}
        if missing := [variable for variable in keys if variable not in kept and variable not in plain]:
            raise ConfigurationError(
                f"the Secret {name} needs the variables {', '.join(missing)}, which are not set",
                hint="Set them for this command, or in .env; only their encrypted values are written.",
            )
        sealed[name] = {
            variable: kept.get(variable) or seal(plain[variable].encode(), key, namespace, name)
            for variable in keys
        }
    return sealed
