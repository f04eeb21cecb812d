"""Sealed secrets: values for files in version control that only the controller of a cluster can decrypt.

A value is encrypted with a new AES key, and this key with the certificate of the controller. The namespace
and the name of the Secret are input of the encryption (the scope `strict`), so that another Secret cannot use
the encrypted value. Source: bitnami-labs/sealed-secrets, "Sealed Secrets Crypto".
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
        hint="Install the library with `python -m pip install 'pytest-infra[kubernetes]'`.",
    ) from error

_KEY_BITS = 256
#: an AES key encrypts one value only, so the nonce can be constant
_NONCE = bytes(12)
#: the number of random bytes of a generated password
_BYTES = 24
_HINT = "`kubeseal --fetch-cert` prints the certificate of the controller in your cluster."

#: name of a Secret → key → encrypted value
Sealed = Mapping[str, Mapping[str, str]]


def read_certificate(path: Path) -> RSAPublicKey:
    """Return the public key in a PEM file with the certificate of a controller.

    Raises `ConfigurationError` if the file contains no certificate with an RSA key, or if the certificate has
    expired.
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
    """Return a value, encrypted for the Secret `name` in a namespace, as base64 text."""
    aes_key = AESGCM.generate_key(_KEY_BITS)
    padding = OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=f"{namespace}/{name}".encode())
    encrypted_key = key.encrypt(aes_key, padding)
    content = (
        len(encrypted_key).to_bytes(2, "big") + encrypted_key + AESGCM(aes_key).encrypt(_NONCE, value, None)
    )
    return base64.b64encode(content).decode("ascii")


def read_sealed(path: Path) -> dict[str, dict[str, str]]:
    """Return the encrypted values in the file of an earlier export; empty if the file is missing.

    Raises `ConfigurationError` if the file is not a file of sealed secrets.
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
            hint="Restore the file from version control, or remove it to generate new passwords.",
        ) from None


def sealed_secrets(
    required: Mapping[str, Sequence[str]],
    present: Sealed,
    values: Mapping[str, Mapping[str, str]],
    key: RSAPublicKey,
    namespace: str,
) -> dict[str, dict[str, str]]:
    """Return the encrypted values of all Secrets in `required`, which maps the name of a Secret to its keys.

    Values in `present`, which are already encrypted, do not change. The other values are taken from `values`,
    or are random if `values` does not contain the Secret. Raises `ConfigurationError` if `values` contains
    the Secret, and a key is neither in `present` nor in `values`.
    """
    sealed: dict[str, dict[str, str]] = {}
    for name, keys in required.items():
        unchanged_values = {
            variable: value for variable, value in present.get(name, {}).items() if variable in keys
        }
        plain_values = values.get(name)
        if plain_values is None:
            plain_values = {variable: secrets.token_hex(_BYTES) for variable in keys}
        if missing := [
            variable for variable in keys if variable not in unchanged_values and variable not in plain_values
        ]:
            raise ConfigurationError(
                f"the Secret {name} needs the environment variables {', '.join(missing)}, which are not set",
                hint="Set the variables for this command, or in .env; only encrypted values are written.",
            )
        sealed[name] = {
            variable: unchanged_values.get(variable)
            or seal(plain_values[variable].encode(), key, namespace, name)
            for variable in keys
        }
    return sealed
