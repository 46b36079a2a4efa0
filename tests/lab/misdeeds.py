"""What receivers do that they should not: a coroutine for each, over one connection."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

from .hostile import HANG_UP, OFFERS, Gone, Misdeed, Talk

STAGES: Final = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", ".")
PAUSE: Final = 0.1  # seconds between two octets, or two lines, of one that takes its time
_BIG: Final = b"x" * 500


def polite(*more: str, tls: ssl.SSLContext | None = None) -> Misdeed:
    """Do nothing wrong, with TLS where a context is given, and offer some more."""
    return offering(*OFFERS, *more, tls=tls)


def offering(*offers: str, tls: ssl.SSLContext | None = None) -> Misdeed:
    """Do nothing wrong, and offer just this in the reply to EHLO."""

    async def misdeed(talk: Talk) -> None:
        await talk.converse(offers=offers, tls=tls)

    return misdeed


def says(stage: str, reply: str | bytes) -> Misdeed:
    """Say something at one stage, and be polite before and after."""

    async def misdeed(talk: Talk) -> None:
        await talk.converse({stage: reply})

    return misdeed


def hangs_up(stage: str) -> Misdeed:
    """Close the connection where a reply was due."""
    return says(stage, HANG_UP)


def goes_away(stage: str) -> Misdeed:
    """Say 421 and close the connection (RFC 5321, section 3.8)."""

    async def misdeed(talk: Talk) -> None:
        def reply(_command: str) -> str:
            asyncio.get_running_loop().call_soon(talk.writer.transport.close)
            return "421 4.3.2 shutting down"

        await talk.converse({stage: reply})

    return misdeed


def picks(command: str) -> str:
    """Take some recipients, and refuse others for now or for ever, by their local part."""
    if "gone" in command:
        return "550 5.1.1 no such person here"
    if "full" in command:
        return "452 4.2.2 this mailbox is full"
    return "250 2.1.5 ok"


async def picks_recipients(talk: Talk) -> None:
    """Take one and refuse another."""
    await talk.converse({"RCPT": picks})


async def endless_reply(talk: Talk) -> None:
    """Never come to the last line of the reply to EHLO, as quickly as the network takes it."""
    await talk.say("220 hostile ESMTP")
    await talk.command()
    while True:
        await talk.say("250-" + "and so on " * 40)


async def endless_line(talk: Talk) -> None:
    """Never end a line."""
    while True:
        await talk.say(b"220 " + _BIG)


async def huge_banner(talk: Talk) -> None:
    """Greet with a megabyte."""
    for _ in range(2000):
        await talk.say(b"220-" + _BIG + b"\r\n")
    await talk.converse()


async def bare_line_feeds(talk: Talk) -> None:
    """End the lines of all replies as no RFC allows."""
    replies = {
        "greeting": b"220-hostile\n220 ESMTP\n",
        "EHLO": b"250-hostile\n250-PIPELINING\n250 8BITMIME\n",
        "MAIL": b"250 ok\n",
        "RCPT": b"250 ok\n",
        "DATA": b"354 go\n",
        ".": b"250 2.0.0 taken\n",
        "QUIT": b"221 bye\n",
    }
    await talk.converse(replies)


async def octet_by_octet(talk: Talk) -> None:
    """Take one's time for every octet of the greeting, for ever."""
    while True:
        await talk.say(b"2")
        await asyncio.sleep(PAUSE)


async def line_by_line(talk: Talk) -> None:
    """Take one's time for every line of the reply to a message, for ever."""
    await talk.say("220 hostile ESMTP")
    while not (await talk.command()).upper().startswith("DATA"):
        await talk.say("250 ok")
    await talk.say("354 go")
    await talk.content()
    while True:
        await talk.say("250-wait")
        await asyncio.sleep(PAUSE)


async def never_greets(talk: Talk) -> None:
    """Say nothing at all."""
    await talk.silence()


async def garbage_for_tls(talk: Talk) -> None:
    """Answer a handshake with something else; without TLS, be polite."""

    async def handshake(talk: Talk) -> None:
        await talk.reader.read(65_536)
        await talk.say(b"500 what is this?\r\n" * 10)
        raise Gone

    await talk.converse(tls=handshake)


async def injects_behind_starttls(talk: Talk) -> None:
    """Say more than one was asked for just before the handshake; without TLS, be polite."""
    await talk.converse(
        {"STARTTLS": b"220 go\r\n250-hostile\r\n250 AUTH PLAIN\r\n"}, tls=Talk.silence
    )


async def stalls_tls(talk: Talk) -> None:
    """Never answer a handshake; without TLS, be polite."""
    await talk.converse(tls=Talk.silence)


async def refuses_tls(talk: Talk) -> None:
    """Offer STARTTLS, and then not have it."""
    await talk.converse({"STARTTLS": "454 4.7.0 TLS not available"}, tls=Talk.silence)


async def says_too_much(talk: Talk) -> None:
    """Answer each command twice."""
    await talk.say("220 hostile ESMTP")
    while True:
        command = (await talk.command()).upper()
        if command.startswith("EHLO"):
            await talk.say("250-hostile\r\n250 PIPELINING")
        elif command.startswith("DATA"):
            await talk.say("354 go\r\n250 2.0.0 taken\r\n250 2.0.0 taken")
            await talk.content()
        else:
            await talk.say("250 ok\r\n250 ok")


async def takes_without_354(talk: Talk) -> None:
    """Say 250 to DATA."""
    await talk.converse({"DATA": "250 thank you"})


async def never_reads_the_message(talk: Talk) -> None:
    """Read nothing of the message, so that it cannot be written either."""
    await talk.say("220 hostile ESMTP")
    while not (await talk.command()).upper().startswith("DATA"):
        await talk.say("250 ok")
    await talk.say("354 go")
    talk.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(60)
