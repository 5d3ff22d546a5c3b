"""What serves an application to the tests, in their own event loop."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from httpx import ASGITransport, AsyncClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI


@contextlib.asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[AsyncClient]:
    """Run an application from its start to its end, as a server does, and give a client of it."""
    async with app.router.lifespan_context(app) as state:

        async def serve(scope, receive, send):
            await app({**scope, "state": dict(state or {})}, receive, send)

        transport = ASGITransport(serve)
        async with AsyncClient(transport=transport, base_url="http://test") as client:
            yield client
