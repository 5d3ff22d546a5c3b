"""Another client of the server, which wants an answer every half millisecond, until its input ends.

    python -m benchmarks.pinger < URL

Each line of input asks how long the slowest answer has taken since the last one.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import redis

from benchmarks.processes import CLIENT_NAME

PAUSE = 0.0005


class Pinger:
    """Sends PING, again and again, and keeps the longest time of an answer."""

    def __init__(self, url: str) -> None:
        self._connection = redis.Redis.from_url(
            url, client_name=CLIENT_NAME
        ).connection_pool.make_connection()
        self.longest = 0.0
        self.count = 0
        self.done = False

    def run(self) -> None:
        """Send until it is done."""
        while not self.done:
            start = time.perf_counter()
            self._connection.send_command("PING")
            self._connection.read_response()
            self.longest = max(self.longest, time.perf_counter() - start)
            self.count += 1
            time.sleep(PAUSE)


def main() -> None:
    """Answer each line with what was seen since the last one."""
    pinger = Pinger(sys.stdin.readline().strip())
    thread = threading.Thread(target=pinger.run)
    thread.start()
    for _ in sys.stdin:
        longest, count = pinger.longest, pinger.count
        pinger.longest, pinger.count = 0.0, 0
        print(json.dumps({"longest": longest, "pings": count}), flush=True)
    pinger.done = True
    thread.join()


if __name__ == "__main__":
    main()
