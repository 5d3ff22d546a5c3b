"""From redis-py's errors to arqade's, and which of them may pass by themselves."""

from __future__ import annotations

import re
import ssl

from redis import exceptions as redis_errors

from arqade._protocol.errors import Unanswered
from arqade._transport.lines import is_broken
from arqade.exceptions import ArqadeError, QueueConnectionError, QueueServerError

__all__ = ["UnknownServiceError", "is_final", "is_refused_login", "is_transient", "translate"]

TRANSIENT_CODES = re.compile(
    r"\b(BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|NOREPLICAS|READONLY|TRYAGAIN)\b"
)
"""Refusals that end by themselves: after a load, a slow script or a failover."""

CURES: tuple[tuple[type[Exception], str, str], ...] = (
    (redis_errors.OutOfMemoryError, r"\bOOM\b", "raise its maxmemory, or remove data"),
    (
        redis_errors.NoPermissionError,
        # Inside a script, Redis leaves the code out.
        r"\bNOPERM\b|user executing the script can't|ACL failure in script",
        "give this user the permissions that the documentation lists",
    ),
    (redis_errors.ReadOnlyError, r"\bREADONLY\b", "connect to the primary"),
    (redis_errors.ResponseError, r"\bMISCONF\b", "see why it can't save to disk"),
    (
        redis_errors.ResponseError,
        r"\bWRONGTYPE\b",
        "look for another program that uses the same key names",
    ),
    (redis_errors.ResponseError, r"\bNOREPLICAS\b", "see where its replicas are"),
    (redis_errors.BusyLoadingError, r"\bLOADING\b", "wait until it has loaded its data"),
    (redis_errors.ClusterDownError, r"\bMASTERDOWN\b|\bCLUSTERDOWN\b", "see where its primary is"),
    (redis_errors.ResponseError, r"\bBUSY\b", "see which script holds it up"),
    (
        redis_errors.AskError,  # and MovedError, which is one
        r"\b(MOVED|ASK|CROSSSLOT)\b|hash to the same slot|non local key",
        "use a server that is in no cluster",
    ),
)
"""What to do about a refusal, by its class and the code in its message.

redis-py takes the code off a message for which it has a class, unless a script passed it on.
"""

NO_COMMON_TLS = re.compile(
    r"CERTIFICATE|CIPHER|HANDSHAKE_FAILURE|PROTOCOL|UNKNOWN_CA|VERSION_NUMBER"
)
"""What TLS says where trying again does not help."""

QUOTED = ", with args beginning with"
"""What comes before the arguments that a server quotes."""

REFUSED_LOGIN = (
    redis_errors.AuthenticationError,
    redis_errors.AuthenticationWrongNumberOfArgsError,
    redis_errors.AuthorizationError,
)


class UnknownServiceError(redis_errors.ConnectionError):
    """No sentinel watches a service of this name."""


def is_transient(error: Exception) -> bool:
    """Tell whether trying again may help."""
    if isinstance(error, (*REFUSED_LOGIN, UnknownServiceError)) or _tls_refusal(error):
        return False
    if isinstance(error, redis_errors.ResponseError):
        return TRANSIENT_CODES.search(str(error)) is not None or isinstance(
            error,
            redis_errors.ReadOnlyError | redis_errors.ClusterDownError | redis_errors.TryAgainError,
        )
    return isinstance(error, redis_errors.ConnectionError | redis_errors.TimeoutError | OSError)


def is_refused_login(error: Exception) -> bool:
    """Tell whether a server does not know this user."""
    return isinstance(error, REFUSED_LOGIN)


def is_final(error: Exception) -> bool:
    """Tell whether the server has refused, and will again."""
    return not is_broken(error) and not is_transient(error)


def _tls_refusal(error: BaseException) -> ssl.SSLError | None:
    """Give what TLS refused for good: redis-py hides the reason behind its own error."""
    if isinstance(error, ssl.SSLCertVerificationError) or (
        isinstance(error, ssl.SSLError) and NO_COMMON_TLS.search(getattr(error, "reason", "") or "")
    ):
        return error
    behind = error.__cause__ or error.__context__
    return None if behind is None else _tls_refusal(behind)


def _mask(error: Exception) -> None:
    """Take out what a server quotes of a command that it does not know: token and payload."""
    text = str(error)
    if QUOTED in text:
        error.args = (text.partition(QUOTED)[0],)


def translate(error: Exception, *, effect: str, sent: bool) -> ArqadeError:
    """Give arqade's error for one of redis-py's.

    Args:
        error: The last error.
        effect: What has become of what was asked for, if the server has not done it.
        sent: Whether the server may have got the command and not answered.
    """
    _mask(error)
    text = str(error) or type(error).__name__
    if sent:
        return Unanswered(
            f"No answer came from the server, and it is not known whether it did what was asked: "
            f"look before you repeat it ({text})"
        )
    if is_refused_login(error):
        return QueueConnectionError(
            f"The server refused the login, {effect}: check user name and password ({text})"
        )
    refusal = _tls_refusal(error)
    if isinstance(refusal, ssl.SSLCertVerificationError):
        return QueueConnectionError(
            f"The server's certificate was refused, {effect}: check ssl_ca_certs and the host's "
            f"name ({text})"
        )
    if refusal is not None:
        return QueueConnectionError(
            f"The server and this client do not agree on TLS, {effect}: check that it speaks TLS "
            f"1.2 or newer at this port, and ssl_certfile if it wants a certificate ({text})"
        )
    if isinstance(error, UnknownServiceError):
        return QueueConnectionError(
            f"The sentinels don't know the service, {effect}: check sentinel_master ({text})"
        )
    refusals = redis_errors.ResponseError | redis_errors.DataError | redis_errors.BusyLoadingError
    if isinstance(error, refusals):
        return QueueServerError(f"The server refused, {effect}: {_cure(error)} ({text})")
    if isinstance(error, redis_errors.InvalidResponse):
        return QueueConnectionError(
            f"What answers is no Redis server, {effect}: check host and port ({text})"
        )
    return QueueConnectionError(
        f"The server can't be reached, {effect}: check that it runs and where ({text})"
    )


def _cure(error: Exception) -> str:
    for kind, pattern, cure in CURES:
        own_class = kind is not redis_errors.ResponseError and isinstance(error, kind)
        if own_class or re.search(pattern, str(error)):
            return cure
    return "see its message"
