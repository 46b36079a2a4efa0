"""TLS as a layer of our own: `ssl.MemoryBIO` between a socket and a protocol, for both ends.

Feed it what the socket gave with `receive`, hand it what the protocol says with `send`, and
write out whatever `data_to_send` returns.  The buffers are ours, which is what lets the first
bytes of a connection be looked at, what makes STARTTLS injection impossible (nothing that was
read before the handshake can come out of it), and what tells a clean end from a cut.

It refuses by raising `TlsFailed`; an alert for the peer may then be waiting in `data_to_send`.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Sequence
from typing import Final

from postwicket.core.tls_verdict import TlsVerdict

LARGEST_READ: Final = 262_144  # octets of plaintext per call into OpenSSL
DISTRUSTED: Final = "certificate verify failed"
_ENCODING_DER: Final = 2  # X509_FILETYPE_ASN1, as `_ssl` has it
# X509_V_ERR_... of OpenSSL's x509_vfy.h; what is not here is a failure of no special kind.
_VERDICTS: Final = {
    2: TlsVerdict.NOT_TRUSTED,  # unable to get issuer certificate
    9: TlsVerdict.EXPIRED,  # not yet valid: no report has a word of its own for it
    10: TlsVerdict.EXPIRED,
    18: TlsVerdict.NOT_TRUSTED,  # self-signed
    19: TlsVerdict.NOT_TRUSTED,  # self-signed in chain
    20: TlsVerdict.NOT_TRUSTED,  # unable to get local issuer certificate
    21: TlsVerdict.NOT_TRUSTED,  # unable to verify the first certificate
    23: TlsVerdict.NOT_TRUSTED,  # revoked
    27: TlsVerdict.NOT_TRUSTED,  # untrusted
    62: TlsVerdict.HOST_MISMATCH,
    64: TlsVerdict.HOST_MISMATCH,  # IP address mismatch
}


class TlsFailed(Exception):
    """The handshake, a record or the judgement of a certificate failed.

    `reason` is OpenSSL's name for it, in lower case; `verdict` what TLS reports call it.
    """

    def __init__(
        self, reason: str, sentence: str, verdict: TlsVerdict = TlsVerdict.FAILED
    ) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.verdict = verdict

    @property
    def distrusted(self) -> bool:
        """True when the peer's certificate is at fault."""
        return self.reason == DISTRUSTED


class TlsLayer:
    """One TLS connection.  `secure` is true once the handshake is done."""

    __slots__ = ("_incoming", "_object", "_outgoing", "_waiting", "ended", "secure")

    def __init__(
        self, context: ssl.SSLContext, *, server_side: bool, server_hostname: str | None = None
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_side, server_hostname
        )
        self._waiting = bytearray()
        self.secure = False
        self.ended = False

    def start(self) -> None:
        """Begin the handshake; a client's first message is then in `data_to_send`."""
        self._shake_hands()

    def receive(self, data: bytes) -> bytes:
        """Take ciphertext from the socket and return the plaintext that is complete now."""
        self._incoming.write(data)
        if not self.secure and not self._shake_hands():
            return b""
        pieces = []
        try:
            # A read that finds nothing costs as much as one that does, so ask first.
            while self._incoming.pending or self._object.pending():
                piece = self._object.read(LARGEST_READ)
                if not piece:
                    self.ended = True
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as error:
            raise _explained(error) from None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def send(self, data: bytes) -> None:
        """Encrypt plaintext; what comes before the end of the handshake waits for it."""
        if not self.secure:
            self._waiting += data
        elif data:
            try:
                self._object.write(data)
            except ssl.SSLError as error:
                raise _explained(error) from None

    def data_to_send(self) -> bytes:
        """Return the ciphertext to write now, once."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def close(self) -> None:
        """Say a clean goodbye (close_notify); what is lost by not waiting for theirs is theirs."""
        if not self.secure:
            return
        with contextlib.suppress(ssl.SSLError):  # WantRead: ours is written, theirs has not come
            self._object.unwrap()

    @property
    def version(self) -> str:
        """The protocol version, as in `TLSv1.3`; empty before the handshake."""
        return self._object.version() or ""

    @property
    def cipher(self) -> str:
        """The cipher suite's name; empty before the handshake."""
        cipher = self._object.cipher()
        return cipher[0] if cipher else ""

    @property
    def bits(self) -> int:
        """The cipher's strength in bits; 0 before the handshake."""
        cipher = self._object.cipher()
        return cipher[2] or 0 if cipher else 0

    @property
    def description(self) -> str:
        """Version and cipher for the journal, as in `TLSv1.3 TLS_AES_256_GCM_SHA384`."""
        return f"{self.version} {self.cipher}".strip()

    @property
    def peer_certificate(self) -> bytes | None:
        """The peer's certificate in DER, or None."""
        return self._object.getpeercert(binary_form=True)

    @property
    def peer_chain(self) -> tuple[bytes, ...]:
        """The certificates that the peer sent, its own first, in DER; empty where it sent none.

        As they came: nothing has verified them or put them in order.
        """
        ask = getattr(self._object, "get_unverified_chain", None)
        if ask is None:  # before Python 3.13 it is there, only not public
            inner = getattr(self._object, "_sslobj", None)
            ask = getattr(inner, "get_unverified_chain", None)
        sent: Sequence[object] = (ask() or ()) if ask is not None else ()
        chain = tuple(_der(certificate) for certificate in sent)
        leaf = self.peer_certificate
        return chain or ((leaf,) if leaf is not None else ())

    def _shake_hands(self) -> bool:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise _explained(error) from None
        except (ValueError, OSError) as error:  # a server_hostname that is none
            raise TlsFailed("handshake failure", str(error)) from None
        self.secure = True
        if self._waiting:
            waiting, self._waiting = bytes(self._waiting), bytearray()
            self.send(waiting)
        return True


def _der(certificate: object) -> bytes:
    """Return a certificate in DER; Python hands out bytes or an object of its own."""
    if isinstance(certificate, bytes):
        return certificate
    return bytes(certificate.public_bytes(_ENCODING_DER))  # type: ignore[attr-defined]


def _explained(error: ssl.SSLError) -> TlsFailed:
    if isinstance(error, ssl.SSLCertVerificationError):
        verdict = _VERDICTS.get(error.verify_code, TlsVerdict.FAILED)
        return TlsFailed(DISTRUSTED, error.verify_message, verdict)
    reason = (error.reason or "tls error").replace("_", " ").lower()
    return TlsFailed(reason, f"TLS failed: {reason}")


def looks_like_client_hello(data: bytes) -> bool:
    r"""Say whether these first bytes begin a TLS handshake (RFC 8446, section 5.1).

    A handshake record is 22, 3, and a minor version; no SMTP command begins with octet 22.

    >>> looks_like_client_hello(b"\x16\x03\x01"), looks_like_client_hello(b"EHLO")
    (True, False)
    """
    return data[:1] == b"\x16" and data[1:2] in {b"", b"\x03"}
