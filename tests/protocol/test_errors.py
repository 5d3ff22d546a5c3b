from __future__ import annotations

import copy
import pickle
import socket
import ssl

import pytest
from redis import exceptions as redis_errors
from redis.connection import DefaultParser

from arqade._protocol.errors import Unanswered, closed_error
from arqade._transport.errors import is_transient, translate
from arqade.exceptions import (
    ArqadeError,
    QueueClosed,
    QueueConnectionError,
    QueueServerError,
)

EFFECT = "the job was not queued"
WRAPPED = "ERR Error running script (call to f_6b1bf486c8): @user_script:82: @user_script: 82: "
"""How Redis 6.2 begins the message of an error inside a script."""

PERMISSIONS = "give this user the permissions"
PRIMARY = "connect to the primary"
MEMORY = "raise its maxmemory"
SAVING = "see why it can't save to disk"
OTHER_PROGRAM = "look for another program"
REPLICAS = "see where its replicas are"
SLOW_SCRIPT = "see which script holds it up"
NO_CLUSTER = "use a server that is in no cluster"
NO_CURE = "see its message"

REPLIES = [
    # What servers say (Redis 6.2 and 7, Valkey 9), whether it may pass, and what to do about it.
    ("OOM command not allowed when used memory > 'maxmemory'.", False, MEMORY),
    (f"{WRAPPED}-OOM command not allowed when used memory > 'maxmemory'.", False, MEMORY),
    ("@user_script: 82: -OOM command not allowed when used memory", False, MEMORY),
    ("NOPERM this user has no permissions to run the 'evalsha' command", False, PERMISSIONS),
    ("NOPERM No permissions to access a key", False, PERMISSIONS),
    (f"{WRAPPED}-NOPERM this user has no permissions", False, PERMISSIONS),
    ("ERR The user executing the script can't run this command", False, PERMISSIONS),
    (f"{WRAPPED}The user executing the script can't access at least one key", False, PERMISSIONS),
    ("ERR ACL failure in script: No permissions to access a key script: on", False, PERMISSIONS),
    ("READONLY You can't write against a read only replica.", True, PRIMARY),
    (f"{WRAPPED}-READONLY You can't write against a read only replica.", True, PRIMARY),
    ("MISCONF Redis is configured to save RDB snapshots, but it's unable to", False, SAVING),
    (f"{WRAPPED}-MISCONF Redis is configured to save RDB snapshots", False, SAVING),
    ("WRONGTYPE Operation against a key holding the wrong kind of value", False, OTHER_PROGRAM),
    ("WRONGTYPE the queue key holds another type; nothing was written", False, OTHER_PROGRAM),
    (f"{WRAPPED}WRONGTYPE Operation against a key holding the wrong", False, OTHER_PROGRAM),
    ("NOREPLICAS Not enough good replicas to write.", True, REPLICAS),
    (f"{WRAPPED}-NOREPLICAS Not enough good replicas to write.", True, REPLICAS),
    ("BUSY Redis is busy running a script. You can only call SCRIPT KILL", True, SLOW_SCRIPT),
    ("BUSY Valkey is busy running a script.", True, SLOW_SCRIPT),
    ("MASTERDOWN Link with MASTER is down", True, "see where its primary is"),
    ("CLUSTERDOWN The cluster is down", True, "see where its primary is"),
    ("MOVED 3853 10.0.0.7:6379", False, NO_CLUSTER),
    ("ASK 3853 10.0.0.7:6379", False, NO_CLUSTER),
    ("CROSSSLOT Keys in request don't hash to the same slot", False, NO_CLUSTER),
    (f"{WRAPPED}attempted to access a non local key in a cluster node", False, NO_CLUSTER),
    ("TRYAGAIN Multiple keys request during rehashing of slot", True, NO_CURE),
    ("NOSCRIPT No matching script. Please use EVAL.", False, NO_CURE),
    ("EXECABORT Transaction discarded because of previous errors.", False, NO_CURE),
    ("ERR unknown command 'EVALSHA'", False, NO_CURE),
    ("BUSYGROUP Consumer Group name already exists", False, NO_CURE),
    ("BUSYKEY Target key name already exists.", False, NO_CURE),
    ("UNKILLABLE Sorry the script already executed write commands", False, NO_CURE),
    ("", False, NO_CURE),
]

