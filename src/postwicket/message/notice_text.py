"""The part of a notice that people read: what happened, to whom, who said so, what to do.

Most who read it did not know that there is a mail server.  So: no codes of ours, the other
server's words as they are, and one thing to do next.  Lines are short, printable, and what a
stranger wrote is always indented.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from .dates import message_date
from .report import Action, Original, Result

_WIDTH: Final = 74  # characters of a line, where words allow it
_LONGEST_WORD: Final = 400  # characters; far below the 998 octets of a line even in UTF-8
LONGEST_WORDS: Final = 2000  # characters that a remote server may say in a notice

_TITLES: Final = {
    Action.FAILED: "Not delivered",
    Action.DELAYED: "Delayed, still trying",
    Action.DELIVERED: "Delivered",
    Action.RELAYED: "Passed on",
    Action.EXPANDED: "Delivered to a list",
}
_NEWS: Final = {
    Action.FAILED: "It could not be delivered to the following, and will not be tried again:",
    Action.DELAYED: "It has not been delivered to the following yet, but is still being tried:",
    Action.DELIVERED: "It has been delivered to:",
    Action.RELAYED: "It has been passed on, to a server that sends no confirmations, for:",
    Action.EXPANDED: "It has been delivered to the following list and goes to its members:",
}
_NOTHING: Final = "nothing; this is only to tell you"

# By enhanced status (RFC 3463) without its class: the detail first, then the subject.
_ADVICE: Final = {
    "1.1": "check the address for typing mistakes, or ask the person for the right one",
    "1.2": "check what stands after the @ for typing mistakes",
    "1.10": "do not write to this address: its domain takes no mail",
    "1": "check the address for typing mistakes",
    "2.1": "reach the person in another way: the mailbox is closed",
    "2.2": "reach the person in another way and say that the mailbox is full",
    "2.3": "send less, or put the attachment somewhere and send its address",
    "2": "reach the person in another way: their mailbox does not take this mail",
    "3.4": "send less, or put the attachment somewhere and send its address",
    "3": "send it again later; the other server has a problem of its own",
    "4.5": "send it again tomorrow: a limit was reached",
    "4.6": "tell the administrators: mail goes round in a circle",
    "4": "check what stands after the @, and send it again later: no server answered there",
    "5": "tell your administrator: the two servers do not understand each other",
    "6.7": "ask the person for an address in plain letters: their server takes no others",
    "6": "send it in another form: the other server does not take this content",
    "7": "tell your administrator what the other server said: it does not want this mail",
}
_ADVICE_UNKNOWN: Final = "show this to your administrator if the words above do not help"


def title(results: Sequence[Result], subject: str) -> str:
    """Return the notice's subject, for people: the most serious news and the old subject."""
    actions = {result.action for result in results}
    news = next((text for action, text in _TITLES.items() if action in actions), "Notice")
    return f"{news}: {subject[:100]}" if subject else news


def plain_text(
    original: Original, results: Sequence[Result], *, hostname: str, subject: str
) -> str:
    """Return the text, lines ended by a line feed, printable otherwise."""
    return "\n".join((*_text(original, results, hostname=hostname, subject=subject), ""))


def _text(
    original: Original, results: Sequence[Result], *, hostname: str, subject: str
) -> Iterator[str]:
    about = f'with the subject "{subject[:200]}"' if subject else "without a subject"
    when = message_date(original.received).decode("ascii")
    sentence = f"This is the mail server {hostname}. You sent a message {about} on {when}."
    yield from _wrapped(sentence, "")
    for action, news in _NEWS.items():
        concerned = [result for result in results if result.action is action]
        if concerned:
            yield from ("", news)
        for result in concerned:
            yield ""
            yield from _story(result)
    yield from ("", "The details for administrators follow, then your message or its header.")
    yield f"Ask them about the message {original.queue_id}."


def _story(result: Result) -> Iterator[str]:
    yield from _wrapped(str(result.recipient.address), "  ")
    if result.diagnostic:
        yield from _wrapped(f"{result.remote or 'The other server'} said:", "    ")
        yield from _wrapped(result.diagnostic[:LONGEST_WORDS], "      ")
    if result.why:
        word = "Meaning" if result.diagnostic else "Reason"
        yield from _wrapped(f"{word}: {result.why[:LONGEST_WORDS]}", "    ")
    if result.action is Action.DELAYED and result.retry_until is not None:
        until = message_date(result.retry_until).decode("ascii")
        yield from _wrapped(f"We keep trying until {until}.", "    ")
    yield from _wrapped(f"What you can do: {_advice(result)}.", "    ")


def _advice(result: Result) -> str:
    if result.action is Action.DELAYED:
        return "nothing now; you will hear again if it cannot be delivered"
    if result.action is not Action.FAILED:
        return _NOTHING
    detail = result.status.partition(".")[2]
    found = _ADVICE.get(detail) or _ADVICE.get(detail.partition(".")[0])
    return found or _ADVICE_UNKNOWN


def _wrapped(text: str, indent: str) -> Iterator[str]:
    """Yield printable lines; line ends of the text count as spaces."""
    line = ""
    for word in pieces(text, _LONGEST_WORD):
        if line and len(indent) + len(line) + 1 + len(word) > _WIDTH:
            yield indent + line
            line = word
        else:
            line = f"{line} {word}" if line else word
    if line:
        yield indent + line


def pieces(text: str, longest: int) -> Iterator[str]:
    """Yield the words of a text, what is not printable as "?", none longer than `longest`."""
    for word in text.split():
        clean = "".join(char if char.isprintable() else "?" for char in word)
        yield from (clean[start : start + longest] for start in range(0, len(clean), longest))
