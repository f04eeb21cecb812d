"""Sealed secrets: only the controller can decrypt them, and only for the Secret that they are sealed for."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra_runtime.errors import ConfigurationError

pytest.importorskip("cryptography", reason="the minimal profile has no cryptography")
pytest.importorskip("yaml", reason="the minimal profile has no YAML parser")

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from fakes.sealing import new_key, unsealed, write_certificate
from infra_runtime.engines.kubernetes.sealing import read_certificate, read_sealed, seal, sealed_secrets


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """Return the private key of the controller."""
    return new_key()


def test_the_controller_decrypts_a_value_for_the_same_secret_only(key: rsa.RSAPrivateKey) -> None:
    text = seal("pässword".encode(), key.public_key(), "shop", "shop-secrets")
    again = seal("pässword".encode(), key.public_key(), "shop", "shop-secrets")

    assert unsealed(text, key, "shop/shop-secrets") == "pässword"
    assert again != text
    for label in ("shop/other", "other/shop-secrets", ""):
        with pytest.raises(ValueError, match="ecryption failed"):
            unsealed(text, key, label)


def test_a_changed_value_is_not_decrypted(key: rsa.RSAPrivateKey) -> None:
    text = seal(b"password", key.public_key(), "shop", "shop-secrets")

    with pytest.raises(InvalidTag):
        unsealed(text[:-4] + "AAA=", key, "shop/shop-secrets")


def test_present_values_are_kept_and_missing_ones_are_sealed(key: rsa.RSAPrivateKey) -> None:
    required = {"shop-variables": ["KEY", "OLD"], "shop-secrets": ["postgres-password"]}
    present = {"shop-variables": {"OLD": "c2VhbGVk", "GONE": "Z29uZQ=="}}
    values = {"shop-variables": {"KEY": "abc"}}

    sealed = sealed_secrets(required, present, values, key.public_key(), "shop")

    assert sealed["shop-variables"]["OLD"] == "c2VhbGVk"
    assert sealed["shop-variables"].keys() == {"KEY", "OLD"}
    assert unsealed(sealed["shop-variables"]["KEY"], key, "shop/shop-variables") == "abc"
    assert len(unsealed(sealed["shop-secrets"]["postgres-password"], key, "shop/shop-secrets")) == 48


def test_a_variable_that_is_not_set_is_an_error(key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(ConfigurationError, match="needs the environment variables KEY, which are not set"):
        sealed_secrets({"v": ["KEY"]}, {}, {"v": {}}, key.public_key(), "shop")


def test_only_a_valid_certificate_with_an_rsa_key_is_accepted(key: rsa.RSAPrivateKey, tmp_path: Path) -> None:
    path = tmp_path / "controller.pem"

    def problem() -> str:
        with pytest.raises(ConfigurationError) as error:
            read_certificate(path)
        assert error.value.where == str(path)
        assert "kubeseal --fetch-cert" in error.value.hint
        return error.value.message

    assert "cannot be read" in problem()
    path.write_text("-----BEGIN CERTIFICATE-----\n")
    assert "cannot be read" in problem()
    write_certificate(path, ec.generate_private_key(ec.SECP256R1()))
    assert "has no RSA key" in problem()
    write_certificate(path, key, days=-3)
    assert "expired on" in problem()
    write_certificate(path, key)
    assert read_certificate(path).public_numbers() == key.public_key().public_numbers()


@pytest.mark.parametrize("text", ["- 1\n", "kind: Secret\n", "a: [\n", "metadata: {name: a}\nspec: {}\n"])
def test_a_file_with_another_content_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sealed-secrets.yaml"
    path.write_text(text)

    assert read_sealed(tmp_path / "missing.yaml") == {}
    with pytest.raises(ConfigurationError, match="the sealed secrets cannot be read"):
        read_sealed(path)
