"""The head of a snapshot file. After it come frames (sidecar/memory/_snapshot.pxd), each behind its size as a u32.

Little-endian. Magic, version, size of the head and *state* stand at these places in every version there will ever be,
so that any version can take the state CLEAN away before it serves. The state is not part of the checksum: it is written
over in place. No flip of a few bits makes one state another.
"""

import struct
import zlib
from enum import Enum
from typing import NamedTuple

from sidecar.snapshot.errors import SnapshotRefused

MAGIC = b"featsnap"
VERSION = 1
STATE_AT = 16
_PRELUDE = struct.Struct("<8sII8s")
_BODY = struct.Struct("<16s16s16sQQQQQIB3x")
_CHECKSUM = struct.Struct("<I")
HEAD_BYTES = _PRELUDE.size + _BODY.size + _CHECKSUM.size
FRAME_SIZE = struct.Struct("<I")


class State(Enum):
    """What the file is good for."""

    CLEAN = b"CLEAN-OK"  # written when nothing was served any more, and not used since
    USED = b"USED-NOW"  # it was clean; its values are behind what a later process wrote
    PERIODIC = b"PERIODIC"  # written while serving


class Header(NamedTuple):
    """What the head says.

    Attributes:
        boot: boot_identity() of the writer; empty: unknown.
        origin: origin_identity().
        mapping: the policy's mapping_digest: where keys have their documents.
        written_ns: CLOCK_BOOTTIME when it was finished.
        written_ms: the wall clock then.
        keys: records with a key.
        frames, payload_bytes, payload_crc: all after the head, sizes of frames included.
        has_values: else only keys.
    """

    boot: bytes
    origin: bytes
    mapping: bytes
    written_ns: int
    written_ms: int
    keys: int
    frames: int
    payload_bytes: int
    payload_crc: int
    has_values: bool


def encode(header: Header, state: State) -> bytes:
    """The head's bytes."""
    head = _PRELUDE.pack(MAGIC, VERSION, HEAD_BYTES, state.value)
    body = _BODY.pack(*header)
    return head + body + _CHECKSUM.pack(_checksum(head, body))


def decode_prelude(raw: bytes) -> State | None:
    """The state of a snapshot of any version; None: no state there is, or a file too short to have one.

    Raises:
        SnapshotRefused: not_a_snapshot.
    """
    if is_foreign(raw):
        raise SnapshotRefused("not_a_snapshot", f"found a file that begins with {raw[:8]!r}, expected {MAGIC!r}")
    try:
        return State(raw[STATE_AT : STATE_AT + 8])
    except ValueError:
        return None


def is_foreign(raw: bytes) -> bool:
    """Whether a file that begins so was hardly written by us: nothing of it is touched.

    An empty one, and one of zero bytes, is what a crash of the machine may leave of ours.
    """
    return raw[:8] != MAGIC[: len(raw)] and any(raw[:8])


def decode(raw: bytes) -> Header:
    """The header of a file that begins with ``raw``.

    Raises:
        SnapshotRefused: version or corrupt.
    """
    if len(raw) < HEAD_BYTES:
        raise SnapshotRefused("corrupt", f"found {len(raw)} bytes, expected a head of {HEAD_BYTES}")
    magic, version, head_bytes, state = _PRELUDE.unpack_from(raw)
    if magic == MAGIC and version != VERSION:
        raise SnapshotRefused("version", f"found format version {version}, expected {VERSION}")
    body = raw[_PRELUDE.size : _PRELUDE.size + _BODY.size]
    (checksum,) = _CHECKSUM.unpack_from(raw, _PRELUDE.size + _BODY.size)
    if magic != MAGIC or head_bytes != HEAD_BYTES or checksum != _checksum(raw[: _PRELUDE.size], body):
        raise SnapshotRefused("corrupt", "the head does not match its checksum")
    if state not in {each.value for each in State}:
        raise SnapshotRefused("corrupt", f"found the state {state!r}")
    return Header(*_BODY.unpack(body))


def _checksum(prelude: bytes, body: bytes) -> int:
    return zlib.crc32(prelude[:STATE_AT] + body)
