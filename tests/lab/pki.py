"""A certificate authority for one lab: a server's and a client's certificate, as PEM files."""

from __future__ import annotations

import datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Pki:
    """``ca.pem``, ``server.pem``, ``server.key``, ``client.pem`` and ``client.key`` in ``folder``.

    P-256 by default; RSA certificates are large enough that an IKE_AUTH message does not fit one packet.
    """

    def __init__(self, folder: Path, addresses: tuple[str, ...], use_rsa: bool = False) -> None:
        self.folder = folder
        self._use_rsa = use_rsa
        self._authority_key = self._new_key()
        self._authority = _name("Lab Authority")
        self._issue("ca", self._authority, self._authority_key, None, ())
        self._issue("server", _name("server.lab"), self._new_key(), ExtendedKeyUsageOID.SERVER_AUTH, addresses)
        self._issue("client", _name("client.lab"), self._new_key(), ExtendedKeyUsageOID.CLIENT_AUTH, ())

    def path(self, name: str) -> Path:
        """The file of that name, which must exist."""
        return (self.folder / name).resolve(strict=True)

    def _new_key(self) -> PrivateKey:
        if self._use_rsa:
            return rsa.generate_private_key(public_exponent=65537, key_size=3072)
        return ec.generate_private_key(ec.SECP256R1())

    def _issue(
        self,
        file: str,
        subject: x509.Name,
        key: PrivateKey,
        usage: x509.ObjectIdentifier | None,
        addresses: tuple[str, ...],
    ) -> None:
        now = datetime.datetime.now(datetime.UTC)
        authority = usage is None
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._authority)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._authority_key.public_key()),
                critical=False,
            )
            .add_extension(_usage(authority), critical=True)
        )
        if usage is not None:
            (common_name,) = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            names: list[x509.GeneralName] = [x509.DNSName(str(common_name.value))]
            names += [x509.IPAddress(ip_address(address)) for address in addresses]
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False).add_extension(
                x509.SubjectAlternativeName(names), critical=False
            )
        certificate = builder.sign(self._authority_key, hashes.SHA256())
        (self.folder / f"{file}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        if not authority:
            path = self.folder / f"{file}.key"
            path.touch(mode=0o600)
            path.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
