from __future__ import annotations

import ssl
import threading

import pytest
import redis

from arqade import QueueConnectionError, RedisArqQueue, RedisSettings
from tests.harness.states import put_complete, put_queued
from tests.harness.tls import tls_server, tls_url
from tests.harness.worker import wait_until

OTHER = "localhost.invalid"
"""A host that is not the server's."""

REFUSED = {
    "expired": ((), {"expired": True}),
    "of an unknown authority": ((), {"trusted": False}),
    "of another host": ((OTHER,), {}),
}
"""The certificates that must be refused."""

OLD = ssl.TLSVersion.TLSv1_1


@pytest.fixture
def secure_url(redis_url, tmp_path):
    """The server behind TLS."""
    with tls_url(redis_url, tmp_path) as url:
        yield url


async def use(queue, raw):
    """Send much, read it, and be pushed a result."""
    job = await queue.enqueue("work", b"0" * 3_000_000)
    assert await queue.get_job_metadata(job.id) == job
    put_queued(raw)
    thread = threading.Thread(target=finish, args=(raw,))
    thread.start()
    assert (await queue.wait_for_result("k", timeout=10)).result == 42
    thread.join()
    assert queue.push_mode == "resp3"


def finish(raw):
    """End the job, as soon as the server has been asked to push results."""
    wait_until(lambda: any("t" in client["flags"] for client in raw.client_list()))
    put_complete(raw)


async def test_queue_over_tls(redis_url, raw, tmp_path):
    """Everything works over TLS, pushed results and large jobs too, on two connections."""
    seen = []
    with tls_url(redis_url, tmp_path, handshakes=seen) as url:
        async with await RedisArqQueue.from_url(url) as queue:
            await use(queue, raw)
    assert seen == ["TLSv1.3", "TLSv1.3"]


@pytest.mark.parametrize("clients", ["no", "yes"], ids=["", "with certificates of clients"])
async def test_server_that_speaks_tls_itself(tmp_path, clients):
    """So it does where the server speaks TLS by itself, and wants a certificate of the client's."""
    with tls_server(tmp_path, tls_auth_clients=clients) as found:
        if found is None:
            pytest.skip("no server here speaks TLS")
        server, url = found
        options = {"ssl_certfile": tmp_path / "client.pem"} if clients == "yes" else {}
        with redis.Redis.from_url(server.url) as raw:
            async with await RedisArqQueue.initialize(
                RedisSettings.from_url(url, **options)
            ) as queue:
                await use(queue, raw)
                assert sum(c["laddr"].endswith(url_port(url)) for c in raw.client_list()) == 2


def url_port(url):
    return str(RedisSettings.from_url(url).port)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
async def test_certificate_that_is_refused(redis_url, raw, tmp_path, case, version):
    """It is refused at once, with a message that says what to check, and nothing is sent."""
    hosts, options = case
    seen = []
    kinds = {**options, "version": ssl.TLSVersion[version], "handshakes": seen}
    with tls_url(redis_url, tmp_path, *hosts, **kinds) as url:
        settings = RedisSettings.from_url(url, conn_retries=50, conn_retry_delay=1)
        with pytest.raises(
            QueueConnectionError,
            match=r"certificate was refused, .*check ssl_ca_certs and the host",
        ) as caught:
            await RedisArqQueue.initialize(settings)
        assert isinstance(caught.value.__cause__, redis.ConnectionError)
    # No handshake came to its end, and none was tried again.
    assert seen == ["refused"]
    assert raw.dbsize() == 0


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
async def test_refused_certificates_pass_by_a_named_flag(redis_url, raw, tmp_path, case):
    """Only ``ssl_cert_reqs="none"`` lets a wrong certificate pass."""
    hosts, options = case
    with tls_url(redis_url, tmp_path, *hosts, **options) as url:
        async with await RedisArqQueue.from_url(f"{url}&ssl_cert_reqs=none") as queue:
            await use(queue, raw)


async def test_host_name_passes_by_a_named_flag(redis_url, tmp_path):
    """``ssl_check_hostname=False`` lets another host's certificate pass, and no other ones."""
    with tls_url(redis_url, tmp_path, OTHER) as url:
        async with await RedisArqQueue.from_url(f"{url}&ssl_check_hostname=no") as queue:
            await queue.ping()
    with (
        tls_url(redis_url, tmp_path, OTHER, trusted=False) as url,
        pytest.raises(QueueConnectionError, match="certificate was refused"),
    ):
        await RedisArqQueue.from_url(f"{url}&ssl_check_hostname=no")


@pytest.mark.parametrize("flag", ["", "&ssl_cert_reqs=none"])
async def test_old_tls(redis_url, tmp_path, flag):
    """A server that speaks nothing newer than TLS 1.1 is refused at once, whatever is off."""
    seen = []
    with tls_url(redis_url, tmp_path, version=OLD, handshakes=seen) as url:
        settings = RedisSettings.from_url(url + flag, conn_retries=50, conn_retry_delay=1)
        with pytest.raises(QueueConnectionError, match=r"agree on TLS, .*speaks TLS 1\.2 or newer"):
            await RedisArqQueue.initialize(settings)
    assert seen == ["refused"]


async def test_change_of_certificates(redis_url, raw, tmp_path):
    """A connection for pushed results that shows another certificate is refused as well."""
    seen = []
    put_queued(raw)
    timer = threading.Timer(0.2, put_complete, (raw,))
    with tls_url(redis_url, tmp_path, "127.0.0.1", OTHER, handshakes=seen) as url:
        async with await RedisArqQueue.from_url(url) as queue:
            timer.start()
            assert (await queue.wait_for_result("k", timeout=20)).result == 42
            timer.join()
            assert queue.push_mode is None
    assert seen[0] == "TLSv1.3"
    assert {*seen[1:]} == {"refused"}


async def test_message_and_cause_tell_no_secret(redis_url, tmp_path):
    """A refused certificate tells nothing of the login."""
    with tls_url(redis_url, tmp_path, OTHER) as url:
        settings = RedisSettings.from_url(url, conn_retries=0)
        with pytest.raises(QueueConnectionError) as caught:
            await RedisArqQueue.initialize(settings)
        error = caught.value
        while error is not None:
            assert settings.password not in f"{error} {error!r}"
            error = error.__cause__ or error.__context__
