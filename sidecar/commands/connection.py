"""Commands about the connection itself: PING, ECHO, HELLO, AUTH, SELECT, QUIT, RESET."""

from hmac import compare_digest
from typing import Any

from protocol import errors
from protocol.errors import CommandRejected
from protocol.replies import OK, PONG, ErrorReply, Reply, Status
from sidecar.commands import transactions
from sidecar.commands.arguments import integer
from sidecar.commands.client_name import check_name
from sidecar.commands.services import Handler, Services

SERVER_VERSION = b"7.4.0"  # redis-py's client cache refuses below 7.4
USER = b"default"  # the only one


def ping(services: Services, session: Any, args: list[bytes]) -> Reply:
    """PING [message]"""
    if len(args) > 2:
        raise CommandRejected(errors.wrong_arity(b"ping"))
    return args[1] if len(args) == 2 else PONG


def echo(services: Services, session: Any, args: list[bytes]) -> Reply:
    """ECHO message"""
    return args[1]


def auth(services: Services, session: Any, args: list[bytes]) -> Reply:
    """AUTH [username] password"""
    if len(args) > 3:
        raise CommandRejected(errors.SYNTAX_ERROR)
    if len(args) == 2 and services.password() is None:
        raise CommandRejected(errors.NO_PASSWORD_SET)
    log_in(services, session, args[1] if len(args) == 3 else USER, args[-1])
    return OK


def log_in(services: Services, session: Any, user: bytes, password: bytes) -> None:
    """Let a client in; where no password is set any will do, as in Redis.

    Raises:
        CommandRejected: wrong user or password.
    """
    wanted = services.password()
    right = wanted is None or compare_digest(password, wanted)
    if user != USER or not right:
        raise CommandRejected(errors.WRONG_PASSWORD)
    session.user = USER
    session.authenticate()


def hello(services: Services, session: Any, args: list[bytes]) -> Reply:
    """HELLO [protover [AUTH username password] [SETNAME clientname]]"""
    proto = session.proto
    if len(args) > 1:
        proto = _protocol_version(args[1])
    credentials, name = _hello_options(args[2:])
    if credentials is not None:
        log_in(services, session, *credentials)
    if not session.authenticated:
        return errors.HELLO_NOT_AUTHENTICATED
    if name is not None:
        session.name = name
    session.proto = proto
    return {
        b"server": b"redis",
        b"version": SERVER_VERSION,
        b"proto": proto,
        b"id": session.id,
        b"mode": b"standalone",
        b"role": b"master",
        b"modules": [],
    }


def _protocol_version(argument: bytes) -> int:
    try:
        version = integer(argument)
    except CommandRejected:
        raise CommandRejected(errors.PROTOCOL_NOT_AN_INTEGER) from None
    if version not in (2, 3):
        raise CommandRejected(errors.UNSUPPORTED_PROTOCOL)
    return version


def _hello_options(args: list[bytes]) -> tuple[tuple[bytes, bytes] | None, bytes | None]:
    """User and password, and the client's name, where they are given."""
    credentials = name = None
    at = 0
    while at < len(args):
        option = args[at].lower()
        if option == b"auth" and len(args) - at > 2:
            credentials = (args[at + 1], args[at + 2])
            at += 3
        elif option == b"setname" and len(args) - at > 1:
            name = check_name(args[at + 1])
            at += 2
        else:
            raise CommandRejected(ErrorReply(b"ERR Syntax error in HELLO option '%s'" % args[at]))
    return credentials, name


def select(services: Services, session: Any, args: list[bytes]) -> Reply:
    """SELECT index: there is only database 0."""
    index = integer(args[1])
    if not -(2**31) <= index < 2**31:
        raise CommandRejected(errors.NOT_AN_INTEGER)
    return OK if index == 0 else errors.DB_OUT_OF_RANGE


def quit_(services: Services, session: Any, args: list[bytes]) -> Reply:
    """QUIT: +OK after all replies before it, then the connection closes."""
    session.closing = True
    return OK


def reset(services: Services, session: Any, args: list[bytes]) -> Reply:
    """RESET: the connection as it was when it was made; commands under way still answer."""
    transactions.leave(session)
    state = session.extra  # commands under way keep their place
    session.reset()
    session.extra = state
    return Status(b"RESET")


HANDLERS: dict[bytes, Handler] = {
    b"auth": auth,
    b"echo": echo,
    b"hello": hello,
    b"ping": ping,
    b"quit": quit_,
    b"reset": reset,
    b"select": select,
}
