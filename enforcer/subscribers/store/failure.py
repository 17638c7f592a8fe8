"""What went wrong with the store, in the operator's terms.

The server's own error texts are never repeated: some echo the command they are about, password and all.
"""

from __future__ import annotations

import re
import ssl

from redis import exceptions as said

_CODE = re.compile(r"[A-Z]{2,20}\b")

_ANSWERS: tuple[tuple[type[Exception], str], ...] = (
    (
        said.AuthenticationError,
        "it does not let us in: compare sessions.store_password_file, and the user in sessions.store, with the "
        "store's requirepass or users",
    ),
    (said.NoPermissionError, "its user may not do what is needed: docs/shared-store.md has the ACL rule"),
    (said.BusyLoadingError, "it is still loading its data"),
    (said.OutOfMemoryError, "its memory is full: raise maxmemory"),
    (said.ReadOnlyError, "it is a read-only replica: name the primary in sessions.store"),
    (said.MovedError, "it is a cluster, which is not supported: use one primary, with replicas if need be"),
    (said.AskError, "it is a cluster, which is not supported: use one primary, with replicas if need be"),
)


def explain(error: Exception) -> str:
    """One line on why the store cannot be used, with what to do where that is known."""
    cause = _cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not accepted ({cause.verify_message}): check sessions.store_ca_file, and that "
            "the certificate is for the name in sessions.store"
        )
    if isinstance(cause, ssl.SSLError):
        reason = getattr(cause, "reason", None) or "handshake failed"
        return f"TLS fails ({reason}): rediss:// is for a port that speaks TLS, redis:// for one that does not"
    if isinstance(error, said.TimeoutError) or isinstance(cause, TimeoutError):
        return (
            "no answer in time: the network between drops packets, the store is overloaded or stopped, or TLS is "
            "spoken to a port that does not (redis:// is without)"
        )
    for kind, told in _ANSWERS:
        if isinstance(error, kind):
            return told
    if isinstance(error, said.ResponseError):
        code = _CODE.match(str(error))
        return f"it refuses a command ({code[0] if code else 'no code'}): its own log may say why"
    if cause is not None and cause.strerror and not isinstance(cause, ConnectionResetError | BrokenPipeError):
        return f"{cause.filename}: {cause.strerror}" if cause.filename else f"cannot be reached: {cause.strerror}"
    return "it closed the connection: it stopped, has too many clients, or speaks TLS and we do not"


def _cause(error: BaseException) -> OSError | None:
    """The operating system's error that the client library wraps."""
    looked: BaseException | None = error
    while looked is not None:
        if isinstance(looked, OSError):
            return looked
        looked = looked.__cause__ or looked.__context__
    return None
