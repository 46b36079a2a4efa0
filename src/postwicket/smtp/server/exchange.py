"""An AUTH exchange on the wire (RFC 4954): base64 around a mechanism's conversation."""

from __future__ import annotations

import binascii

from postwicket.core.reply import Reply

from . import replies
from .events import Authenticate
from .sasl import MECHANISMS


class Exchange:
    """One sign-in: give it what the client says, get a challenge, a refusal or the claim."""

    __slots__ = ("_challenge", "_mechanism", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._mechanism = MECHANISMS[name]()
        self._challenge = next(self._mechanism)

    def begin(self, initial_response: str | None) -> Reply | Authenticate:
        """Start, with the response that came with AUTH itself if there was one."""
        if initial_response is None:
            return self._ask()
        return self.respond(b"" if initial_response == "=" else initial_response.encode())

    def respond(self, line: bytes) -> Reply | Authenticate:
        """Take one line of the client.  A 334 means that the exchange goes on."""
        if line == b"*":
            return replies.AUTH_CANCELLED
        try:
            response = binascii.a2b_base64(line, strict_mode=True)
        except binascii.Error:
            return replies.AUTH_NOT_BASE64
        try:
            self._challenge = self._mechanism.send(response)
        except StopIteration as ended:
            return Authenticate(self._name, ended.value)
        except ValueError:
            return replies.AUTH_MALFORMED
        return self._ask()

    def _ask(self) -> Reply:
        return Reply(334, None, binascii.b2a_base64(self._challenge, newline=False).decode())
