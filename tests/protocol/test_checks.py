from __future__ import annotations

import re

import pytest

from arqade._protocol import checks, scripts
from arqade.exceptions import QueueServerError
from arqade.models import Finding, Severity

REDIS = b"""# Server\r
redis_version:6.2.14\r
redis_mode:standalone\r
executable:/usr/bin/redis-server\r
config_file:/etc/a:b.conf\r
\r
# Memory\r
used_memory:873456\r
maxmemory:0\r
maxmemory_policy:noeviction\r
mem_not_counted_for_evict:0\r
\r
# Persistence\r
rdb_last_bgsave_status:ok\r
aof_enabled:0\r
aof_last_write_status:ok\r
\r
# Replication\r
role:master\r
\r
# Cluster\r
cluster_enabled:0\r
"""
"""What Redis 6.2 says, in part."""

VALKEY = REDIS.replace(
    b"redis_version:6.2.14",
    b"redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\nserver_mode:standalone",
)

CASES = {
    "version 6.0": ({"redis_version": "6.0.16"}, "version", "error", "Redis 6.0.16 is older"),
    "version 2": ({"redis_version": "2.8"}, "version", "error", "than 6.2"),
    "cluster": ({"redis_mode": "cluster"}, "cluster", "error", "cluster mode"),
    "cluster by flag": ({"cluster_enabled": "1"}, "cluster", "error", "cluster mode"),
    "replica": (
        {"role": "slave", "slave_read_only": "1", "master_link_status": "up"},
        "replica",
        "error",
        "which refuses jobs",
    ),
    "replica cut off": (
        {"role": "slave", "master_link_status": "down"},
        "replica",
        "error",
        "refuses jobs; its link to the primary is down",
    ),
    "writable replica": ({"role": "slave", "slave_read_only": "0"}, "replica", "error", "loses"),
    "allkeys": (
        {"maxmemory_policy": "allkeys-lru"},
        "eviction",
        "error",
        "drops jobs, results and whole queues when maxmemory is reached",
    ),
    "volatile": ({"maxmemory_policy": "volatile-ttl"}, "eviction", "error", "jobs and results"),
    "unheard-of policy": (
        {"maxmemory_policy": "eviction"},
        "eviction",
        "error",
        "maxmemory-policy eviction",
    ),
    "full": ({"used_memory": "1000000000"}, "memory", "warning", "93% .* refuses jobs"),
    "unlimited": ({"maxmemory": "0"}, "memory", "info", "no maxmemory"),
    "failed write": ({"aof_last_write_status": "err"}, "persistence", "error", "write to"),
    "failed snapshot": ({"rdb_last_bgsave_status": "err"}, "persistence", "error", "snapshot"),
    "no version": ({"redis_version": ""}, "unknown", "info", "nothing of redis_version,"),
    "no number": ({"maxmemory": "1gb"}, "unknown", "info", "nothing of maxmemory,"),
}
"""What differs from a healthy server, and the finding that comes of it."""


def shown(findings):
    return [(finding.code, str(finding.severity)) for finding in findings]


class TestServer:
    def test_healthy(self):
        """A healthy server gives no finding."""
        assert list(checks.server(checks.HEALTHY)) == []

    @pytest.mark.parametrize(("change", "code", "severity", "text"), CASES.values(), ids=CASES)
    def test_one_finding(self, change, code, severity, text):
        """Each fault gives one finding, which says what is wrong and what to do."""
        [finding] = checks.server({**checks.HEALTHY, **change})
        assert shown([finding]) == [(code, severity)]
        assert re.search(text, finding.message)
        assert finding.cure

    @pytest.mark.parametrize(("used", "count"), [(900, 0), (901, 1)])
    def test_nearly_full(self, used, count):
        """Up to nine tenths of maxmemory are fine; buffers that don't count, don't count."""
        info = {"maxmemory": "1000", "used_memory": f"{used + 70}"}
        info |= {"mem_not_counted_for_evict": "70"}
        assert len(list(checks.server({**checks.HEALTHY, **info}))) == count

    def test_full_server_that_evicts(self):
        """A full server that evicts has two findings."""
        info = {"used_memory": "1000000000", "maxmemory_policy": "allkeys-lfu"}
        eviction, memory = checks.server({**checks.HEALTHY, **info})
        assert shown([eviction, memory]) == [("eviction", "error"), ("memory", "warning")]
        assert "drops keys" in memory.message

    def test_eviction_without_maxmemory(self):
        """A policy without a limit is an error, too, that says when it begins to matter."""
        info = {"maxmemory": "0", "maxmemory_policy": "allkeys-lfu"}
        eviction, memory = checks.server({**checks.HEALTHY, **info})
        assert shown([eviction, memory]) == [("eviction", "error"), ("memory", "info")]
        assert "once maxmemory is set" in eviction.message

    @pytest.mark.parametrize("info", [{}, dict.fromkeys(checks.HEALTHY, "")], ids=["no", "empty"])
    def test_empty_info(self, info):
        """Of a server that tells nothing, one finding says what is not known."""
        [finding] = checks.server(info)
        assert shown([finding]) == [("unknown", "info")]
        assert all(name in finding.message for name in checks.NEEDED)

    @pytest.mark.parametrize("reply", [REDIS, VALKEY], ids=["redis", "valkey"])
    def test_replies(self, reply):
        """What Redis and Valkey say is understood."""
        info = checks.info().read(reply)
        assert info["config_file"] == "/etc/a:b.conf"
        assert shown(checks.server(info)) == [("memory", "info")]
        assert checks.persistence_setting(info) == "save"

    def test_reply_that_is_no_text(self):
        """A reply with bytes that are no UTF-8 is read, too."""
        assert checks.info().read(b"role:master\r\nconfig_file:\xff\r\n")["role"] == "master"


