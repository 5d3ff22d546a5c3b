"""A TCP proxy before the server: counts round trips, and loses replies on demand."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from typing import Self
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Forwards connections to a server.

    Faults strike commands of scripts and ``UNLINK`` only, so that reconnecting works.

    Args:
        url: The server's URL.
    """

    def __init__(self, url: str) -> None:
        self.round_trips = 0
        """How often a request followed a reply, or came first."""
        self.connections = 0
        """How many connections were made."""
        self.cut_requests = 0
        """So many requests are lost, and their connections with them."""
        self.cut_replies = 0
        """So many replies are lost, and their connections with them."""
        self.swallow_replies = False
        """Whether replies are lost and the connections stay."""
        self.refuse = False
        """Whether new connections are closed at once."""
        self.resp2_only = False
        """Whether the server seems to know no HELLO, and so no RESP3."""
        parts = urlsplit(url)
        self._server = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        host, port = self._listener.getsockname()
        login = parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(parts._replace(netloc=f"{login}@{host}:{port}"))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._open: set[socket.socket] = set()

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        # A blocked accept() or recv() does not notice close(), but it does notice shutdown().
        self.break_connections()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def break_connections(self) -> None:
        """Break all connections that are open."""
        for end in tuple(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                if self.refuse:
                    client.close()
                    continue
                thread = threading.Thread(target=self._forward, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _forward(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server:
            self._open |= {client, server}
            with contextlib.suppress(OSError):
                self._pump(client, server)
            self._open -= {client, server}

    def _pump(self, client: socket.socket, server: socket.socket) -> None:
        asking = False
        request = b""
        while True:
            readable, _, _ = select.select([client, server], [], [])
            if server in readable:
                reply = server.recv(65536)
                asking = False
                if self._is_struck(request) and (self.cut_replies or self.swallow_replies):
                    if self.swallow_replies and reply:
                        continue
                    self.cut_replies -= 1
                    return
                if not reply:
                    return
                client.sendall(reply)
            if client in readable:
                data = client.recv(65536)
                if not data:
                    return
                if not asking:
                    self.round_trips += 1
                    request = b""
                asking = True
                request += data
                if self._is_struck(request) and self.cut_requests:
                    self.cut_requests -= 1
                    return
                # Of the same length, and no command.
                server.sendall(data.replace(b"HELLO", b"HELL0") if self.resp2_only else data)

    def _is_struck(self, request: bytes) -> bool:
        return b"EVALSHA" in request or b"UNLINK" in request
