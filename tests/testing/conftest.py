from __future__ import annotations

import pytest


@pytest.fixture
def pytester(pytester, monkeypatch):
    """Runs of pytest elsewhere, without a plugin that takes a second to say nothing."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest")
    return pytester
