"""``python -m arqade.cli``."""

from __future__ import annotations

from arqade.cli import run

if __name__ == "__main__":
    run()
