"""Signatures of manifests: Ed25519 (RFC 8032), made with a key from a file, checked with the public key alone.

`manifest.sig` holds the 64 bytes of the signature of `manifest.json`, as `openssl pkeyutl -verify -rawin` reads them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

from oairunbook.record.archive.chain import MANIFEST, ArchiveError, newest, read_small, sha256
from oairunbook.record.archive.row import document

SIGNATURE = "manifest.sig"
_SIGNATURE_BYTES = 64
SIGN_KEY_VARIABLE = "OAIRUNBOOK_SIGN_KEY"
"""Names the file of the private key, where no option does."""

MAKE_A_KEY = "openssl genpkey -algorithm ed25519 -out sign.pem && openssl pkey -in sign.pem -pubout -out sign.pub"


class SigningKeyError(ValueError):
    """A key file cannot be used. The text says why, and holds nothing of the key."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs manifests."""

    key_id: str
    """The first 16 digits of the SHA-256 of the public key (DER, SubjectPublicKeyInfo)."""

    _key: Any

    def sign(self, manifest: bytes) -> bytes:
        """The 64 bytes of the signature."""
        return bytes(self._key.sign(manifest))


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Checks signatures."""

    key_id: str
    _key: Any

    def signed(self, manifest: bytes, signature: bytes) -> bool:
        """Whether the holder of the private key has signed this manifest."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._key.verify(signature, manifest)
        except InvalidSignature:
            return False
        return True


def sign_key_file(given: str, environment: Mapping[str, str] = os.environ) -> str:
    """The file of the private key: the one that was named, else that of `OAIRUNBOOK_SIGN_KEY`; empty for none."""
    return given or environment.get(SIGN_KEY_VARIABLE, "")


def load_signer(path: str) -> Signer | None:
    """The signer whose private key is in that file (PEM, not encrypted); None for an empty name.

    Raises:
        SigningKeyError: There is no such key.
    """
    if not path:
        return None
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read(path)
    # What a variable of that name holds is not repeated: somebody may have put the key itself there.
    path = _told(path)
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError as error:
        raise SigningKeyError(
            f"{path} is encrypted, and nobody is there to unlock it. Next: {MAKE_A_KEY}, readable by this user alone"
        ) from error
    except ValueError as error:
        raise SigningKeyError(f"{path} holds no private key in PEM. Next: {MAKE_A_KEY}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(
            f"{path} holds another kind of key, and records are signed by Ed25519. Next: {MAKE_A_KEY}"
        )
    return Signer(_key_id(key.public_key()), key)


def ends_the_signatures(archive: Path, sign_key: str) -> str:
    """What is to be said where the newest run of an archive is signed and the next one would not be; empty if all is well.

    Args:
        archive: Its folder or mirror.
        sign_key: The file of the key that is used, as `sign_key_file` gives it.
    """
    if sign_key:
        return ""
    try:
        last = newest(archive)
        manifest = read_small(f"{archive}/{last.run}/{MANIFEST}") if last else b""
    except (OSError, ArchiveError):
        return ""
    if not document(manifest).get("signed_by"):
        return ""
    return (
        "The runs before are signed, and this one will not be: `archive verify --public-key` will not pass any more. "
        f"Next: --sign-key FILE, or {SIGN_KEY_VARIABLE}."
    )


def lost(folder: str, manifest: Mapping[str, Any]) -> str:
    """What is to be said of a run whose manifest says that it is signed, and beside which no signature can be; empty if all is well."""
    if not manifest.get("signed_by"):
        return ""
    try:
        status = os.lstat(f"{folder}/{SIGNATURE}")
    except FileNotFoundError:
        return "has lost its signature"
    except OSError as error:
        return f"has a signature that cannot be read: {error.strerror}"
    whole = S_ISREG(status.st_mode) and status.st_size == _SIGNATURE_BYTES
    return "" if whole else "has something else in the place of its signature"


def load_public_keys(paths: Sequence[str]) -> tuple[PublicKey, ...]:
    """The public keys in those files (PEM).

    Raises:
        SigningKeyError: One of them is none.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    keys = []
    for path in paths:
        data = _read(path)
        try:
            key = load_pem_public_key(data)
        except ValueError as error:
            raise SigningKeyError(
                f"{path} holds no public key in PEM. Next: openssl pkey -in sign.pem -pubout -out sign.pub"
            ) from error
        if not isinstance(key, Ed25519PublicKey):
            raise SigningKeyError(f"{path} holds another kind of key, and records are signed by Ed25519")
        keys.append(PublicKey(_key_id(key), key))
    return tuple(keys)


def _key_id(public: Any) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))[:16]


def _told(path: str) -> str:
    return f"The file that {SIGN_KEY_VARIABLE} names" if path == os.environ.get(SIGN_KEY_VARIABLE) else path


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SigningKeyError(f"{_told(path)} cannot be read: {error.strerror}") from error
