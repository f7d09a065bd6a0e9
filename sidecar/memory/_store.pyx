"""The memory tier: its upkeep and its figures."""
cimport cython
from cpython.bytes cimport PyBytes_GET_SIZE
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from policies._freshness cimport entry_jitter
from sidecar.memory._borrowed cimport data_of
from sidecar.memory._eviction cimport compact, sweep_expired
from sidecar.memory._index cimport SLOTS, Bucket, Slot, frequency_of, index_begin_walk, index_next_unseen, slot_value
from sidecar.memory._items cimport (
    BUSY, EXPIRES, NEGATIVE_ITEM, NO_RULE, REFRESHING, ROW, WHOLE, expiry_of, filled_at_of, item_key, item_rule, item_size,
    row_shape,
)
from sidecar.memory._row_lookups cimport UNKNOWN
from sidecar.memory._machine cimport OFFSET_MASK
from sidecar.memory._tier cimport age_of, drop_item, memory_used, queue_of
from sidecar.memory._views cimport RowView, UNKNOWN_COLUMN

QUEUE_NAMES = ("small", "main", "prefetched")


@cython.final
@cython.auto_pickle(False)
cdef class Store(Speculation):
    """Strings, rows and remembered absences within max_memory bytes; who judges freshness is the table.

    Args:
        max_memory: bytes for items, index, schemas and ghosts together; at least 64 KiB.
        table: the policy's; replaced with use_table.
        counters: lookup_counted and judge_fields add to them.
        seed: 16 bytes, of the key hash; None: random.

    Raises:
        ValueError: max_memory or seed of a wrong size. MemoryError: no address space.
    """

    def set_time(self, uint32_t now_tick, uint64_t wall_ms):
        """What time it is for what follows: a tick rounded up, and the wall clock."""
        self.now = now_tick
        self.wall_ms = wall_ms

    def expire_step(self, uint32_t max_items):
        """Look at the next max_items items and drop those past all their windows. Returns how many were dropped."""
        self.sync()
        return sweep_expired(&self.tier, max_items)

    def resolve_step(self, uint32_t max_buckets, uint32_t max_keys):
        """Find the rules anew of what a change of patterns left behind and nobody touched since, or has none yet.

        Epochs have 8 bits and come round after 256 such changes, each at least 0.25 s after the one before: what is half
        of that behind loses its rule, which costs nothing, until its turn comes. Goes round until a whole walk has found
        nothing, for items move meanwhile; then it does nothing until the next change.

        Returns:
            Whether anything may be left.
        """
        cdef Bucket* bucket
        cdef uint32_t slot
        while self.left_behind and max_buckets:
            if self.resolve_at >= self.tier.index.grown:
                self.left_behind = self.resolved_any
                self.resolve_at = 0
                self.resolved_any = False
                break
            bucket = &self.tier.index.buckets[self.resolve_at]
            self.resolve_at += 1
            max_buckets -= 1
            for slot in range(SLOTS):
                if bucket.tags[slot] and self.catch_up(
                    self.tier.arena.base + (slot_value(bucket, slot) & OFFSET_MASK), max_keys > 0
                ) and max_keys:
                    max_keys -= 1
        return self.left_behind

    cdef bint catch_up(self, uint8_t* item, bint may_resolve) noexcept:
        """Give an item its rule by the present patterns, if it is behind and there is time. True: it was behind."""
        cdef uint8_t behind = self.table.pattern_epoch - item[1]
        if behind == 0 and item_rule(item) < self.table.count:
            return False
        if behind >= 128:
            (<uint16_t*>(item + 2))[0] = NO_RULE
            item[1] = self.table.pattern_epoch
        if not may_resolve or self.resolve_again(item):
            self.resolved_any = True     # else the policy cannot say: its next look-up asks again
        return True

    def compact_step(self, uint64_t max_bytes):
        """Give back the room of dead items, copying about max_bytes at most. Returns bytes freed."""
        self.sync()
        return compact(&self.tier, max_bytes)

    def items(self, uint64_t position, uint32_t n):
        """Keys from a position (0: the start), about n of them: (next position or None at the end, keys).

        A key that is here during the whole walk is given at least once, unless the index displaced it meanwhile.
        """
        cdef Bucket* bucket
        cdef uint32_t slot
        keys = []
        while position < self.tier.index.grown and len(keys) < n:
            bucket = &self.tier.index.buckets[position]
            for slot in range(SLOTS):
                if bucket.tags[slot]:
                    keys.append(self.key_at(bucket, slot))
            position += 1
        return (position if position < self.tier.index.grown else None), keys

    cdef bytes key_at(self, Bucket* bucket, uint32_t slot):
        cdef uint32_t size
        cdef const uint8_t* key = item_key(self.tier.arena.base + (slot_value(bucket, slot) & OFFSET_MASK), &size)
        return (<const char*>key)[:size]

    def drop_matching(self, predicate, uint32_t budget, uint64_t position=0):
        """Drop every key that predicate(key) accepts, looking at about `budget` keys.

        Begin with position 0 and go on with what is returned until it is None. What was here when the walk began and is
        still here when it ends was looked at, though items move meanwhile; one walk at a time: another walk's position
        begins anew.
        """
        cdef uint32_t looked = 0
        if position == 0 or position != self.tier.index.walk:
            position = 0
            index_begin_walk(&self.tier.index)
        while looked < budget:
            if self.tier.index.unseen_count:
                looked += self.drop_in_bucket(predicate, index_next_unseen(&self.tier.index))
            elif position < self.tier.index.grown:
                looked += self.drop_in_bucket(predicate, position)
                position += 1
                self.tier.index.walk = <uint32_t>position
            else:
                index_begin_walk(&self.tier.index)
                return None
        return position

    cdef int drop_in_bucket(self, object predicate, uint64_t number) except -1:
        cdef Bucket* bucket = &self.tier.index.buckets[number]
        cdef uint32_t index_slot
        cdef Slot slot
        for index_slot in range(SLOTS):
            if bucket.tags[index_slot] and predicate(self.key_at(bucket, index_slot)):
                slot.bucket = bucket
                slot.number = index_slot
                drop_item(&self.tier, &slot)
        return SLOTS

    # --- figures ---

    @property
    def memory_used(self):
        """Bytes held: segments, index, schemas, ghosts, remembered column lists."""
        return memory_used(&self.tier)

    @property
    def memory_limit(self):
        return self.tier.max_memory

    @property
    def segment_bytes(self):
        """The largest item that is cached."""
        return self.tier.arena.segment_bytes

    @property
    def entries(self):
        """String values and fields of rows."""
        return self.tier.strings + self.tier.fields

    @property
    def rows(self):
        return self.tier.rows

    @property
    def strings(self):
        return self.tier.strings

    @property
    def negatives(self):
        """Documents remembered as absent."""
        return self.tier.negatives

    @property
    def schemas(self):
        """Distinct lists of field names."""
        return self.tier.schemas.count

    @property
    def expired(self):
        return self.tier.expired

    @property
    def evictions(self):
        """{reason: items}: pushed out for space, or never let in."""
        return {
            "capacity": self.tier.evicted,
            "index": self.tier.crowded_out,
            "too_large": self.tier.too_large,
            "no_room": self.tier.no_room,
        }

    def __len__(self):
        return self.tier.index.entries

    def __contains__(self, bytes key not None):
        cdef Slot slot
        return self.find_for_write(key, &slot) != NULL

    def bytes_of(self, bytes key not None):
        """Bytes that a key holds here, its place in the index included; None: nothing."""
        cdef Slot slot
        cdef uint8_t* item = self.find_for_write(key, &slot)
        return item_size(item) + 8 if item != NULL else None

    def explain(self, bytes key not None, field=None):
        """Raw facts about a key and perhaps a field of it; {"kind": None} when nothing is here."""
        cdef Slot slot
        cdef RowView row
        cdef uint32_t size = <uint32_t>PyBytes_GET_SIZE(key)
        cdef uint64_t key_hash = self.hash_key(data_of(key), size)
        cdef uint32_t rule, age
        cdef int32_t column
        cdef int verdict
        cdef bint absent
        cdef uint8_t* item = self.find_live(key_hash, data_of(key), size, &slot)
        if item == NULL:
            return {"kind": None}
        facts = {
            "kind": "row" if item[0] & ROW else "negative" if item[0] & NEGATIVE_ITEM else "string",
            "rule": item_rule(item),
            "age_ticks": age_of(self.now, filled_at_of(item)),
            "jitter_ticks": entry_jitter(key_hash, &self.table.limits[item_rule(item)]),
            "expiry_ms": expiry_of(item) if item[0] & EXPIRES else None,
            "busy": item[0] & BUSY != 0,
            "refreshing": item[0] & REFRESHING != 0,
            "frequency": frequency_of(slot_value(slot.bucket, slot.number)),
            "queue": QUEUE_NAMES[queue_of(&self.tier, slot_value(slot.bucket, slot.number) & OFFSET_MASK)],
            "bytes": item_size(item),
            "whole": not item[0] & ROW or row_shape(item) & WHOLE != 0,
        }
        if not item[0] & ROW or self.fill_row_view(item, key_hash, &row) < 0:
            return facts
        facts["fields"] = row.columns
        if field is not None:
            column = self.column_for(&row, data_of(field), <uint32_t>len(field), 0)
            facts["known"] = column != UNKNOWN_COLUMN
            verdict = self.judge_column(&row, column, &rule, &age, &absent)
            if verdict != UNKNOWN:
                facts["field_rule"] = rule
                facts["field_age_ticks"] = age
                facts["field_jitter_ticks"] = entry_jitter(key_hash, &self.table.limits[rule])
                facts["absent"] = absent
        return facts
