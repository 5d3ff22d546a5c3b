"""TLS before a server: certificates of an authority of our own, and a proxy that shows them."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["tls_url"]


@contextlib.contextmanager
def tls_url(url: str, directory: Path, host: str = "127.0.0.1") -> Iterator[str]:
    """Give the URL of a proxy that speaks TLS and forwards to a server.

    Args:
        url: The server.
        directory: Where to put the authority's certificate.
        host: For which host the proxy's certificate is.
    """
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(context)
    trusted = directory / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))
    parts = urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []
    ends: set[socket.socket] = set()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                thread = threading.Thread(target=forward, args=(client,), daemon=True)
                threads.append(thread)
                thread.start()

    def forward(plain: socket.socket) -> None:
        with (
            plain,
            contextlib.suppress(OSError),
            socket.create_connection((parts.hostname, parts.port)) as server,
            context.wrap_socket(plain, server_side=True) as client,
        ):
            ends.update((server, client))
            while True:
                waiting = [client] if client.pending() else []
                readable = waiting or select.select([client, server], [], [])[0]
                for end, other in ((client, server), (server, client)):
                    if end in readable:
                        data = end.recv(65536)
                        if not data:
                            return
                        other.sendall(data)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        login = parts.netloc.rpartition("@")[0]
        port = listener.getsockname()[1]
        yield f"rediss://{login}@127.0.0.1:{port}{parts.path}?ssl_ca_certs={trusted}"
    finally:
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for thread in threads:
            thread.join()