LOGIN = [
    "NOAUTH Authentication required.",
    "WRONGPASS invalid username-password pair or user is disabled.",
    "ERR invalid password",
    "ERR Client sent AUTH, but no password is set",
    "ERR wrong number of arguments for 'auth' command",
]

UNREACHABLE = [
    redis_errors.ConnectionError("Error 111 connecting to h:6379. Connection refused."),
    redis_errors.TimeoutError("Timeout reading from socket"),
    redis_errors.MaxConnectionsError("Too many connections"),
    ConnectionRefusedError(111, "Connection refused"),
    ConnectionResetError(),
    BrokenPipeError(),
    TimeoutError(),
    socket.gaierror(-2, "Name or service not known"),
    OSError("Network is unreachable"),
    ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"),
    ssl.SSLEOFError(8, "EOF occurred in violation of protocol"),
]


def name_of(value):
    return type(value).__name__ if isinstance(value, Exception) else None


def parsed(text):
    """Make the error that redis-py makes of a server's reply."""
    return DefaultParser.parse_error(text)


def translated(error):
    return translate(error, effect=EFFECT, sent=False)


def certificate_error():
    return ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] self-signed")


def behind(reason, *, link):
    """Give a redis error behind which there is another one."""
    error = redis_errors.ConnectionError("Error 1 connecting to h:6379.")
    setattr(error, link, reason)
    return error


class TestRefusals:
    @pytest.mark.parametrize(("reply", "transient", "cure"), REPLIES, ids=lambda v: str(v)[-40:])
    def test_refusal(self, reply, transient, cure):
        """A refusal says what has become of the job, what to do, and what the server said."""
        error = parsed(reply)
        assert is_transient(error) is transient
        actual = translated(error)
        assert type(actual) is QueueServerError
        assert EFFECT in str(actual)
        assert cure in str(actual)
        assert f"({str(error) or type(error).__name__})" in str(actual)

    @pytest.mark.parametrize("text", ["the READONLY mode", "x-BUSY", "LOADING"])
    def test_code_counts_as_a_word(self, text):
        """A code is found wherever a server or a script puts it."""
        assert is_transient(redis_errors.ResponseError(text))

    @pytest.mark.parametrize("text", ["BUSYGROUP", "UNBUSY", "busy", "READONLYX"])
    def test_part_of_a_word_is_no_code(self, text):
        """A part of a longer word is no code."""
        assert not is_transient(redis_errors.ResponseError(text))

    def test_loading(self):
        """A server that loads its data was reached, and will be there."""
        error = redis_errors.BusyLoadingError("Redis is loading the dataset in memory")
        assert is_transient(error)
        assert type(translated(error)) is QueueServerError
        assert "wait until it has loaded its data" in str(translated(error))

    def test_data_error(self):
        """What redis-py can't send is a refusal that won't pass."""
        error = redis_errors.DataError("Invalid input of type: 'object'")
        assert not is_transient(error)
        assert type(translated(error)) is QueueServerError

    @pytest.mark.parametrize(
        ("kind", "transient"),
        [
            (redis_errors.ReadOnlyError, True),
            (redis_errors.ClusterDownError, True),
            (redis_errors.MasterDownError, True),
            (redis_errors.TryAgainError, True),
            (redis_errors.OutOfMemoryError, False),
            (redis_errors.NoPermissionError, False),
            (redis_errors.NoScriptError, False),
            (redis_errors.ExecAbortError, False),
            (redis_errors.ModuleError, False),
            (redis_errors.ResponseError, False),
        ],
        ids=lambda value: value.__name__ if isinstance(value, type) else None,
    )
    def test_class_without_its_code(self, kind, transient):
        """Where redis-py has a class for a code, it takes the code off: then the class counts."""
        assert is_transient(kind("some text")) is transient
        assert type(translated(kind("some text"))) is QueueServerError


class TestLogin:
    @pytest.mark.parametrize("reply", LOGIN, ids=lambda reply: reply[:20])
    def test_refused_login(self, reply):
        """A refused login won't pass, and says what to check."""
        error = parsed(reply)
        assert not is_transient(error)
        actual = translated(error)
        assert type(actual) is QueueConnectionError
        assert EFFECT in str(actual)
        assert f"check user name and password ({error})" in str(actual)

    @pytest.mark.parametrize(
        "kind",
        [
            redis_errors.AuthenticationError,
            redis_errors.AuthorizationError,
            redis_errors.AuthenticationWrongNumberOfArgsError,
        ],
    )
    def test_classes(self, kind):
        """All of redis-py's classes for a refused login are meant."""
        assert not is_transient(kind("READONLY"))
        assert "check user name and password" in str(translated(kind("x")))


