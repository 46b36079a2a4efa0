"""The one taxonomy of failure: which thing failed.

Sessions, policy, queue, delivery, logs and documents all use these words and no others.
"""

from __future__ import annotations

from enum import Enum


class Cause(Enum):
    """Which thing failed."""

    AUTHENTICATION = "authentication"
    ENCRYPTION = "encryption"
    RATE = "rate"
    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"
    SIZE = "size"
    POLICY = "policy"
    REPUTATION = "reputation"
    DNS = "dns"
    NETWORK = "network"
    PROTOCOL = "protocol"
    SERVER = "server"
