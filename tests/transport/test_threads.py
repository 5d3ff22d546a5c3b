"""The connections that threads use, one at a time."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest
from redis import BlockingConnectionPool, Connection, ConnectionPool, Redis
from redis.exceptions import NoScriptError, ResponseError

from arqade._transport import threads
from arqade._transport.lines import LineBroken
from arqade._transport.redis_py import pack_command
from arqade._transport.thread_pipe import ThreadPipe
from arqade._transport.threads import ThreadConnections


@contextlib.contextmanager
def connections(url, *, owned=True, pool=None, **options):
    """Connections to a server."""
    pool = pool or BlockingConnectionPool.from_url(url, protocol=2, **options)
    line = ThreadConnections(pool, owned=owned, socket_timeout=None)
    try:
        yield line
    finally:
        line.close()
        pool.disconnect()


def soon(seconds=10):
    return time.monotonic() + seconds


def echo(text):
    return pack_command(("ECHO", text))


def test_one_connection_for_one_thread(proxy):
    """A thread uses the same connection again and again."""
    with connections(proxy.url) as line:
        for number in range(5):
            assert line.exchange(echo(number), soon()) == b"%d" % number
        assert proxy.connections == 1


def test_refusals_are_redis_pys(proxy):
    """A refusal raises redis-py's error for it, and the connection stays."""
    with connections(proxy.url) as line:
        with pytest.raises(NoScriptError):
            line.exchange(pack_command(("EVALSHA", "0" * 40, 0)), soon())
        with pytest.raises(ResponseError, match="unknown command"):
            line.exchange(pack_command(("NONSENSE",)), soon())
        assert line.exchange(echo("a"), soon()) == b"a"
        assert proxy.connections == 1


def test_more_threads_than_connections(redis_url):
    """Threads that find no connection wait for one, whoever has it."""
    wrong = []
    with connections(redis_url, max_connections=2, timeout=20) as line:

        def work(name):
            for number in range(100):
                text = f"{name}-{number}"
                if line.exchange(echo(text), soon()) != text.encode():
                    wrong.append(text)

        workers = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert not wrong


def test_no_reply_in_time(redis_url, raw):
    """A caller whose time is over leaves; the next one gets its own reply."""
    with connections(redis_url) as line:
        line.exchange(echo("first"), soon())
        raw.client_pause(200)
        with pytest.raises(LineBroken, match=r"no reply in time|TimeoutError") as caught:
            line.exchange(echo("late"), soon(0.05))
        assert caught.value.sent
        assert line.exchange(echo("next"), soon()) == b"next"


def test_no_server():
    """Without a connection nothing was sent."""
    with connections(None, pool=BlockingConnectionPool(port=1)) as line:
        for _ in range(2):
            with pytest.raises(LineBroken) as caught:
                line.exchange(echo("a"), soon())
            assert not caught.value.sent


@pytest.mark.parametrize("once", [True, False])
def test_connection_that_broke_while_idle(proxy, monkeypatch, once):
    """One that was idle for long, or must not be sent twice, is looked at before it is used."""
    if not once:
        monkeypatch.setattr(threads, "SHORT_IDLE", 0)
    with connections(proxy.url) as line:
        line.exchange(echo("first"), soon())
        proxy.break_connections()
        time.sleep(0.05)
        assert line.exchange(echo("next"), soon(), once=once) == b"next"
        assert proxy.connections == 2


def test_connecting_that_fails_in_its_own_way(redis_url):
    """Whatever connecting raises, as a provider of passwords may, the caller has no connection."""

    class Odd(Connection):
        def connect(self):
            raise AttributeError("sealed")

    with connections(redis_url, connection_class=Odd) as line:
        with pytest.raises(LineBroken, match="sealed") as caught:
            line.exchange(echo("a"), soon())
        assert not caught.value.sent


def test_server_that_has_gone(proxy):
    """Where there is no new connection either, nothing was sent, and a later call works."""
    with connections(proxy.url) as line:
        line.exchange(echo("first"), soon())
        proxy.refuse = True
        proxy.break_connections()
        time.sleep(0.05)
        for _ in range(2):
            with pytest.raises(LineBroken):
                line.exchange(echo("next"), soon(), once=True)
        proxy.refuse = False
        assert line.exchange(echo("last"), soon(), once=True) == b"last"


@pytest.mark.parametrize("make_pool", [ConnectionPool, BlockingConnectionPool])
def test_borrowed_connection_goes_back(redis_url, make_pool):
    """A borrowed pool gets its connection back after each call."""
    pool = make_pool.from_url(redis_url, max_connections=1)
    client = Redis(connection_pool=pool)
    with connections(redis_url, owned=False, pool=pool) as line:
        assert line.exchange(echo("a"), soon()) == b"a"
        assert client.ping()
        with pytest.raises(ResponseError):
            line.exchange(pack_command(("NONSENSE",)), soon())
        assert client.ping()
    assert client.ping()
    pool.disconnect()


def test_pipe(proxy):
    """Commands of a pipe leave on one connection before the replies to earlier ones are read."""
    with connections(proxy.url) as line:
        pipe = ThreadPipe(line)
        for number in range(4):
            assert pipe.send(echo(number), soon())
        assert [pipe.receive(soon()) for _ in range(4)] == [b"0", b"1", b"2", b"3"]
        pipe.close()
        assert line.exchange(echo("a"), soon()) == b"a"
        assert proxy.connections == 1


def test_pipe_stops_after_a_refusal(redis_url):
    """After a refusal nothing more is sent; what was sent has its reply."""
    with connections(redis_url) as line:
        pipe = ThreadPipe(line)
        assert pipe.send(pack_command(("NONSENSE",)), soon())
        assert pipe.send(echo(1), soon())
        with pytest.raises(ResponseError):
            pipe.receive(soon())
        assert not pipe.send(echo(2), soon())
        assert pipe.receive(soon()) == b"1"
        pipe.close()


def test_pipe_that_breaks(proxy):
    """Where the connection breaks, what was sent has no reply, and nothing more is sent."""
    with connections(proxy.url) as line:
        pipe = ThreadPipe(line)
        assert pipe.send(echo(0), soon())
        assert pipe.receive(soon()) == b"0"
        proxy.break_connections()
        time.sleep(0.05)
        sent = [pipe.send(echo(number), soon()) for number in range(3)]
        for _ in filter(None, sent):
            with pytest.raises(LineBroken) as caught:
                pipe.receive(soon())
            assert caught.value.sent
        assert pipe.failed
        assert not pipe.send(echo(3), soon())
        pipe.close()
        assert line.exchange(echo("a"), soon()) == b"a"


def test_pipe_that_is_closed_early(redis_url):
    """Replies that nobody reads are lost with their connection."""
    with connections(redis_url) as line:
        pipe = ThreadPipe(line)
        pipe.send(echo("unread"), soon())
        pipe.close()
        assert line.exchange(echo("a"), soon()) == b"a"
