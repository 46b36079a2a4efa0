"""Runs the comparisons: every server the same load, in turn, round after round (A B C A B C)."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from bench.cases import OURS, WARM_UP, Case
from bench.load import round_of
from bench.measure import cpu_seconds
from bench.peers.receiver import Receiver
from bench.peers.server import FarEnd, Mode, Peer
from bench.peers.sink import Counter
from bench.results import Outcome

_SIGNATURES: Final = 500

Step = Callable[[str], None]  # told what happens now; a progress bar listens


@contextmanager
def folder_for(name: str) -> Iterator[Path]:
    """Give a temporary folder that a server under another account can walk through."""
    with tempfile.TemporaryDirectory(prefix=f"bench-{name.lower()}.") as path:
        Path(path).chmod(0o755)
        yield Path(path)


def compare(case: Case, peers: Sequence[Peer], *, runs: int, scale: float, step: Step) -> Outcome:
    """Start the servers that have the case's door, warm them up, and run the rounds."""
    outcome = Outcome(key=case.key, title=case.title)
    count = max(int(case.count * scale), case.per_connection)
    with ExitStack() as running:
        started = []
        for peer in fit(case, peers):
            folder = running.enter_context(folder_for(peer.name))
            far_end = _far_end(case.mode, folder, running)
            if far_end:
                running.callback(far_end.stop)
            step(f"{case.key}: {peer.name} starts")
            server = peer.start(case.mode, folder, far_end)
            running.callback(server.stop)
            warm = round_of(case, server, min(WARM_UP, count), far_end)
            outcome.errors.extend(f"{peer.name}, warming up: {error}" for error in warm.errors)
            started.append((server, far_end))
        for number in range(1, runs + 1):
            for server, far_end in started:
                step(f"{case.key}: {server.name}, round {number} of {runs}")
                outcome.samples.append(round_of(case, server, count, far_end))
                if server.forget:
                    server.forget()
        for server, far_end in started:
            if far_end and far_end.pid:
                used = cpu_seconds(far_end.pid) / far_end.messages * 1e6
                outcome.figures[f"receiver µs/message behind {server.name}"] = used
    if case.mode is Mode.DIRECT:
        _tell_share_of_rsa(outcome)
    outcome.verdicts.extend(
        verdict for target in case.targets if (verdict := target.judge(outcome))
    )
    return outcome


def _far_end(mode: Mode, folder: Path, parts: ExitStack) -> FarEnd | None:
    """Start where mail goes in this mode."""
    if mode is Mode.RELAY:
        return Counter(folder)
    if mode is not Mode.DIRECT:
        return None
    # What it has to write down is none of the measured servers' business: not on their disk.
    memory = Path("/dev/shm")
    place = Path(
        tempfile.mkdtemp(prefix="bench-receiver.", dir=memory if memory.is_dir() else None)
    )
    place.chmod(0o755)
    parts.callback(shutil.rmtree, place, ignore_errors=True)
    return Receiver(place / "receiver")


def _tell_share_of_rsa(outcome: Outcome) -> None:
    """Add what one RSA-2048 signature costs here, and how much of a message's CPU that is."""
    if OURS not in outcome.peers():
        return
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    began = time.thread_time()
    for _ in range(_SIGNATURES):
        key.sign(bytes(32), padding.PKCS1v15(), hashes.SHA256())
    each = (time.thread_time() - began) / _SIGNATURES * 1e6
    outcome.figures["RSA-2048 signature µs"] = each
    share = each / outcome.median(OURS, lambda sample: sample.cpu)
    outcome.figures["RSA share of Postwicket's CPU %"] = 100 * share


def fit(case: Case, peers: Sequence[Peer]) -> list[Peer]:
    """Return the servers for a case: one that stores nothing has neither TLS nor a relay."""
    plain = case.door == "none" and case.mode is Mode.KEEP
    return [peer for peer in peers if plain or peer.stores]
