"""What is told when the server goes away while a command is at work."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import checked
from tests.harness.states import put_queued

SHORT = "?retry_budget=0.3&socket_timeout=0.2"


@pytest.fixture
def url(proxy):
    """The server behind the proxy, with little patience."""
    return proxy.url + SHORT


def test_uncertain(cli, proxy, url, raw):
    """Whether a job is there whose answer got lost is not known, and how to find out is told."""
    cli("enqueue", "work")  # The server knows the script then.
    proxy.swallow_replies = True
    answer = cli("enqueue", "work", "--id", "k", url=url)
    assert (answer.status, answer.out) == (3, "")
    assert "it may or may not be queued. `arqade show k` tells" in answer.err
    assert raw.exists("arq:job:k") == 1


def test_lines(cli, proxy, url):
    """Of lines it is told how many are enqueued, and how many may be."""
    proxy.swallow_replies = True
    stdin = '{"task_name": "work"}\n' * 50
    answer = cli("enqueue", "--from-jsonl", "-", url=url, stdin=stdin)
    assert (answer.status, answer.out) == (3, "")
    assert "(enqueued before that: 0, and perhaps 50 more; " in answer.err


@pytest.mark.parametrize(
    "words",
    [["info"], ["jobs"], ["show", "k"], ["result", "k"], ["cancel", "k"], ["purge", "q", "--yes"]],
    ids=" ".join,
)
def test_unreachable(cli, proxy, url, raw, words):
    """The status is 3, and in JSON the error is, too."""
    put_queued(raw)
    proxy.swallow_replies = True
    answer = checked(cli(*words, "--json", url=url), url)
    assert (answer.status, answer.out) == (3, "")
    assert json.loads(answer.err)["error"] == "QueueConnectionError"
