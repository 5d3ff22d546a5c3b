"""The application's settings, from environment variables."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlparse

from pydantic import BaseModel, RedisDsn

from arqade import ArqMode, RedisSettings

__all__ = ["Config", "config"]


class Config(BaseModel):
    """Where the queue is, and whether it is a real one."""

    arq_queue_url: RedisDsn = RedisDsn("redis://localhost:6379/1")

    arq_mode: ArqMode = ArqMode.production

    @property
    def arq_redis_settings(self) -> RedisSettings:
        """Create a Redis settings instance for arq.

        ``RedisSettings.from_url(self.arq_queue_url)`` does the same, and TLS too.
        """
        url_parts = urlparse(str(self.arq_queue_url))
        return RedisSettings(
            host=url_parts.hostname or "localhost",
            port=url_parts.port or 6379,
            database=int(url_parts.path.lstrip("/") or 0),
            username=unquote(url_parts.username or "") or None,
            password=unquote(url_parts.password or "") or None,
        )


config = Config.model_validate(
    {
        field: os.environ[variable]
        for field, variable in {
            "arq_queue_url": "APP_ARQ_QUEUE_URL",
            "arq_mode": "APP_ARQ_MODE",
        }.items()
        if variable in os.environ
    }
)
