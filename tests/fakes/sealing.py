"""The controller of sealed secrets: a key with its certificate, and the decryption of values."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def new_key() -> rsa.RSAPrivateKey:
    """Return the private key of a controller."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def write_certificate(path: Path, key: Key, *, days: int = 30) -> Path:
    """Write a certificate that is valid from yesterday, for `days` from now; if negative, it has expired."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sealed-secret")])
    start = datetime.now(UTC) - timedelta(days=max(1, -2 * days))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(datetime.now(UTC) + timedelta(days=days))
        .sign(key, SHA256())
    )
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    return path


def unsealed(text: str, key: rsa.RSAPrivateKey, label: str) -> str:
    """Return the value of an encrypted text. Raises an error if the label or a byte differs.

    Source: bitnami-labs/sealed-secrets, "Sealed Secrets Crypto": the length of the wrapped key in two bytes,
    the wrapped key (RSA-OAEP with SHA-256), and the value (AES-256-GCM, the nonce is 0).
    """
    content = base64.b64decode(text, validate=True)
    size = int.from_bytes(content[:2], "big")
    oaep = padding.OAEP(mgf=padding.MGF1(SHA256()), algorithm=SHA256(), label=label.encode())
    session = key.decrypt(content[2 : 2 + size], oaep)
    return AESGCM(session).decrypt(bytes(12), content[2 + size :], None).decode()
