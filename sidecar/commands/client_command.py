"""CLIENT: who is connected, what it calls itself, and ending it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from heapq import merge
from itertools import islice
from typing import Any

from protocol import errors
from protocol.errors import CommandRejected
from protocol.replies import OK, ErrorReply, Reply, Verbatim
from sidecar.commands.arguments import integer
from sidecar.commands.client_name import check_name, is_printable
from sidecar.commands.services import Handler, Services

CLIENT_TYPES = (b"normal", b"master", b"replica", b"slave", b"pubsub")  # all of ours are normal
LISTED_AT_ONCE = 50  # clients a step of the loop: 0.2 ms

BAD_ID = ErrorReply(b"ERR Invalid client ID")
BAD_KILL_ID = ErrorReply(b"ERR client-id should be greater than 0")
BAD_AGE = ErrorReply(b"ERR maxage is not an integer or out of range")
NO_SUCH_CLIENT = ErrorReply(b"ERR No such client")


def client_id(services: Services, session: Any, args: list[bytes]) -> Reply:
    """CLIENT ID"""
    return session.id


def getname(services: Services, session: Any, args: list[bytes]) -> Reply:
    """CLIENT GETNAME"""
    return session.name or None


def setname(services: Services, session: Any, args: list[bytes]) -> Reply:
    """CLIENT SETNAME name"""
    session.name = check_name(args[2])
    return OK


def setinfo(services: Services, session: Any, args: list[bytes]) -> Reply:
    """CLIENT SETINFO LIB-NAME name | LIB-VER version"""
    option = args[2].lower()
    if option not in (b"lib-name", b"lib-ver"):
        raise CommandRejected(ErrorReply(b"ERR Unrecognized option '%s'" % args[2]))
    if not is_printable(args[3]):
        raise CommandRejected(ErrorReply(b"ERR %s cannot contain spaces, newlines or special characters." % args[2]))
    if option == b"lib-name":
        session.lib_name = args[3]
    else:
        session.lib_version = args[3]
    return OK


def no_evict(services: Services, session: Any, args: list[bytes]) -> Reply:
    """CLIENT NO-EVICT ON | OFF: kept and shown; this sidecar drops no client for memory that reads its replies."""
    session.no_evict = _on_or_off(args[2])
    return OK


def no_touch(services: Services, session: Any, args: list[bytes]) -> Reply:
    """CLIENT NO-TOUCH ON | OFF: kept and shown; reads count for eviction all the same."""
    session.no_touch = _on_or_off(args[2])
    return OK


def _on_or_off(argument: bytes) -> bool:
    word = argument.lower()
    if word not in (b"on", b"off"):
        raise CommandRejected(errors.SYNTAX_ERROR)
    return word == b"on"


def info(services: Services, session: Any, args: list[bytes]) -> Reply:
    """CLIENT INFO"""
    lines = [describe(client, services) for client in services.clients if client.session is session]
    return Verbatim(b"txt", b"".join(lines))


def list_(services: Services, session: Any, args: list[bytes]) -> Reply | Coroutine[Any, Any, Reply]:
    """CLIENT LIST [TYPE type] [ID id ...]"""
    chosen: Callable[[Any], bool] = bool
    if len(args) == 4 and args[2].lower() == b"type":
        is_normal = _type(args[3])

        def chosen(client: Any) -> bool:
            return is_normal

    elif len(args) > 3 and args[2].lower() == b"id":
        ids = {_id(argument, BAD_ID) for argument in args[3:]}

        def chosen(client: Any) -> bool:
            return client.session.id in ids

    elif len(args) > 2:
        raise CommandRejected(errors.SYNTAX_ERROR)
    clients = list(services.clients)
    if len(clients) > LISTED_AT_ONCE:
        return _list_in_steps(services, clients, chosen)
    lines = _lines(services, clients, chosen)
    return Verbatim(b"txt", b"".join([lines[number] for number in sorted(lines)]))


async def _list_in_steps(services: Services, clients: list[Any], chosen: Callable[[Any], bool]) -> Reply:
    """Ten thousand clients take 50 ms: others are served meanwhile, so it is not one moment that is shown."""
    lines: dict[int, bytes] = {}
    ids = []
    for first in range(0, len(clients), LISTED_AT_ONCE):
        some = _lines(services, clients[first : first + LISTED_AT_ONCE], chosen)
        lines |= some
        ids.append(sorted(some))
        await asyncio.sleep(0)
    in_order = merge(*ids)
    listed: list[bytes] = []
    while numbers := list(islice(in_order, LISTED_AT_ONCE)):
        listed += [lines[number] for number in numbers]
        await asyncio.sleep(0)
    return Verbatim(b"txt", b"".join(listed))


def _lines(services: Services, clients: list[Any], chosen: Callable[[Any], bool]) -> dict[int, bytes]:
    """By id, the lines of those that are chosen and still connected."""
    connected: Any = services.clients
    return {
        client.session.id: describe(client, services) for client in clients if client in connected and chosen(client)
    }


def _type(argument: bytes) -> bool:
    """Whether a client type is one that we have."""
    if argument.lower() not in CLIENT_TYPES:
        raise CommandRejected(ErrorReply(b"ERR Unknown client type '%s'" % argument))
    return argument.lower() == b"normal"


def _id(argument: bytes, error: ErrorReply) -> int:
    try:
        number = integer(argument)
    except CommandRejected:
        raise CommandRejected(error) from None
    if number < 1:
        raise CommandRejected(error)
    return number


def describe(client: Any, services: Services) -> bytes:
    """One line of CLIENT LIST, in 4 us: there may be ten thousand."""
    session = client.session
    multi = -1 if session.queue is None else len(session.queue)
    flags = ("x" if multi >= 0 else "") + ("e" if session.no_evict else "") + ("T" if session.no_touch else "")
    return (
        f"id={session.id} addr={session.peer} laddr={session.local} fd=-1 name={_text(session.name)} "
        f"age={int(services.loop.time() - session.connected_at)} idle={int(client.age_s)} flags={flags or 'N'} db=0 "
        f"sub=0 psub=0 ssub=0 multi={multi} watch=0 qbuf={client.input_bytes} qbuf-free=0 argv-mem=0 "
        f"multi-mem={session.queue_bytes} rbs=0 rbp=0 obl=0 oll=0 omem={client.output_bytes} "
        f"tot-mem={client.input_bytes + client.output_bytes} events=r cmd={_text(session.last_command) or 'NULL'} "
        f"user={_text(session.user) or 'default'} redir=-1 resp={session.proto} lib-name={_text(session.lib_name)} "
        f"lib-ver={_text(session.lib_version)}\n"
    ).encode()


def _text(value: bytes | None) -> str:
    return value.decode() if value else ""


def kill(services: Services, session: Any, args: list[bytes]) -> Reply:
    """CLIENT KILL address | CLIENT KILL filter value [filter value ...]"""
    if len(args) == 3:
        address = args[2].decode(errors="replace")
        victims = [client for client in services.clients if client.session.peer == address]
        _kill(victims, session)
        return OK if victims else NO_SUCH_CLIENT
    skip_me, tests = _kill_filters(services, args[2:])
    victims = [
        client
        for client in services.clients
        if not (skip_me and client.session is session) and all(test(client) for test in tests)
    ]
    _kill(victims, session)
    return len(victims)


def _kill(victims: list[Any], session: Any) -> None:
    """A client that kills itself still reads its reply."""
    for victim in victims:
        if victim.session is session:
            session.closing = True
        else:
            victim.abort()


def _kill_filters(services: Services, args: list[bytes]) -> tuple[bool, list[Callable[[Any], bool]]]:
    skip_me = True
    tests: list[Callable[[Any], bool]] = []
    if len(args) % 2:
        raise CommandRejected(errors.SYNTAX_ERROR)
    words: Iterator[bytes] = iter(args)
    for word in words:
        value = next(words)
        name = word.lower()
        if name == b"skipme" and value.lower() in (b"yes", b"no"):
            skip_me = value.lower() == b"yes"
        elif name in KILL_FILTERS:
            tests.append(KILL_FILTERS[name](services, value))
        else:
            raise CommandRejected(errors.SYNTAX_ERROR)
    return skip_me, tests


def _of_id(services: Services, value: bytes) -> Callable[[Any], bool]:
    number = _id(value, BAD_KILL_ID)
    return lambda client: client.session.id == number


def _of_type(services: Services, value: bytes) -> Callable[[Any], bool]:
    is_normal = _type(value)
    return lambda client: is_normal


def _of_user(services: Services, value: bytes) -> Callable[[Any], bool]:
    if value != b"default":
        raise CommandRejected(ErrorReply(b"ERR No such user '%s'" % value))
    return lambda client: client.session.authenticated


def _of_peer(services: Services, value: bytes) -> Callable[[Any], bool]:
    return lambda client: client.session.peer.encode() == value


def _of_local(services: Services, value: bytes) -> Callable[[Any], bool]:
    return lambda client: client.session.local.encode() == value


def _of_age(services: Services, value: bytes) -> Callable[[Any], bool]:
    seconds = _id(value, BAD_AGE)
    return lambda client: services.loop.time() - client.session.connected_at >= seconds


KILL_FILTERS: dict[bytes, Callable[[Services, bytes], Callable[[Any], bool]]] = {
    b"addr": _of_peer,
    b"id": _of_id,
    b"laddr": _of_local,
    b"maxage": _of_age,
    b"type": _of_type,
    b"user": _of_user,
}

HANDLERS: dict[bytes, Handler] = {
    b"client|getname": getname,
    b"client|id": client_id,
    b"client|info": info,
    b"client|kill": kill,
    b"client|list": list_,
    b"client|no-evict": no_evict,
    b"client|no-touch": no_touch,
    b"client|setinfo": setinfo,
    b"client|setname": setname,
}
