"""Where direct delivery gets its directions: names, safety and sites of one configuration."""

from __future__ import annotations

from postwicket.config.settings import Settings
from postwicket.core.reply import Reply
from postwicket.net.certificates import client_context
from postwicket.net.tls_plan import TlsPlan
from postwicket.smtp.client.answer import Answer, Stage
from postwicket.storage.values import Message

from .destination import Destination, Exchanger
from .dialling import Target
from .direct import Guide
from .exchanger_host import Opportunistic, Security
from .sites import Sites


def guide_for(settings: Settings) -> Guide:
    """Return what direct delivery has to be told under these settings."""
    context = client_context(None, verify=False)

    async def find(domain: str) -> Destination | Answer:
        for host in settings.host:
            if host.name == domain:
                address, port = host.target
                port = port or settings.delivery.port
                target = Target(address, port, f"{domain}[{address}]:{port}")
                exchanger = Exchanger(
                    name=domain, preference=0, addresses=(target,), port=port, canonical=domain
                )
                return Destination(domain=domain, exchangers=(exchanger,), implicit=True)
        text = f"{domain} is not among [[host]], and DNS is not asked yet"
        return Answer(Stage.CONNECT, Reply(451, (4, 3), text), ours=True)

    async def secure(_: Destination, __: Exchanger, ___: Message) -> Security:
        return Opportunistic()

    def tls(exchanger: Exchanger, _: Security) -> TlsPlan:
        return TlsPlan(context, exchanger.name, verified=False)

    return Guide(
        hostname=settings.hostname,
        find=find,
        secure=secure,
        tls=tls,
        sites=Sites(settings.destination, workers=settings.worker_count),
    )
