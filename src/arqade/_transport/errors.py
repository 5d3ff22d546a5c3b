"""From redis-py's errors to arqade's, and which of them may pass by themselves."""

from __future__ import annotations

import re
import ssl

from redis import exceptions as redis_errors

from arqade._protocol.errors import Unanswered
from arqade._transport.lines import is_broken
from arqade.exceptions import ArqadeError, QueueConnectionError, QueueServerError

__all__ = ["is_final", "is_transient", "translate"]

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
)
"""What to do about a refusal, by its class and the code in its message.

redis-py takes the code off a message for which it has a class, unless a script passed it on.
"""

REFUSED_LOGIN = (
    redis_errors.AuthenticationError,
    redis_errors.AuthenticationWrongNumberOfArgsError,
    redis_errors.AuthorizationError,
)


def is_transient(error: Exception) -> bool:
    """Tell whether trying again may help."""
    if isinstance(error, REFUSED_LOGIN) or _bad_certificate(error):
        return False
    if isinstance(error, redis_errors.ResponseError):
        return TRANSIENT_CODES.search(str(error)) is not None or isinstance(
            error,
            redis_errors.ReadOnlyError | redis_errors.ClusterDownError | redis_errors.TryAgainError,
        )
    return isinstance(error, redis_errors.ConnectionError | redis_errors.TimeoutError | OSError)


def is_final(error: Exception) -> bool:
    """Tell whether the server has refused, and will again."""
    return not is_broken(error) and not is_transient(error)


def _bad_certificate(error: BaseException) -> bool:
    """Tell whether TLS refused the server: redis-py hides the reason behind its own error."""
    behind = error.__cause__ or error.__context__
    return isinstance(error, ssl.SSLCertVerificationError) or (
        behind is not None and _bad_certificate(behind)
    )


def translate(error: Exception, *, effect: str, sent: bool) -> ArqadeError:
    """Give arqade's error for one of redis-py's.

    Args:
        error: The last error.
        effect: What has become of what was asked for, if the server has not done it.
        sent: Whether the server may have got the command and not answered.
    """
    text = str(error) or type(error).__name__
    if sent:
        return Unanswered(
            f"No answer came from the server, and it is not known whether it did what was asked: "
            f"look before you repeat it ({text})"
        )
    if isinstance(error, REFUSED_LOGIN):
        return QueueConnectionError(
            f"The server refused the login, {effect}: check user name and password ({text})"
        )
    if _bad_certificate(error):
        return QueueConnectionError(
            f"The server's certificate was refused, {effect}: check ssl_ca_certs and the host's "
            f"name ({text})"
        )
    refusals = redis_errors.ResponseError | redis_errors.DataError | redis_errors.BusyLoadingError
    if isinstance(error, refusals):
        return QueueServerError(f"The server refused, {effect}: {_cure(error)} ({text})")
    return QueueConnectionError(
        f"The server can't be reached, {effect}: check that it runs and where ({text})"
    )


def _cure(error: Exception) -> str:
    for kind, pattern, cure in CURES:
        own_class = kind is not redis_errors.ResponseError and isinstance(error, kind)
        if own_class or re.search(pattern, str(error)):
            return cure
    return "see its message"
