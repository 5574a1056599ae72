"""Signatures, held against OpenSSL: what one says of them, the other says, too."""

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.export.signing import SignatureError, Signer, load_certificates, verify
from tests.unit.export.certificates import NOW, Identity

DATA = "Grüße\r\n".encode() * 100


def openssl(folder: Path, data: bytes, signature: bytes, trusted: Path) -> bool:
    """What ``openssl cms`` says."""
    (folder / "data").write_bytes(data)
    (folder / "signature").write_bytes(signature)
    arguments: list[str | Path] = ["cms", "-verify", "-binary", "-inform", "DER", "-in", folder / "signature"]
    arguments += ["-content", folder / "data", "-CAfile", trusted, "-out", folder / "out"]
    found = subprocess.run(["openssl", *arguments], capture_output=True, check=False)
    return found.returncode == 0


def ours(data: bytes, signature: bytes, trusted: Path) -> bool:
    try:
        verify(data, signature, load_certificates(trusted), NOW)
    except SignatureError:
        return False
    return True


def signed(identity: Identity, data: bytes = DATA) -> bytes:
    return Signer.load(identity.key_file, identity.file).sign(data)


@pytest.mark.conforms("RFC2779:2.5.1", "RFC2779:5.4.7", "RFC2779:5.4.9", "RFC3862:5.2")
def test_what_is_signed_holds_and_what_was_changed_does_not(tmp_path: Path) -> None:
    archive = Identity(tmp_path, "archive")
    signature = signed(archive)
    assert openssl(tmp_path, DATA, signature, archive.file)
    found = verify(DATA, signature, [archive.certificate], NOW)
    assert str(found).startswith("CN=archive, ")
    assert found.when is not None
    assert abs(found.when - NOW) < timedelta(minutes=10)
    for changed in (DATA[:-1], DATA + b"x", b"", DATA.replace(b"G", b"g", 1)):
        assert not openssl(tmp_path, changed, signature, archive.file)
        assert not ours(changed, signature, archive.file)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Identity, bytes]:
    archive = Identity(tmp_path_factory.mktemp("one"), "archive")
    return archive, signed(archive)


@settings(max_examples=300, deadline=None)
@given(where=st.integers(0, 10**6), bits=st.integers(1, 255))
def test_one_octet_of_a_signature(one: tuple[Identity, bytes], where: int, bits: int) -> None:
    """Where OpenSSL refuses, so is it here; and nothing else comes out than our own error."""
    archive, made = one
    signature = bytearray(made)
    signature[where % len(signature)] ^= bits
    if ours(DATA, bytes(signature), archive.file):
        assert openssl(archive.file.parent, DATA, bytes(signature), archive.file)


@given(st.binary(max_size=300))
@example(b"")
@example(b"\x30\x80")
def test_any_bytes_are_no_signature(data: bytes) -> None:
    with pytest.raises(SignatureError):
        verify(DATA, data, [], NOW)


def test_a_chain_up_to_who_is_trusted(tmp_path: Path) -> None:
    root = Identity(tmp_path, "root", ca=True)
    middle = Identity(tmp_path, "middle", root, ca=True)
    archive = Identity(tmp_path, "archive", middle)
    archive.file.write_bytes(archive.file.read_bytes() + middle.file.read_bytes())
    signature = signed(archive)
    assert openssl(tmp_path, DATA, signature, root.file)
    assert ours(DATA, signature, root.file)
    stranger = Identity(tmp_path, "stranger", ca=True)
    assert not openssl(tmp_path, DATA, signature, stranger.file)
    with pytest.raises(SignatureError, match="nobody whom you trust vouches for CN=archive: name them with --trust"):
        verify(DATA, signature, [stranger.certificate], NOW)


def test_who_is_no_authority_vouches_for_nobody(tmp_path: Path) -> None:
    person = Identity(tmp_path, "person", ca=False)
    archive = Identity(tmp_path, "archive", person)
    signature = signed(archive)
    assert not openssl(tmp_path, DATA, signature, person.file)
    assert not ours(DATA, signature, person.file)


def test_a_certificate_that_is_over(tmp_path: Path) -> None:
    archive = Identity(tmp_path, "archive", days=-1)
    signature = signed(archive)
    assert not openssl(tmp_path, DATA, signature, archive.file)
    with pytest.raises(SignatureError, match="is not valid now"):
        verify(DATA, signature, [archive.certificate], NOW)


@pytest.mark.parametrize(
    ("extension", "good"),
    [
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.KeyUsage(True, False, False, False, False, False, False, False, False), True),
        (x509.KeyUsage(False, False, True, False, False, False, False, False, False), False),
        (x509.SubjectAlternativeName([x509.UniformResourceIdentifier("im:rialto@example.org")]), True),
    ],
)
def test_what_a_certificate_is_for(tmp_path: Path, extension: x509.ExtensionType, good: bool) -> None:
    root = Identity(tmp_path, "root", ca=True)
    archive = Identity(tmp_path, "archive", root, extensions=(extension,))
    signature = signed(archive)
    assert openssl(tmp_path, DATA, signature, root.file) is good
    assert ours(DATA, signature, root.file) is good


def test_a_key_of_another_kind_is_refused_with_what_to_do(tmp_path: Path) -> None:
    for key in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())):
        other = Identity(tmp_path, "other", key=key)
        with pytest.raises(SignatureError, match=r"not a key on P-256, .* openssl ecparam -name prime256v1"):
            Signer.load(other.key_file, other.file)


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    one, two = Identity(tmp_path, "one"), Identity(tmp_path, "two")
    with pytest.raises(SignatureError, match=r"two.pem: the first certificate there is not of the key .*one.key.pem"):
        Signer.load(one.key_file, two.file)
    with pytest.raises(SignatureError, match=r"no private key in PEM"):
        Signer.load(one.file, one.file)
    with pytest.raises(SignatureError, match=r"no certificate in PEM"):
        Signer.load(one.key_file, tmp_path / "nothing")