class TestPersistence:
    @pytest.mark.parametrize(
        ("name", "value", "expected", "text"),
        [
            ("save", "3600 1 300 100", [("persistence", "warning")], "since the last snapshot"),
            ("save", None, [("persistence", "warning")], "snapshot, if it makes any"),
            ("save", "", [("persistence", "error")], "a restart loses all jobs"),
            ("appendfsync", "no", [("persistence", "warning")], "half a minute"),
            ("appendfsync", "everysec", [], ""),
            ("appendfsync", "always", [], ""),
            ("appendfsync", None, [], ""),
        ],
    )
    def test_settings(self, name, value, expected, text):
        """What a restart loses depends on how jobs come to the disk."""
        found = list(checks.persistence(name, value))
        assert shown(found) == expected
        assert all(text in finding.message for finding in found)

    @pytest.mark.parametrize(("enabled", "name"), [("0", "save"), ("1", "appendfsync"), ("", None)])
    def test_question(self, enabled, name):
        """One setting is asked for, if any."""
        assert checks.persistence_setting({"aof_enabled": enabled}) == name

    @pytest.mark.parametrize(
        ("reply", "value"),
        [
            ([b"save", b"60 1"], "60 1"),
            ([b"save", b""], ""),
            ({b"save": b"60 1"}, "60 1"),
            ([], None),
            ({}, None),
        ],
        ids=str,
    )
    def test_replies(self, reply, value):
        """A setting is read from an array, as from the mapping that RESP3 has."""
        assert checks.config("save").read(reply) == value


class TestClock:
    @pytest.mark.parametrize(
        ("at_server", "expected", "text"),
        [
            (100.0, None, ""),
            (102.0, None, ""),
            (103.0, None, ""),
            (103.1, "info", "1.1 s behind"),
            (107.1, "warning", "5.1 s behind"),
            (99.0, None, ""),
            (98.9, "info", "1.1 s ahead of"),
            (50.0, "warning", "50.0 s ahead of"),
        ],
    )
    def test_difference(self, at_server, expected, text):
        """The server's time lies between question and answer, give or take a second."""
        found = list(checks.clock(100.0, at_server, 102.0))
        assert shown(found) == ([("clock", expected)] if expected else [])
        assert all(text in finding.message for finding in found)


class TestRefused:
    def test_servers_words(self):
        """What is refused is named, with the server's words."""
        error = QueueServerError("The server refused")
        assert "(The server refused)" in checks.refused(scripts.time(), error).message
        error.__cause__ = ValueError("unknown command 'CONFIG'")
        finding = checks.refused(checks.config("save"), error)
        assert shown([finding]) == [("unknown", "info")]
        assert "CONFIG GET save would tell" in finding.message
        assert "(unknown command 'CONFIG')" in finding.message


def test_worst_first():
    """Findings are sorted by severity; equal ones stay in order."""
    found = [Finding(code, Severity(name), "m", "c") for code, name in
             [("a", "info"), ("b", "error"), ("c", "warning"), ("d", "error")]]  # fmt: skip
    assert [finding.code for finding in checks.worst_first(found)] == ["b", "d", "c", "a"]


def test_text():
    """A finding reads as a sentence."""
    assert str(Finding("a", Severity.error, "It is wrong", "mend it")) == (
        "a (error): It is wrong: mend it"
    )


@pytest.mark.parametrize("command", [checks.info(), checks.config("save")], ids=str)
def test_commands_change_nothing(command):
    """The questions may be repeated, and no lost answer leaves anything in doubt."""
    assert command.repeatable
    assert not command.changes
