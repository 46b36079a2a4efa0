"""What follows the header of a message: received piece by piece, kept, read piece by piece.

Up to 64 KiB stays in memory and goes into the database with the message.  More is written to a
file, in large pieces and by a thread, so that memory does not grow with the message and the
event loop never waits for the disk.  A file is synced, and its folder too, before anybody
refers to it; a file that nobody comes to refer to is deleted by the store's `tidy`.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from postwicket.core.queue_id import QueueId, spell

from .interfaces import Conflict, StorageUnavailable
from .ownership import adopt
from .values import SmallBody, StoredBody

IN_MEMORY: Final = 64 * 1024  # octets; a body of more gets a file
PIECE: Final = 256 * 1024  # octets written or read at a time
# 256 folders hold 100 million files at 400,000 each; ext4 is quick with that many.
_SHARDS: Final = 256
# A session ends within an hour and commits at once; what is older has no owner to come.
_ORPHAN_AGE: Final = 2 * 3600  # seconds

Watch = Callable[[bytes], None]


class BodyStore:
    """The folder of bodies; made with its shards when it does not exist."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._new = folder / "new"
        self._numbers = count()
        if not self._new.is_dir():
            self._make_folders()

    def _make_folders(self) -> None:
        names = [f"{shard:02x}" for shard in range(_SHARDS)]
        with _storage():
            # "new" is last: where it exists, the others do.
            for path in (self.folder, *(self.folder / name for name in names), self._new):
                if not path.is_dir():
                    path.mkdir(mode=0o700, parents=True, exist_ok=True)
                    adopt(path)
            _sync_folder(self.folder)

    def spool(self, watch: Watch | None = None) -> Spool:
        """Begin to receive a body; `watch` gets, in order, every octet that goes to a file."""
        return Spool(self, watch)

    def new_path(self) -> Path:
        """Return where the file of a body that is being received may be."""
        return self._new / f"{os.getpid()}-{id(self):x}-{next(self._numbers)}"

    def path(self, name: str) -> Path:
        """Return where the file of a `StoredBody` is."""
        return self.folder / name

    def delete(self, name: str) -> None:
        """Delete a file that nobody refers to any more; one that is gone is fine."""
        with contextlib.suppress(OSError):
            self.path(name).unlink()

    def old_files(self, *, now: float) -> list[str]:
        """Return the names of files so old that an owner must be in the database by now.

        Those that a running session may still come to own (younger than two hours) are not in
        the list.
        """
        return [
            f"{folder.name}/{entry.name}"
            for folder in self.folder.iterdir()
            for entry in os.scandir(folder)
            if entry.stat().st_mtime < now - _ORPHAN_AGE
        ]


class Spool:
    """A body that is being received.

    `append` belongs to the event loop and never blocks; when it says True, call `flush` in a
    thread.  `flush` and `finish` block and may run while `append` is called; `discard` may be
    called at any time, and what runs after it does nothing.  The caller bounds memory by not
    reading on while a flush is due twice.  All may raise `StorageUnavailable` save `append`;
    after that, `discard`.
    """

    def __init__(self, store: BodyStore, watch: Watch | None = None) -> None:
        self.size = 0
        self._watch = watch
        self._store = store
        self._path = Path()  # of the file, once there is one
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._file: int | None = None
        self._stored: StoredBody | None = None
        # Between two bytecodes of `append` a thread could take the list away.
        self._lock = threading.Lock()
        # A session may end, and discard, while a thread is writing or about to.
        self._writing = threading.RLock()
        self._discarded = False

    def append(self, data: bytes) -> bool:
        """Take the next bytes; True when so many wait that `flush` is due."""
        with self._lock:
            self._pieces.append(data)
            self.size += len(data)
            self._waiting += len(data)
            return self._waiting >= PIECE

    @property
    def in_memory(self) -> bool:
        """True while nothing had to be written: then `finish` is quick if the body is small."""
        return self._file is None and self.size <= IN_MEMORY

    def flush(self) -> None:
        """Write what waits to the file.  Blocks."""
        with self._writing, _storage():
            with self._lock:
                pieces, self._pieces, self._waiting = self._pieces, [], 0
            if self._discarded:
                return
            if self._file is None:
                self._path = self._store.new_path()
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._file = os.open(self._path, flags, 0o600)
                adopt(self._path)
            whole = b"".join(pieces)
            if self._watch is not None:
                self._watch(whole)  # here, because this is a thread already
            data = memoryview(whole)
            while data:
                data = data[os.write(self._file, data) :]

    def finish(self, id: QueueId) -> SmallBody | StoredBody:
        """Return the whole body, on stable storage if it is a file.  Blocks if not `in_memory`."""
        if self.in_memory:
            return SmallBody(b"".join(self._pieces))
        with self._writing:
            return self._finish(id)

    def _finish(self, id: QueueId) -> StoredBody:
        if self._discarded:
            raise StorageUnavailable("the body was discarded")
        self.flush()
        name = f"{(id ^ id >> 22) % _SHARDS:02x}/{spell(id)}"
        target = self._store.path(name)
        with _storage():
            assert self._file is not None  # noqa: S101 (flush has opened it)
            os.fsync(self._file)
            self._path.rename(target)
            self._stored = StoredBody(name, self.size)
            os.close(self._file)
            self._file = None
            _sync_folder(target.parent)
        return self._stored

    def discard(self) -> None:
        """Forget the body: the session ended, or the finished message was not kept."""
        with self._writing:
            self._discarded = True
            if self._file is not None:
                os.close(self._file)
                self._file = None
                with contextlib.suppress(OSError):
                    self._path.unlink()  # under its final name already, if `finish` got so far
            if self._stored is not None:
                self._store.delete(self._stored.name)
                self._stored = None
            self._pieces = []


@dataclass(frozen=True, slots=True)
class SmallContent:
    """A message whose body is in memory."""

    header: bytes
    body: bytes

    @property
    def size(self) -> int:
        """Octets in all."""
        return len(self.header) + len(self.body)

    def pieces(self) -> Iterator[bytes]:
        """Yield header and body, in one piece where it is no longer than 256 KiB."""
        whole = self.header + self.body
        for start in range(0, len(whole), PIECE):
            yield whole[start : start + PIECE]


@dataclass(frozen=True, slots=True)
class FileContent:
    """A message whose body is a file, read as it is asked for."""

    header: bytes
    path: Path
    body_size: int

    @property
    def size(self) -> int:
        """Octets in all."""
        return len(self.header) + self.body_size

    def pieces(self) -> Iterator[bytes]:
        """Yield header and body in pieces of at most 256 KiB; raise `Conflict` when it is gone."""
        try:
            file = self.path.open("rb", buffering=0)
        except FileNotFoundError:
            raise Conflict("the bytes of the message have been let go") from None
        except OSError as error:
            raise StorageUnavailable(f"a body cannot be read: {error}") from error
        with file, _storage():
            for start in range(0, len(self.header), PIECE):
                yield self.header[start : start + PIECE]
            while piece := file.read(PIECE):
                yield piece


@contextlib.contextmanager
def _storage() -> Iterator[None]:
    """Turn the system's errors into ours."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"a body cannot be kept: {error}") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
