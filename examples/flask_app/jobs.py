"""The jobs, as the application and the worker agree on them."""

from __future__ import annotations

import arqade

__all__ = ["render"]


@arqade.job
def render(title: str, *, pages: int = 1) -> dict[str, int]:
    """Render a document."""
    raise NotImplementedError
