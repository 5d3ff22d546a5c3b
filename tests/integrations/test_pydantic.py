"""Settings from what pydantic makes of an application's configuration."""

from __future__ import annotations

import pytest
from pydantic import AnyUrl, BaseModel, RedisDsn, SecretStr, ValidationError

from arqade import (
    ArqMode,
    ConfigurationError,
    RedisArqQueue,
    RedisSettings,
    build_arq_redis_settings,
)
from tests.integrations.pydantic_values import Point


class Config(BaseModel):
    """The configuration of an application on safir."""

    arq_mode: ArqMode = ArqMode.production
    arq_queue_url: RedisDsn = RedisDsn("redis://localhost:6379/1")
    arq_queue_password: SecretStr | None = None

    @property
    def arq_redis_settings(self):
        return build_arq_redis_settings(self.arq_queue_url, self.arq_queue_password)


def test_defaults():
    """A configuration without values gives the settings of its default URL."""
    assert Config().arq_redis_settings == RedisSettings(database=1)


def test_url_and_password():
    """The password of a SecretStr joins the URL's host, port, user and database."""
    config = Config(arq_queue_url="redis://me@host:6380/2", arq_queue_password="p@ss/word")
    expected = RedisSettings(
        host="host", port=6380, database=2, username="me", password="p@ss/word"
    )
    assert config.arq_redis_settings == expected
    assert "p@ss" not in repr(config.arq_redis_settings)


def test_password_wins():
    """The password of a SecretStr wins over the URL's; an empty one does not."""
    url = RedisDsn("redis://:old@host")
    assert build_arq_redis_settings(url, SecretStr("new")).password == "new"
    assert build_arq_redis_settings(url, SecretStr("")).password == "old"
    assert build_arq_redis_settings(url, None).password == "old"


def test_encoded_password():
    """Percent-encoded characters of a URL are decoded once."""
    assert RedisSettings.from_url(RedisDsn("redis://u:p%40s%2Fs@host/3")).password == "p@s/s"


def test_tls():
    """TLS is kept."""
    settings = build_arq_redis_settings(RedisDsn("rediss://host:6380/0"), SecretStr("x"))
    assert settings.ssl
    assert settings.ssl_check_hostname


@pytest.mark.parametrize(
    "url", ["redis://host", "redis://host:6379", "redis://host:6379/", "redis://host/0"]
)
def test_default_database(url):
    """However a URL leaves out the database, pydantic's form of it reads like the text."""
    assert RedisSettings.from_url(RedisDsn(url)) == RedisSettings.from_url(url)


def test_query():
    """Options of the URL are kept."""
    url = RedisDsn("redis://host/2?socket_timeout=3&client_name=web")
    settings = RedisSettings.from_url(url)
    assert settings == RedisSettings(host="host", database=2, socket_timeout=3, client_name="web")


def test_secret_url():
    """A URL that is a secret as a whole is read, too."""
    url = SecretStr("redis://u:secret@host/1")
    assert RedisSettings.from_url(url).password == "secret"


def test_any_url():
    """A general URL of pydantic's is read; what it says must still be a server."""
    assert RedisSettings.from_url(AnyUrl("valkey://host:1")).port == 1
    with pytest.raises(ConfigurationError, match="scheme"):
        RedisSettings.from_url(AnyUrl("https://host"))


def test_mode():
    """The mode is read by its value, and a wrong one is refused."""
    assert Config(arq_mode="test").arq_mode is ArqMode.test
    with pytest.raises(ValidationError):
        Config(arq_mode="prod")


async def test_connects(redis_url):
    """Settings that pydantic has read lead to the server, and its models through it."""
    config = Config(arq_queue_url=redis_url)
    async with await RedisArqQueue.initialize(config.arq_redis_settings) as queue:
        await queue.enqueue("draw", Point(x=1), _job_id="k")
        assert (await queue.get_job_metadata("k")).args == (Point(x=1),)
