"""TLS before a server: certificates of an authority of our own, and a proxy that shows them."""

from __future__ import annotations

import contextlib
import datetime as dt
import select
import shutil
import socket
import ssl
import threading
import warnings
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trustme

from arqade.embedded import RedisServer
from arqade.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["tls_server", "tls_url"]

HOST = "127.0.0.1"
YESTERDAY = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)


@contextlib.contextmanager
def tls_url(
    url: str,
    directory: Path,
    *hosts: str,
    expired: bool = False,
    trusted: bool = True,
    version: ssl.TLSVersion | None = None,
    handshakes: list[str] | None = None,
) -> Iterator[str]:
    """Give the URL of a proxy that speaks TLS and forwards to a server.

    Args:
        url: The server.
        directory: Where to put the authority's certificate.
        *hosts: For which host the proxy's certificate is: on the first connection, the second one,
            and so on; the last one on all further connections.
        expired: Whether the certificate has expired.
        trusted: Whether the URL names the authority that has signed it, and not another one.
        version: The only version of TLS that the proxy speaks.
        handshakes: Takes the version that was agreed on for each connection, or ``refused``.
    """
    authority = trustme.CA()
    contexts = [
        context_for(authority, host, not_after=YESTERDAY if expired else None, version=version)
        for host in hosts or (HOST,)
    ]
    known = directory / "authority.pem"
    (authority if trusted else trustme.CA()).cert_pem.write_to_path(str(known))
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    with Proxy((parts.hostname, parts.port), contexts, handshakes) as port:
        yield f"rediss://{login}@{HOST}:{port}{parts.path}?ssl_ca_certs={known}"


def context_for(
    authority: trustme.CA,
    host: str,
    *,
    not_after: dt.datetime | None,
    version: ssl.TLSVersion | None,
) -> ssl.SSLContext:
    """Make what a server needs to show a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host, not_after=not_after).configure_cert(context)
    if version is not None:
        # Those that nobody should use have to be allowed, and warn.
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore"):
            context.minimum_version = context.maximum_version = version
    return context


class Proxy:
    """A proxy that speaks TLS; as a context manager it gives its port.

    Args:
        server: The server's address.
        contexts: The certificates, one for each connection; the last one for all further ones.
        handshakes: Takes what came of each connection, as for `tls_url`.
    """

    def __init__(
        self,
        server: tuple[str | None, int | None],
        contexts: Sequence[ssl.SSLContext],
        handshakes: list[str] | None,
    ) -> None:
        self._server = server
        self._contexts = contexts
        self._handshakes = [] if handshakes is None else handshakes
        self._listener = socket.create_server((HOST, 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._ends: set[socket.socket] = set()

    def __enter__(self) -> int:
        self._threads[0].start()
        port: int = self._listener.getsockname()[1]
        return port

    def __exit__(self, *exc_info: object) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                # Not SSLSocket's own, which takes away what a thread may be about to read from.
                socket.socket.shutdown(end, socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                context = self._contexts[min(len(self._threads), len(self._contexts)) - 1]
                thread = threading.Thread(target=self._forward, args=(client, context), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _forward(self, plain: socket.socket, context: ssl.SSLContext) -> None:
        with (
            plain,
            contextlib.suppress(OSError),
            self._greet(plain, context) as client,
            socket.create_connection(self._server) as server,
        ):
            self._ends.update((server, client))
            while True:
                waiting = [client] if client.pending() else []
                readable = waiting or select.select([client, server], [], [])[0]
                for end, other in ((client, server), (server, client)):
                    if end in readable:
                        data = end.recv(65536)
                        if not data:
                            return
                        other.sendall(data)

    def _greet(self, plain: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
        try:
            client = context.wrap_socket(plain, server_side=True)
        except OSError:
            self._handshakes.append("refused")
            raise
        self._handshakes.append(str(client.version()))
        return client


@contextlib.contextmanager
def tls_server(directory: Path, **config: str) -> Iterator[tuple[RedisServer, str] | None]:
    """Give a server that speaks TLS by itself, and the URL for that; None if there is none.

    Args:
        directory: Where to put certificates: ``client.pem`` is one of a client's.
        **config: Further directives, with underscores for their dashes.
    """
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        yield None
        return
    authority = trustme.CA()
    names = {name: directory / f"{name}.pem" for name in ("authority", "server", "client")}
    authority.cert_pem.write_to_path(str(names["authority"]))
    for name, identity in (("server", HOST), ("client", "client@test")):
        certificate = authority.issue_cert(identity)
        certificate.private_key_and_cert_chain_pem.write_to_path(str(names[name]))
    with socket.create_server((HOST, 0)) as probe:
        port = probe.getsockname()[1]
    server = RedisServer(
        binary=binary,
        config={
            "tls-port": str(port),
            "tls-ca-cert-file": str(names["authority"]),
            "tls-cert-file": str(names["server"]),
            "tls-key-file": str(names["server"]),
            **{name.replace("_", "-"): value for name, value in config.items()},
        },
    )
    try:
        server.start()
    except ConfigurationError as error:
        # Not every server is built with TLS.
        if "TLS" not in str(error) and "tls-" not in str(error):
            raise
        yield None
        return
    try:
        yield server, f"rediss://:{server.password}@{HOST}:{port}?ssl_ca_certs={names['authority']}"
    finally:
        server.stop()
