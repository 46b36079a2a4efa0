"""The write lock: one holder at a time, each in its turn."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from postwicket.storage.fair_lock import FairLock


def test_holders_take_turns(tmp_path: Path) -> None:
    order: list[str] = []
    inside = threading.Semaphore(1)
    start = threading.Barrier(2)

    def hold(name: str) -> None:
        with closing(FairLock(tmp_path)) as lock:
            start.wait()
            for _ in range(20):
                with lock:
                    assert inside.acquire(blocking=False)
                    order.append(name)
                    time.sleep(0.001)
                    inside.release()

    threads = [threading.Thread(target=hold, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Once both are there, they alternate: whoever has just held it waits behind the other.
    changes = sum(one != other for one, other in pairwise(order))
    assert changes >= 30
