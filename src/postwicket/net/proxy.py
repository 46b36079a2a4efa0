"""The PROXY protocol, versions 1 and 2, without a socket: who is behind the load balancer.

Feed the first bytes of a connection to a `ProxyReader` until it returns a `ProxyHeader`.  It
is for peers that are configured to send the header and for nobody else: the header is
required of them, and believed.  What is not a header raises `ProxyFault`; memory is bounded
by `LONGEST`.  Source: haproxy.org, proxy-protocol.txt, sections 2.1 and 2.2.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from typing import Final

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
LONGEST_LINE: Final = 107  # section 2.1, CR LF included
LONGEST: Final = 16 + 16_384  # the format allows 64 KiB of extras; certificates stay below this

_V1: Final = b"PROXY "
_V2_HEAD: Final = struct.Struct("!12sBBH")
_V2_TCP4: Final = struct.Struct("!4s4sHH")
_V2_TCP6: Final = struct.Struct("!16s16sHH")
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21
_NO_ADDRESS: Final = (0x00, 0x31)  # unspecified, and a UNIX stream: nothing we could use


class ProxyFault(Exception):
    """The peer did not send a PROXY header although it must; says what came instead."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """Who connected: `source` is (address, port), or None when the balancer speaks for itself.

    `rest` are the bytes after the header: the connection proper.
    """

    source: tuple[str, int] | None
    rest: bytes


class ProxyReader:
    """Reads one header; done when `feed` has returned it."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> ProxyHeader | None:
        """Return the header, or None while more is needed; raise `ProxyFault`."""
        self._buffer += data
        buffer = self._buffer
        if buffer.startswith(SIGNATURE):
            return _version_2(buffer)
        if buffer.startswith(_V1):
            return _version_1(buffer)
        if SIGNATURE.startswith(buffer) or _V1.startswith(buffer):
            return None
        raise ProxyFault("the connection does not begin with a PROXY header")


def _version_1(buffer: bytes) -> ProxyHeader | None:
    end = buffer.find(b"\r\n", 0, LONGEST_LINE)
    if end < 0:
        if len(buffer) >= LONGEST_LINE:
            raise ProxyFault(f"the PROXY line is longer than {LONGEST_LINE} octets")
        return None
    rest = buffer[end + 2 :]
    try:
        words = buffer[:end].decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise ProxyFault("the PROXY line is not ASCII") from None
    if words[1] == "UNKNOWN":
        return ProxyHeader(None, rest)
    if words[1] not in {"TCP4", "TCP6"} or len(words) != 6:
        raise ProxyFault("the PROXY line is not 'PROXY TCP4|TCP6 source destination port port'")
    source = _text_address(words[1], words[2])
    _text_address(words[1], words[3])
    port = _text_port(words[4])
    _text_port(words[5])
    return ProxyHeader((source, port), rest)


def _text_address(family: str, text: str) -> str:
    try:
        if family == "TCP4":
            return str(ipaddress.IPv4Address(text))
        if "%" not in text:  # a scope means nothing on another machine
            return _plain(ipaddress.IPv6Address(text))
    except ValueError:
        pass
    raise ProxyFault(f"{text!r} in the PROXY line is not a {family} address")


def _text_port(text: str) -> int:
    # Leading zeros are forbidden (section 2.1); isdigit alone would let other scripts pass.
    if text.isascii() and text.isdigit() and len(text) <= 5 and text == str(int(text)):
        port = int(text)
        if port <= 65_535:
            return port
    raise ProxyFault(f"{text!r} in the PROXY line is not a port")


def _version_2(buffer: bytes) -> ProxyHeader | None:
    if len(buffer) < _V2_HEAD.size:
        return None
    _, command, family, length = _V2_HEAD.unpack_from(buffer)
    if command not in {_LOCAL, _PROXY}:
        raise ProxyFault(f"PROXY version and command 0x{command:02x} are not known")
    end = _V2_HEAD.size + length
    if end > LONGEST:
        raise ProxyFault(f"the PROXY header is longer than {LONGEST} octets")
    if len(buffer) < end:
        return None
    rest = buffer[end:]
    if command == _LOCAL or family in _NO_ADDRESS:
        return ProxyHeader(None, rest)
    return ProxyHeader(_binary_source(family, buffer[_V2_HEAD.size : end]), rest)


def _binary_source(family: int, block: bytes) -> tuple[str, int]:
    layout = {_TCP4: _V2_TCP4, _TCP6: _V2_TCP6}.get(family)
    if layout is None:
        raise ProxyFault(f"PROXY address family 0x{family:02x} is not TCP")
    if len(block) < layout.size:
        raise ProxyFault("the PROXY header is too short for its addresses")
    source, _, port, _ = layout.unpack_from(block)
    address = (
        str(ipaddress.IPv4Address(source))
        if family == _TCP4
        else _plain(ipaddress.IPv6Address(source))
    )
    return address, port


def _plain(address: ipaddress.IPv6Address) -> str:
    """Return an IPv4 address in IPv6 clothes as what it is, so that limits count it once."""
    mapped = address.ipv4_mapped
    return str(address if mapped is None else mapped)
