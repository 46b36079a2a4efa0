"""The words by which people look for a message, as 64-bit numbers.

A number is a small key of even length whatever the word, so the index stays narrow; two words
that share one are told apart by looking at the message.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from .interfaces import Message


def words_of(message: Message) -> set[str]:
    """Return what the message can be found by: Message-ID, sender and recipients."""
    envelope = message.envelope
    words = {str(recipient.address).lower() for recipient in envelope.recipients}
    words.update((message.message_id.lower(), envelope.return_path.lower()))
    words.discard("")
    return words


def keys_of(message: Message) -> set[int]:
    """Return the keys of the message's words."""
    envelope = message.envelope
    keys = {key_of(str(recipient.address).lower()) for recipient in envelope.recipients}
    if envelope.sender.address:
        keys.add(key_of(envelope.return_path.lower()))
    if message.message_id:
        # Never seen again: it would only push others out of the cache.
        keys.add(key_of.__wrapped__(message.message_id.lower()))
    return keys


# Senders and recipients repeat; the cache is bounded, so a newsletter cannot grow it.
@lru_cache(maxsize=8192)
def key_of(word: str) -> int:
    """Return the key of a lower-cased word, a signed 64-bit number."""
    digest = blake2b(word.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
