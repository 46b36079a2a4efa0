"""What DNS says about this server itself: its name, its addresses, and the way back (PTR)."""

from __future__ import annotations

import ipaddress

from .finding import Finding, publish, unanswered
from .lookup import Resolver
from .publishing import Situation


async def examine_server(here: Situation, resolver: Resolver) -> list[Finding]:
    """Return the findings about the EHLO name and each address that mail leaves from."""
    if not here.addresses:
        words = f"{here.hostname} has no address in DNS: it is what this server says in EHLO"
        cure = f"publish an A record for {here.hostname}, or set [delivery] source_address"
        return [Finding("server", "wrong", words, cure)]
    found = []
    for address in here.addresses:
        found += await _address(here, address, resolver)
    return found


async def _address(here: Situation, address: str, resolver: Resolver) -> list[Finding]:
    six = ipaddress.ip_address(address).version == 6
    kind, look = ("AAAA", resolver.aaaa) if six else ("A", resolver.a)
    forward = await look(here.hostname)
    if address in forward.records:
        found = [Finding("server", "ok", f"{here.hostname} is {address}")]
    elif not forward.found and not forward.missing:
        found = [unanswered("server", forward)]
    else:
        words = f"{here.hostname} does not lead to {address}, from which mail leaves"
        found = [Finding("server", "wrong", words, publish(here.hostname, kind, address))]
    return [*found, await _way_back(here, address, resolver)]


async def _way_back(here: Situation, address: str, resolver: Resolver) -> Finding:
    """Look for the PTR, and whether it leads back (forward-confirmed)."""
    back = await resolver.ptr(address)
    if not back.found and not back.missing:
        return unanswered("PTR", back)
    cure = f"have the PTR of {address} set to {here.hostname} by whoever gave you the address"
    if not back.found:
        return Finding("PTR", "wrong", f"{address} has no PTR", cure)
    if here.hostname in back.records:
        return Finding("PTR", "ok", f"{address} leads back to {here.hostname}")
    six = ipaddress.ip_address(address).version == 6
    for name in back.records[:10]:
        if address in (await (resolver.aaaa if six else resolver.a)(name)).records:
            words = f"the PTR of {address} is {name}, not the name said in EHLO"
            return Finding("PTR", "note", words, cure)
    words = f"the PTR of {address} is {back.records[0]}, which does not lead back to it"
    return Finding("PTR", "wrong", words, cure)
