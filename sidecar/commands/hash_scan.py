"""HSCAN.

A hash of up to WHOLE_FIELDS fields comes as one page, as Redis gives a small one. A larger one is paged in the order
of a checksum of its field names: the cursor is the checksum to go on from, so it needs no table, survives writes in
between, and every field that is there all the time is returned.
"""

from functools import partial
from heapq import nsmallest
from typing import Any
from zlib import crc32

from protocol._glob import glob_match
from protocol.replies import Reply
from sidecar.commands.later import Later
from sidecar.commands.reading import Answer, hash_of, read
from sidecar.commands.scan import ScanOptions, cursor_of, parse_options
from sidecar.commands.services import Handler, Services

WHOLE_FIELDS = 512  # Redis 7.0's hash-max-listpack-entries default; 7.4 has 128


def hscan(services: Services, session: Any, args: list[bytes]) -> Reply | Later:
    """HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]"""
    cursor = cursor_of(args[2])

    def reply(answer: Answer) -> Reply:
        fields = hash_of(answer)
        if not fields:  # Redis does not look at the options of an absent key
            return [b"0", []]
        options = parse_options(args[3:], of_hash=True)
        following, names = page_of(fields, cursor, options.count)
        return [b"%d" % following, _shown(fields, names, options)]

    return read(services, args[1], None, reply)


def page_of(fields: dict[bytes, bytes], cursor: int, count: int) -> tuple[int, list[bytes]]:
    """The names of a page and the next cursor, 0 at the end. Fields of one checksum are never parted."""
    if len(fields) <= WHOLE_FIELDS:
        return 0, list(fields)
    ahead = [(checksum, name) for name in fields if (checksum := crc32(name)) >= cursor]
    page = nsmallest(count, ahead)
    if len(page) == len(ahead):
        return 0, [name for _, name in page]
    following = page[-1][0] + 1
    return following, [name for checksum, name in ahead if checksum < following]


def _shown(fields: dict[bytes, bytes], names: list[bytes], options: ScanOptions) -> Reply:
    if options.match is not None:
        names = list(filter(partial(glob_match, options.match), names))
    if options.no_values:
        return [*names]
    return [part for name in names for part in (name, fields[name])]


HANDLERS: dict[bytes, Handler] = {b"hscan": hscan}
