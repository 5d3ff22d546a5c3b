"""The process of a worker that `arqade.cli.development` starts: a stock one, on its server."""

from __future__ import annotations

import logging.config
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name

from arqade import RedisSettings

__all__ = ["main"]


def main(place: str) -> None:
    """Run a worker.

    Args:
        place: Where its settings are, as for arq.
    """
    sys.path.append(str(Path.cwd()))  # Where arq looks, too.
    logging.config.dictConfig(import_module("arq.logs").default_log_config(False))
    settings = resolve_name(place)
    # Whatever server the settings name: they may be those of production.
    import_module("arq.worker").run_worker(settings, redis_settings=RedisSettings.from_env())


if __name__ == "__main__":
    main(sys.argv[1])
