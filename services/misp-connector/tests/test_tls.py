"""TLS to a MISP server: the certificate is checked for the host's name although the guard connects to an address."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from misp_double import MispDouble
from misp_harness import Connector


def self_signed(folder: Path, host: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{host}.pem"
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    return path


@pytest.mark.parametrize(
    ("host", "trusted", "options", "works"),
    [
        ("localhost", True, {}, True),
        ("localhost", False, {}, False),
        ("elsewhere.example", True, {}, False),
        ("elsewhere.example", False, {"verify_tls": False}, True),
    ],
    ids=["trusted", "unknown authority", "wrong name", "not verified"],
)
async def test_a_certificate_counts_for_its_name_and_authority(
    connector: Connector, tmp_path: Path, host: str, trusted: bool, options: dict[str, Any], works: bool
) -> None:
    certificate = self_signed(tmp_path, host)
    with MispDouble(certificate=certificate) as misp:
        misp.state.add({"info": "x"})
        await connector.add("partner", misp.url, **({"ca_file": str(certificate)} if trusted else {}), **options)
        await connector.poll()
    assert len(await connector.sent()) == int(works)
    error = (await connector.state())["last_error"]
    assert error is None if works else "certificate" in error.lower()
