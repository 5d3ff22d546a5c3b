from __future__ import annotations

import importlib.metadata
import inspect

import pytest

import _arqade_pytest
from arqade import MockArqQueue, SyncMockArqQueue, pytest_plugin

FIXTURES = ["arqade_mock", "arqade_redis", "arqade_redis_server", "sync_arqade_mock"]


@pytest.fixture
def run(pytester):
    """Run a test module, and give the result; all must pass unless told otherwise."""

    def run_source(source, *options, outcome="passed", count=1):
        pytester.makepyfile(source)
        result = pytester.runpytest(*options)
        result.assert_outcomes(**{outcome: count})
        return result

    return run_source


def test_mock(run):
    """`arqade_mock` is a mock, new for each test, and needs no mark."""
    run(
        """
        import pytest
        from arqade import MockArqQueue

        @pytest.mark.anyio
        @pytest.mark.parametrize("anyio_backend", ["asyncio"])
        @pytest.mark.parametrize("n", [1, 2])
        async def test_mock(arqade_mock, n):
            assert isinstance(arqade_mock, MockArqQueue)
            assert arqade_mock.default_queue_name == "arq:queue"
            arqade_mock.assert_nothing_enqueued()
            await arqade_mock.enqueue("work", n)
            arqade_mock.assert_enqueued("work", n)
        """,
        count=2,
    )


def test_sync_mock(run):
    """`sync_arqade_mock` is a mock, new for each test, and needs no plugin for async tests."""
    run(
        """
        import pytest
        from arqade import SyncMockArqQueue

        @pytest.mark.parametrize("n", [1, 2])
        def test_mock(sync_arqade_mock, n):
            assert isinstance(sync_arqade_mock, SyncMockArqQueue)
            sync_arqade_mock.assert_nothing_enqueued()
            sync_arqade_mock.enqueue("work", n)
            sync_arqade_mock.assert_enqueued("work", n)
        """,
        "-p",
        "no:anyio",
        count=2,
    )


@pytest.mark.parametrize(
    "order", ["arqade_mock, sync_arqade_mock", "sync_arqade_mock, arqade_mock"]
)
def test_mocks_of_a_test_share_their_jobs(run, order):
    """What one mock of a test enqueues, the other one sees; their clock is one."""
    run(
        f"""
        import asyncio

        def test_both({order}):
            job = asyncio.run(arqade_mock.enqueue("work", _defer_by=60))
            assert sync_arqade_mock.get_job_metadata(job.id) == job
            arqade_mock.clock.advance(61)
            assert sync_arqade_mock.get_job_status(job.id) == "queued"
        """
    )


def test_mocks_are_closed(run):
    """After its test, a mock is closed: what goes on using it finds out."""
    run(
        """
        import asyncio
        import pytest
        from arqade import QueueClosed

        queues = []

        def test_first(arqade_mock, sync_arqade_mock):
            queues.extend([arqade_mock, sync_arqade_mock])
            sync_arqade_mock.ping()

        def test_second():
            with pytest.raises(QueueClosed):
                asyncio.run(queues[0].ping())
            with pytest.raises(QueueClosed):
                queues[1].ping()
        """,
        count=2,
    )


def test_mock_may_be_closed_by_the_test(run):
    """A test may close its mock itself."""
    run(
        """
        import asyncio

        def test_close(arqade_mock, sync_arqade_mock):
            asyncio.run(arqade_mock.aclose())
            sync_arqade_mock.close()
        """
    )


def test_mark(run):
    """The mark sets the options of both mocks; the mark that is nearest wins."""
    run(
        """
        import pytest
        from arqade import PayloadTooLarge
        from arqade.testing import MockClock

        CLOCK = MockClock()
        pytestmark = pytest.mark.arqade(default_queue_name="module", max_payload_bytes=100)

        @pytest.mark.arqade(default_queue_name="class", clock=CLOCK)
        class TestMark:
            def test_class(self, arqade_mock, sync_arqade_mock):
                assert arqade_mock.default_queue_name == "class"
                assert sync_arqade_mock.default_queue_name == "class"
                assert arqade_mock.clock is sync_arqade_mock.clock is CLOCK
                with pytest.raises(PayloadTooLarge):
                    sync_arqade_mock.enqueue("work", "x" * 100)

            @pytest.mark.arqade(default_queue_name="function", max_payload_bytes=1000)
            def test_function(self, sync_arqade_mock):
                assert sync_arqade_mock.default_queue_name == "function"
                assert sync_arqade_mock.clock is CLOCK
                sync_arqade_mock.enqueue("work", "x" * 100)

        def test_module(sync_arqade_mock):
            assert sync_arqade_mock.default_queue_name == "module"
        """,
        "--strict-markers",
        count=3,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "queue_name='x'",
            "*pytest.mark.arqade has no option 'queue_name'; the options are*codec*",
        ),
        ("store=None", "*pytest.mark.arqade has no option 'store'; the options are *"),
        ("'x'", "*pytest.mark.arqade takes its options by name; the options are default_*"),
        ("default_queue_name=5", "*TypeError: queue_name must be a str, not int"),
    ],
)
@pytest.mark.parametrize("fixture", ["arqade_mock", "sync_arqade_mock"])
def test_wrong_mark_is_an_error(run, fixture, arguments, message):
    """A mark with an option that there is not, or a wrong value, is an error that says so."""
    result = run(
        f"""
        import pytest

        @pytest.mark.arqade({arguments})
        def test_mark({fixture}):
            pass
        """,
        outcome="errors",
    )
    result.stdout.fnmatch_lines([message])


