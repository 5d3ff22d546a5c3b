"""What makes a real server refuse commands, for as long as a block lasts."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis

from tests.faults.ledger import LONG
from tests.harness.worker import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.fault_proxy import FaultProxy

__all__ = [
    "USER",
    "busy",
    "failing_save",
    "full",
    "loading",
    "missing_permission",
    "no_primary",
    "no_replicas",
    "out_of_memory",
    "read_only",
]

USER = "someone"
"""Who may do less while `missing_permission` holds."""

NO_SERVER = ("127.0.0.1", "1")
"""A primary that never answers."""


@contextlib.contextmanager
def configured(raw: redis.Redis, **settings: Any) -> Iterator[None]:
    """A server with other settings; underscores in their names are hyphens."""
    names = {name.replace("_", "-"): value for name, value in settings.items()}
    before = {name: raw.config_get(name)[name] for name in names}
    for name, value in names.items():
        raw.config_set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            raw.config_set(name, value)


def is_refusing(raw: redis.Redis) -> bool:
    """Whether the server is busy or loading."""
    try:
        raw.ping()
    except (redis.BusyLoadingError, redis.ResponseError):
        return True
    return False


def another_client(raw: redis.Redis) -> redis.Redis:
    """Make a client of the same server."""
    kwargs = raw.get_connection_kwargs()
    return redis.Redis(**{name: kwargs[name] for name in ("host", "port", "password")})


# --- refusals that last until somebody acts ----------------------------------------------


def out_of_memory(raw: redis.Redis) -> contextlib.AbstractContextManager[None]:
    """OOM."""
    return configured(raw, maxmemory=1)


@contextlib.contextmanager
def failing_save(raw: redis.Redis) -> Iterator[None]:
    """MISCONF: a directory is where the server would save its data."""
    names = ("dir", "dbfilename")
    in_the_way = Path(*(raw.config_get(name)[name] for name in names))
    in_the_way.unlink(missing_ok=True)
    in_the_way.mkdir()

    def save() -> str:
        raw.bgsave()
        wait_until(lambda: not raw.info("persistence")["rdb_bgsave_in_progress"])
        status: str = raw.info("persistence")["rdb_last_bgsave_status"]
        return status

    with configured(raw, save="3600 1"):
        try:
            assert save() == "err"
            yield
        finally:
            in_the_way.rmdir()
            assert save() == "ok"


@contextlib.contextmanager
def missing_permission(raw: redis.Redis) -> Iterator[None]:
    """NOPERM."""
    raw.execute_command("ACL", "SETUSER", USER, "-psetex", "-set")
    try:
        yield
    finally:
        raw.execute_command("ACL", "SETUSER", USER, "+@all")


# --- refusals that pass by themselves ----------------------------------------------------


@contextlib.contextmanager
def read_only(raw: redis.Redis, _: FaultProxy) -> Iterator[None]:
    """READONLY."""
    raw.execute_command("REPLICAOF", *NO_SERVER)
    try:
        yield
    finally:
        raw.execute_command("REPLICAOF", "NO", "ONE")


@contextlib.contextmanager
def no_primary(raw: redis.Redis, proxy: FaultProxy) -> Iterator[None]:
    """MASTERDOWN."""
    with configured(raw, replica_serve_stale_data="no"), read_only(raw, proxy):
        yield


def no_replicas(raw: redis.Redis, _: FaultProxy) -> contextlib.AbstractContextManager[None]:
    """NOREPLICAS."""
    return configured(raw, min_replicas_to_write=1)


@contextlib.contextmanager
def busy(raw: redis.Redis, _: FaultProxy) -> Iterator[None]:
    """BUSY."""
    with another_client(raw) as other:

        def hold_up() -> None:
            with contextlib.suppress(redis.ResponseError):
                other.eval("while true do end", 0)

        thread = threading.Thread(target=hold_up)
        with configured(raw, **{"lua-time-limit": 20}):
            thread.start()
            try:
                wait_until(lambda: is_refusing(raw))
                yield
            finally:
                raw.script_kill()
                thread.join()


@contextlib.contextmanager
def loading(raw: redis.Redis, _: FaultProxy) -> Iterator[None]:
    """LOADING: each key takes a millisecond."""
    names = [f"filler:{number}" for number in range(1500 if LONG else 400)]
    raw.mset(dict.fromkeys(names, "x" * 100))
    slow = configured(raw, key_load_delay=1000, loading_process_events_interval_bytes=1024)
    with slow, another_client(raw) as other:
        thread = threading.Thread(target=other.execute_command, args=("DEBUG", "RELOAD"))
        thread.start()
        try:
            wait_until(lambda: is_refusing(raw))
            yield
        finally:
            thread.join()
    raw.delete(*names)


@contextlib.contextmanager
def full(raw: redis.Redis, proxy: FaultProxy) -> Iterator[None]:
    """No room for another client."""
    with configured(raw, maxclients=1):
        proxy.break_all()
        yield
