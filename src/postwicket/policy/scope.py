"""Whom an answer concerns: one recipient, one message, or everybody behind a host."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from postwicket.smtp.client.answer import Stage


class Scope(Enum):
    """Whom an answer concerns."""

    HOST = "host"
    MESSAGE = "message"
    RECIPIENT = "recipient"


SCOPES: Final[Mapping[Stage, Scope]] = {
    Stage.ROUTE: Scope.RECIPIENT,
    Stage.CONNECT: Scope.HOST,
    Stage.GREETING: Scope.HOST,
    Stage.EHLO: Scope.HOST,
    Stage.STARTTLS: Scope.HOST,
    Stage.TLS: Scope.HOST,
    Stage.AUTH: Scope.HOST,
    Stage.MAIL: Scope.MESSAGE,
    Stage.RCPT: Scope.RECIPIENT,
    Stage.DATA: Scope.MESSAGE,
    Stage.CONTENT: Scope.MESSAGE,
    Stage.FINAL: Scope.MESSAGE,
    Stage.QUIT: Scope.HOST,
}