@pytest.mark.parametrize("mock", [MockArqQueue, SyncMockArqQueue])
def test_mark_takes_the_options_of_the_mocks(mock):
    """The mark has all options of the mocks, except for the store that the fixtures share."""
    assert {*_arqade_pytest.OPTIONS, "store"} == set(inspect.signature(mock).parameters)


def test_redis(run):
    """`arqade_redis` is the URL of a real server, one for all tests, that each test finds empty."""
    run(
        """
        import pytest
        import redis
        from arqade import RedisSettings, SyncRedisArqQueue

        urls = set()

        @pytest.mark.parametrize("n", [1, 2])
        def test_redis(arqade_redis, n):
            urls.add(arqade_redis)
            assert len(urls) == 1
            assert RedisSettings.from_url(arqade_redis).host == "127.0.0.1"
            with redis.Redis.from_url(arqade_redis, db=3) as client:
                assert client.dbsize() == 0
                client.set("left", "over")
            with SyncRedisArqQueue.from_url(arqade_redis) as queue:
                assert queue.enqueue("work", _job_id="k").id == "k"

        def test_server(arqade_redis, arqade_redis_server):
            assert arqade_redis_server.url == arqade_redis
        """,
        count=3,
    )


def test_no_server_is_an_error(run, pytester, monkeypatch):
    """Where no server can be found, the tests that want one don't pass, and say what to do."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    result = run("def test_redis(arqade_redis): pass", outcome="errors")
    result.stdout.fnmatch_lines(
        ["arqade_redis can't start a server: No Redis server was found*arqade?embedded?*"]
    )
    assert "During handling" not in result.stdout.str()


def test_mark_is_registered(pytester):
    """The list of `pytest --markers` has the mark with its options."""
    result = pytester.runpytest("--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.arqade(default_queue_name=..., codec=..., *"])


@pytest.mark.parametrize("name", FIXTURES)
def test_fixtures_are_listed(pytester, name):
    """`pytest --fixtures` lists each fixture with what it gives."""
    result = pytester.runpytest("--fixtures")
    result.stdout.re_match_lines([rf"{name}\b.*_arqade_pytest\.py.*", "    A .*|    The .*"])


def test_public_name():
    """The plugin's public module has all that the loaded one has."""
    assert pytest_plugin.__all__ == _arqade_pytest.__all__
    assert all(
        getattr(pytest_plugin, name) is getattr(_arqade_pytest, name)
        for name in pytest_plugin.__all__
    )
    assert {*FIXTURES} < {*pytest_plugin.__all__}


def test_entry_point():
    """The plugin has an entry point, for a module that is not in the package."""
    [entry] = importlib.metadata.entry_points(group="pytest11", name="arqade")
    assert entry.value == "_arqade_pytest"


USE = """
def test_use(sync_arqade_mock):
    sync_arqade_mock.ping()
"""


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        ([], "passed"),
        (["-p", "no:arqade"], "errors"),
        (["-p", "arqade.pytest_plugin"], "passed"),
        (["-p", "no:arqade", "-p", "arqade.pytest_plugin"], "passed"),
        (["--disable-plugin-autoload"], "errors"),
        (["--disable-plugin-autoload", "-p", "arqade.pytest_plugin"], "passed"),
    ],
    ids=["itself", "no", "both", "public name", "no autoload", "no autoload, public name"],
)
def test_loading(pytester, options, outcome):
    """The plugin is loaded by itself, or by its public name, or by both; or not at all."""
    pytester.makepyfile(USE)
    result = pytester.runpytest_subprocess("-W", "error", "--strict-markers", *options)
    result.assert_outcomes(**{outcome: 1})


def test_costs_nothing_where_it_is_not_used(pytester):
    """A run of other tests loads the plugin, and imports neither arqade nor what it needs."""
    pytester.makepyfile(
        """
        import sys

        def test_imported(pytestconfig):
            assert pytestconfig.pluginmanager.has_plugin("arqade")
            assert "_arqade_pytest" in sys.modules
            found = {name.partition(".")[0] for name in sys.modules}
            assert not found & {"arqade", "redis", "attr", "attrs", "cattrs", "hiredis", "arq"}
        """
    )
    result = pytester.runpytest_subprocess("--strict-markers")
    result.assert_outcomes(passed=1)
