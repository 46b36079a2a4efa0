"""The words by which people look for a message, as 63-bit numbers.

A key is the time of the message (the leading 25 bits of its queue id: 65 seconds) and 38 bits
of a hash of the word.  The time leads so that what is written together lies together: keys
scattered over an index of 200,000 messages made acceptance half as dear again.  Looking up
asks each of those 65 seconds in which there was mail; people can wait for that.  Two words may
share a key; they are told apart by looking at the message.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Final

from .values import Message

HASH_BITS: Final = 38  # written out in sql/sqlite.sql, too
_HASH: Final = (1 << HASH_BITS) - 1


def words_of(message: Message) -> set[str]:
    """Return what the message can be found by: Message-ID, sender and recipients."""
    envelope = message.envelope
    words = {str(recipient.address).lower() for recipient in envelope.recipients}
    words.update((message.message_id.lower(), envelope.return_path.lower()))
    words.discard("")
    return words


def spellings_of(query: str) -> tuple[str, ...]:
    """Return what a question may mean: a Message-ID is copied with or without its brackets.

    >>> spellings_of(" <1@Example.org>")
    ('<1@example.org>', '1@example.org')
    >>> spellings_of("1@example.org")
    ('1@example.org', '<1@example.org>')
    """
    word = query.strip().lower()
    bracketed = word.startswith("<") and word.endswith(">")
    return (word, word[1:-1] if bracketed else f"<{word}>")


def keys_of(message: Message) -> set[int]:
    """Return the keys of the message's words."""
    envelope = message.envelope
    time = message.id & ~_HASH
    keys = {time | hash_of(str(recipient.address).lower()) for recipient in envelope.recipients}
    if envelope.sender.address:
        keys.add(time | hash_of(envelope.return_path.lower()))
    if message.message_id:
        # Never seen again: it would only push others out of the cache.
        keys.add(time | hash_of.__wrapped__(message.message_id.lower()))
    return keys


# Senders and recipients repeat; the cache is bounded, so a newsletter cannot grow it.
@lru_cache(maxsize=8192)
def hash_of(word: str) -> int:
    """Return 38 bits of the hash of a lower-cased word."""
    digest = blake2b(word.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") & _HASH
