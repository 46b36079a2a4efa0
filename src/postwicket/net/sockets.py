"""What the kernel knows of a connection before the event loop does."""

from __future__ import annotations

import asyncio
import select


def has_input(transport: asyncio.BaseTransport) -> bool:
    """Say whether bytes have arrived that the loop has not got round to reading."""
    connected = transport.get_extra_info("socket")
    if connected is None or connected.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(connected.fileno(), select.POLLIN)
    return bool(poll.poll(0))