class TestConnections:
    @pytest.mark.parametrize("error", UNREACHABLE, ids=name_of)
    def test_unreachable(self, error):
        """A broken or missing connection may pass, and says what to check."""
        assert is_transient(error)
        actual = translated(error)
        assert type(actual) is QueueConnectionError
        assert EFFECT in str(actual)
        assert f"({str(error) or type(error).__name__})" in str(actual)

    def test_too_many_clients(self):
        """A server that has too many clients may have fewer soon."""
        error = parsed("ERR max number of clients reached")
        assert is_transient(error)
        assert type(translated(error)) is QueueConnectionError

    def test_loading(self):
        """A server that loads its data will have loaded it soon."""
        error = parsed("LOADING Redis is loading the dataset in memory")
        assert is_transient(error)
        assert isinstance(translated(error), ArqadeError)

    @pytest.mark.parametrize(
        "error",
        [
            redis_errors.InvalidResponse("Protocol Error"),
            redis_errors.RedisError("odd"),
            ValueError("no error of the connection"),
        ],
        ids=name_of,
    )
    def test_other_errors(self, error):
        """Of other errors nothing says that they pass."""
        assert not is_transient(error)
        assert type(translated(error)) is QueueConnectionError

    def test_error_without_a_text(self):
        """An error without a text is named by its class."""
        assert "(ConnectionError)" in str(translated(redis_errors.ConnectionError()))


class TestCertificates:
    @pytest.mark.parametrize(
        "error",
        [
            certificate_error(),
            behind(certificate_error(), link="__cause__"),
            behind(certificate_error(), link="__context__"),
            behind(behind(certificate_error(), link="__context__"), link="__cause__"),
        ],
        ids=["itself", "cause", "context", "behind two"],
    )
    def test_bad_certificate(self, error):
        """A refused certificate won't pass, wherever redis-py hides it, and says what to check."""
        assert not is_transient(error)
        actual = translated(error)
        assert type(actual) is QueueConnectionError
        assert "certificate" in str(actual)
        assert "ssl_ca_certs" in str(actual)
        assert EFFECT in str(actual)

    @pytest.mark.parametrize("link", ["__cause__", "__context__"])
    def test_other_reason(self, link):
        """Another reason behind an error changes nothing."""
        error = behind(ConnectionResetError(), link=link)
        assert is_transient(error)
        assert "check that it runs" in str(translated(error))


class TestUnanswered:
    @pytest.mark.parametrize(
        "error",
        [*UNREACHABLE, parsed(REPLIES[0][0]), parsed(LOGIN[0]), certificate_error()],
        ids=name_of,
    )
    def test_unanswered(self, error):
        """Once a command may have been carried out, that is what is said, whatever broke."""
        actual = translate(error, effect=EFFECT, sent=True)
        assert type(actual) is Unanswered
        assert isinstance(actual, QueueConnectionError)
        assert EFFECT not in str(actual)
        assert "it is not known" in str(actual)
        assert f"({str(error) or type(error).__name__})" in str(actual)

    @pytest.mark.parametrize("clone", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
    def test_copy(self, clone):
        """The error can be copied and pickled."""
        error = translate(redis_errors.ConnectionError("x"), effect=EFFECT, sent=True)
        assert (type(clone(error)), clone(error).args) == (Unanswered, error.args)


def test_closed():
    """A closed queue says that nothing was sent, and what to do."""
    error = closed_error()
    assert type(error) is QueueClosed
    assert "nothing was sent: open a new one" in str(error)


def test_every_error_of_redis_is_translated():
    """Whatever class of redis-py it is, an error of arqade comes out."""
    kinds = [
        kind
        for kind in vars(redis_errors).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ]
    assert redis_errors.ConnectionError in kinds
    for kind in kinds:
        # Some classes take the place that a cluster names.
        error = kind("1234 h:6379") if issubclass(kind, redis_errors.AskError) else kind("text")
        assert isinstance(is_transient(error), bool)
        for sent in (True, False):
            assert isinstance(translate(error, effect=EFFECT, sent=sent), ArqadeError)
