"""The page on Sentinel and TLS: its commands do what it says, and so does its worker."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from arqade import QueueConnectionError, SyncRedisArqQueue
from tests.docs.pages import DOCS, code_blocks
from tests.harness.sentinels import SentinelCluster, free_port
from tests.harness.worker import arq_process, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_server = pytest.mark.skipif(
    not (shutil.which("redis-server") and shutil.which("redis-cli")),
    reason="the page's commands are those of Redis",
)

READY = re.compile(rb"Ready to accept|Sentinel ID is")

SERVER_AND_SENTINEL_WITH_TLS = r"""
$ python -m trustme -i localhost 127.0.0.1
$ redis-server --bind 127.0.0.1 --port 0 --tls-port 6390 --save '' --tls-auth-clients no \
    --tls-ca-cert-file client.pem --tls-cert-file server.pem --tls-key-file server.key
$ printf 'bind 127.0.0.1\nport 0\ntls-port 26379\n' > sentinel.conf
$ printf 'tls-replication yes\ntls-auth-clients no\n' >> sentinel.conf
$ printf 'tls-ca-cert-file client.pem\ntls-cert-file server.pem\n' >> sentinel.conf
$ printf 'tls-key-file server.key\n' >> sentinel.conf
$ printf 'sentinel monitor mymaster 127.0.0.1 6390 1\n' >> sentinel.conf
$ redis-server sentinel.conf --sentinel
"""


class Terminal:
    """Types commands of a page, with other ports, in a folder of its own.

    Args:
        folder: Where to be.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        self._servers: list[subprocess.Popen[bytes]] = []
        self._ports = {port: str(free_port()) for port in ("7001", "7002", "26379", "6390")}

    def with_ports(self, text: str) -> str:
        """Give a text with ports that are free here."""
        pattern = rf"\b(?:{'|'.join(self._ports)})\b"
        return re.sub(pattern, lambda found: self._ports[found[0]], text)

    def type(self, block: str) -> list[subprocess.CompletedProcess[str]]:
        """Type all lines of a block, and give what came of those that end."""
        lines = re.findall(r"^\$ (.+)$", block.replace("\\\n", " "), re.MULTILINE)
        return [done for line in lines if (done := self._type_line(self.with_ports(line)))]

    def _type_line(self, line: str) -> subprocess.CompletedProcess[str] | None:
        command, *rest = shlex.split(line)
        if command == "export":
            self._env |= dict([rest[0].split("=", 1)])
        elif command == "redis-server":
            files = [self._folder / word for word in rest if word.endswith(".conf")]
            assert "127.0.0.1" in " ".join([line, *(file.read_text("utf-8") for file in files)])
            log = (self._folder / f"server-{len(self._servers)}.log").open("wb")
            with log:
                server = subprocess.Popen([command, *rest], cwd=self._folder, stdout=log)
            self._servers.append(server)
            wait_until(lambda: READY.search(log_of(log.name)) or server.poll() is not None)
            if server.poll() is not None:
                assert b"tls" in log_of(log.name), log_of(log.name)
                pytest.skip("this server has no TLS")
        else:
            return subprocess.run(
                line,
                shell=True,
                cwd=self._folder,
                env=self._env,
                capture_output=True,
                text=True,
                timeout=50,
                check=False,
            )
        return None

    def close(self) -> None:
        """End the servers."""
        for server in self._servers:
            server.kill()
            server.wait()


def log_of(path: str) -> bytes:
    return Path(path).read_bytes()


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with contextlib.closing(Terminal(tmp_path)) as terminal:
        yield terminal


def resize(url: str) -> object:
    """Have the page's worker run a job, and give its result."""
    worker = arq_process("docs.examples.sentinel_worker.WorkerSettings", ARQADE_URL=url)
    with worker, SyncRedisArqQueue.from_url(url) as queue:
        job = queue.enqueue("resize", "cat.png", width=300)
        return queue.wait_for_result(job.id, timeout=20).unwrap()


def test_worker_whose_sentinels_ask_for_a_password():
    """It runs jobs."""
    with SentinelCluster(replicas=1, sentinels=1) as cluster:
        assert resize(cluster.url) == "cat.png, 300 pixels wide"


@needs_server
def test_worker_with_tls(terminal, tmp_path):
    """So does one that reaches sentinels and servers by TLS, with a private CA."""
    [made] = terminal.type(SERVER_AND_SENTINEL_WITH_TLS)[:1]
    assert made.returncode == 0, made.stderr
    url = terminal.with_ports("rediss+sentinel://localhost:26379/mymaster/0?ssl_ca_certs=")
    assert resize(f"{url}{tmp_path}/client.pem") == "cat.png, 300 pixels wide"
    with pytest.raises(QueueConnectionError, match="certificate was refused"):
        SyncRedisArqQueue.from_url(url.partition("?")[0])


@needs_server
def test_commands(terminal):
    """A failover, and TLS, as they are typed."""
    servers, failover, tls = code_blocks(DOCS / "how-to" / "sentinel-and-tls.md", "console")
    terminal.type(servers)
    wait_until(lambda: replication(terminal.with_ports("7001")).get("slave0", {}).get("offset"))
    wait_until(lambda: replica_is_known(terminal.with_ports("26379")))
    doctor, enqueued, replaced, shown = terminal.type(failover)
    assert "ok       replica: This is the primary." in doctor.stdout, doctor.stderr
    assert enqueued.stdout == "cat\n", enqueued.stderr
    assert replaced.stdout == "OK\n"
    assert shown.returncode == 0 or "a failover is under way" in shown.stderr
    wait_until(lambda: replication(terminal.with_ports("7002"))["role"] == "master", timeout=30)
    wait_until(
        lambda: "status     queued" in terminal.type("$ arqade show cat")[0].stdout, timeout=30
    )
    _, trusted, refused = terminal.type(tls)
    assert "ok       replica: This is the primary." in trusted.stdout, trusted.stderr
    [said] = re.findall(r"^(Error: .+) \(\.\.\.\)$", tls, re.MULTILINE)
    assert refused.stderr.startswith(said)


def replication(port: str) -> dict[str, Any]:
    with redis.Redis(port=int(port)) as client:
        return client.info("replication")


def replica_is_known(port: str) -> bool:
    """Whether the sentinel can fail over: it looks for replicas every ten seconds."""
    with redis.Redis(port=int(port)) as client:
        known = client.sentinel_slaves("mymaster")
    return any(replica["master-link-status"] == "ok" for replica in known)
