"""The memory tier: look-ups for the hit path, and for the miss path installing, overlaying and dropping."""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset

from policies._freshness cimport ERROR_ONLY, FEAST_ROW, FEAST_TIMESTAMP, FRESH, STALE, Freshness, Limits, entry_jitter, freshness
from protocol._parser cimport Arg, FieldList
from sidecar.memory._eviction cimport compact, make_room, maintain_index, queue_for_new, sweep_expired
from sidecar.memory._hash cimport siphash13
from sidecar.memory._index cimport (
    SLOTS, Bucket, find_in_bucket, first_bucket, frequency_of, hash_of, index_find, make_value, match_tags,
    prefetch_lines, second_bucket, set_slot, slot_value, tag_of, touch,
)
from sidecar.memory._index cimport lowest_bit, prefetch
from sidecar.memory._items cimport (
    BUSY, EXPIRES, ITEM, NEGATIVE_ITEM, PAD, REFRESHING, ROW, SIDE, SIDE_MIXED, STRING_HEADER, WHOLE, even, expiry_of,
    filled_at_of, item_alignment, item_key, item_rule, item_size, row_parts, row_schema, row_shape, side_absent, side_filled_at, side_of,
    string_parts, value_of, varint_size, write_varint,
)
from sidecar.memory._machine cimport NOWHERE, OFFSET_MASK, OLDEST_AGE, check, store32, store48
from sidecar.memory._plans cimport add_plan, column_names, make_plan
from sidecar.memory._rows cimport Field, add_field, find_field, finish_draft, read_row, reserve_fields, write_row
from sidecar.memory._schemas cimport column_name_of, column_named, plan_of
from sidecar.memory._tier cimport (
    add_live, age_of, count_item, drop_item, enter, memory_used, queue_of, schema_of, spare_segments,
    take_place, tier_clear, tier_close, tier_open,
)
from sidecar.metrics._counters cimport HIT, MISS, NEGATIVE, STALE_HIT, Outcome, count_served

import os
import time

from sidecar.origins.base import ABSENT, Absent, Found

cdef enum:
    LARGEST_SEGMENT = 262144     # 256 KiB, from 64 MiB of memory on
    SMALLEST_SEGMENT = 4096
    SEGMENTS = 256               # at least so many, so that a tenth of them is a queue
    LONGEST_LIST = 4096          # fields of a list whose columns are remembered
    LEAST_MEMORY = 65536
    UNKNOWN = -1                 # judge_column: the row does not know
    FOLLOWS = 16                 # judge_column: a timestamp, as fresh as what is asked beside it


cdef inline const uint8_t* data_of(bytes text) noexcept:
    return <const uint8_t*>PyBytes_AS_STRING(text)


cdef uint32_t segment_bytes_for(uint64_t max_memory):
    cdef uint32_t size = LARGEST_SEGMENT
    while size > SMALLEST_SEGMENT and max_memory // size < SEGMENTS:
        size //= 2
    return size


@cython.final
@cython.auto_pickle(False)
cdef class Store:
    """Strings, rows and remembered absences within max_memory bytes; who judges freshness is the table.

    Args:
        max_memory: bytes for items, index, schemas and ghosts together; at least 64 KiB.
        table: the policy's; replaced with use_table.
        counters: find_string and judge_fields add to them.
        seed: 16 bytes, of the key hash.

    Raises:
        ValueError: max_memory or seed of a wrong size. MemoryError: no address space.
    """

    def __cinit__(self, uint64_t max_memory, RuleTable table not None, Counters counters not None, bytes seed=None):
        cdef uint32_t size = segment_bytes_for(max_memory)
        cdef uint64_t* words
        cdef uint32_t entries = 1024 if max_memory >= 1 << 24 else 64
        seed = os.urandom(16) if seed is None else seed
        if len(seed) != 16:
            raise ValueError("the seed must have 16 bytes")
        if max_memory < LEAST_MEMORY:
            raise ValueError(f"{max_memory} bytes of memory, expected at least {LEAST_MEMORY}")
        words = <uint64_t*>data_of(seed)
        tier_open(&self.tier, max_memory, size, words[0], words[1])
        self.absent_seed = words[0] + 1
        self.counters = counters
        self.scratch = <uint8_t*>malloc(size + 16)
        self.listed = <ListedColumns*>calloc(entries, sizeof(ListedColumns))
        self.absent_rules = <AbsentRule*>calloc(entries, sizeof(AbsentRule))
        if self.scratch == NULL or self.listed == NULL or self.absent_rules == NULL:
            raise MemoryError
        self.listed_mask = self.absent_mask = entries - 1
        self.tier.other_bytes = entries * (sizeof(ListedColumns) + sizeof(AbsentRule))
        self.use_table(table)

    def __dealloc__(self):
        cdef uint32_t i
        if self.listed != NULL:
            for i in range(self.listed_mask + 1):
                free(self.listed[i].columns)
        free(self.listed)
        free(self.absent_rules)
        free(self.scratch)
        free(self.draft.fields)
        free(self.loose_plan)
        tier_close(&self.tier)

    def use_table(self, RuleTable table not None):
        """Judge by another table from now on, what is here already included."""
        self.table = table
        self.tier.limits = table.limits
        self.tier.rules = table.count
        self.tier.generation += 1

    # --- hit path ---

    cdef uint64_t hash_key(self, const uint8_t* key, size_t size) noexcept nogil:
        return hash_of(&self.tier.index, key, size)

    cdef void prefetch_bucket(self, uint64_t key_hash) noexcept nogil:
        prefetch(&self.tier.index.buckets[first_bucket(&self.tier.index, key_hash)])

    cdef void prefetch_item(self, uint64_t key_hash) noexcept nogil:
        """After prefetch_bucket of the same key, with some work between."""
        cdef Bucket* bucket = &self.tier.index.buckets[first_bucket(&self.tier.index, key_hash)]
        cdef uint32_t found = match_tags(bucket.tags, tag_of(key_hash))
        if found:
            prefetch_lines(&self.tier.index, slot_value(bucket, lowest_bit(found)))
        else:
            prefetch(&self.tier.index.buckets[second_bucket(&self.tier.index, key_hash)])

    cdef uint8_t* find_live(self, uint64_t key_hash, const uint8_t* key, uint32_t size, Slot* slot) noexcept:
        """The item of a key, its rule of the present patterns; NULL: none, or one past its document's expiry."""
        cdef uint8_t* item
        if not index_find(&self.tier.index, key_hash, key, size, slot):
            return NULL
        touch(slot)
        item = self.tier.arena.base + (slot_value(slot.bucket, slot.number) & OFFSET_MASK)
        if item[0] & EXPIRES and expiry_of(item) <= self.wall_ms:
            return NULL
        if item[1] != self.table.pattern_epoch or item_rule(item) >= self.table.count:
            if not self.resolve_again(item):
                return NULL
        return item if age_of(self.now, filled_at_of(item)) < OLDEST_AGE else NULL

    cdef bint resolve_again(self, uint8_t* item) noexcept:
        """The patterns changed since the item came: ask the policy for its rule. False: it could not say."""
        cdef uint32_t size
        cdef const uint8_t* key = item_key(item, &size)
        cdef uint32_t rule
        try:
            rule = self.table.resolver.row_rule((<const char*>key)[:size])
        except Exception:
            return False
        if rule >= self.table.count:
            return False
        (<uint16_t*>(item + 2))[0] = <uint16_t>rule
        item[1] = self.table.pattern_epoch
        return True

    cdef Probe find_string(self, uint64_t key_hash, const uint8_t* key, uint32_t size, StringView* out) noexcept:
        cdef Slot slot
        cdef uint8_t* item = self.find_live(key_hash, key, size, &slot)
        cdef const Limits* rule
        cdef uint32_t key_size
        cdef Freshness verdict
        if item == NULL:
            return NOT_HERE
        if item[0] & BUSY:
            return NEEDS_ORIGIN
        rule = &self.table.limits[item_rule(item)]
        out.age_ticks = age_of(self.now, filled_at_of(item))
        out.view = rule.view
        out.revalidate = False
        if item[0] & (NEGATIVE_ITEM | ROW):
            if item[0] & ROW:
                return OTHER_KIND if freshness(out.age_ticks, entry_jitter(key_hash, rule), rule) == FRESH else NEEDS_ORIGIN
            if out.age_ticks >= rule.negative_ticks:
                return NEEDS_ORIGIN
            out.value = NULL
            out.size = 0
            out.outcome = NEGATIVE
        else:
            verdict = freshness(out.age_ticks, entry_jitter(key_hash, rule), rule)
            if verdict > STALE:
                return NEEDS_ORIGIN
            out.value = string_parts(item, &key_size, &out.size) + size
            out.outcome = HIT
            if verdict == STALE:
                out.outcome = STALE_HIT
                out.revalidate = not item[0] & REFRESHING
                item[0] |= REFRESHING
        return USABLE

    cdef int fill_row_view(self, uint8_t* item, uint64_t key_hash, RowView* out) noexcept:
        """All that does not depend on freshness; of a row, or of an absence seen as an empty whole row. -1: no plan."""
        out.item = item
        out.key_hash = key_hash
        out.rule = <uint16_t>item_rule(item)
        out.age_ticks = age_of(self.now, filled_at_of(item))
        out.revalidate = False
        out.list_fresh = False
        out.plan = NULL
        if not item[0] & ROW:
            memset(&out.parts, 0, sizeof(RowParts))
            out.parts.shape = WHOLE
            out.view = self.table.limits[out.rule].view
        else:
            row_parts(item, &out.parts)
            out.plan = self.plan_for(out)
            if out.plan == NULL:
                return -1
            out.view = out.plan.view
        out.values = out.parts.values
        out.ends16 = out.parts.ends16
        out.ends32 = out.parts.ends32
        out.width = out.parts.width
        out.columns = out.parts.columns
        out.schema = out.parts.schema
        out.whole = out.parts.shape & WHOLE != 0
        return 0

    cdef Plan* plan_for(self, RowView* row) noexcept:
        """The rules of the row's columns; NULL: the policy could not say."""
        cdef Schema* schema = schema_of(&self.tier, row.parts.schema)
        cdef Plan* plan = plan_of(schema, row.rule, self.tier.generation)
        if plan != NULL:
            return plan
        try:
            if schema != NULL:
                return add_plan(&self.tier.schemas, schema, self.table, self.tier.generation, row.rule)
            free(self.loose_plan)
            self.loose_plan = NULL
            self.loose_plan = make_plan(self.table, self.tier.generation, row.rule, column_names(NULL, &row.parts))
            return self.loose_plan
        except Exception:
            return NULL

    cdef Probe find_row(self, uint64_t key_hash, const uint8_t* key, uint32_t size, RowView* out) noexcept:
        cdef Slot slot
        cdef uint8_t* item = self.find_live(key_hash, key, size, &slot)
        cdef const Limits* rule
        cdef const Limits* floor
        cdef uint32_t jitter
        if item == NULL:
            return NOT_HERE
        if item[0] & BUSY:
            return NEEDS_ORIGIN
        rule = &self.table.limits[item_rule(item)]
        if not item[0] & (ROW | NEGATIVE_ITEM):
            return OTHER_KIND if freshness(
                age_of(self.now, filled_at_of(item)), entry_jitter(key_hash, rule), rule) == FRESH else NEEDS_ORIGIN
        if self.fill_row_view(item, key_hash, out) < 0:
            return NEEDS_ORIGIN
        if item[0] & NEGATIVE_ITEM:
            if out.age_ticks >= rule.negative_ticks:
                return NEEDS_ORIGIN
            out.outcome = NEGATIVE
            out.list_fresh = True
            return MIXED if rule.flags & FEAST_ROW else USABLE
        out.list_fresh = out.whole and freshness(out.age_ticks, entry_jitter(key_hash, rule), rule) == FRESH
        if out.plan.has_timestamps or rule.flags & FEAST_ROW or out.view == MIXED_VIEWS or out.parts.shape & SIDE_MIXED:
            return MIXED
        floor = &out.plan.whole_floor if out.whole else &out.plan.floor
        jitter = entry_jitter(key_hash, floor)
        if <uint64_t>out.age_ticks + jitter < floor.fresh_ticks:
            out.outcome = HIT
            return USABLE
        return MIXED

    cdef uint32_t absent_rule(self, uint32_t row_rule, const uint8_t* name, uint32_t size) noexcept:
        """The rule of a field that a row lacks; the row's own where the policy cannot say."""
        cdef uint64_t digest = siphash13(self.absent_seed, row_rule, name, size)
        cdef AbsentRule* known = &self.absent_rules[<uint32_t>digest & self.absent_mask]
        cdef uint32_t rule
        if known.digest == digest and known.generation == self.tier.generation:
            return known.rule
        try:
            rule = self.table.resolver.field_rules(row_rule, [(<const char*>name)[:size]])[0]
        except Exception:
            return row_rule
        if rule >= self.table.count:
            return row_rule
        known.digest = digest
        known.generation = self.tier.generation
        known.rule = rule
        return rule

    cdef int32_t column_for(self, const RowView* row, const uint8_t* name, uint32_t size, uint32_t guess) noexcept:
        """A name's column, or how the row lacks it."""
        cdef Schema* schema = schema_of(&self.tier, row.schema)
        cdef int32_t column = -1
        cdef uint32_t number, own_size, rule
        cdef const uint8_t* own
        if schema != NULL:
            column = column_named(&self.tier.schemas, schema, name, size, guess)
        else:
            for number in range(row.columns):
                own = column_name_of(NULL, &row.parts, number, &own_size)
                if own_size == size and memcmp(own, name, size) == 0:
                    column = <int32_t>number
                    break
        if column >= 0:
            return column
        if not row.whole:
            return UNKNOWN_COLUMN
        rule = self.absent_rule(row.rule, name, size)
        return ABSENT_COLUMN if rule == row.rule else ABSENT_BY_RULE - <int32_t>rule

    cdef int columns_of(self, const RowView* row, const Arg* fields, uint32_t count, int32_t* columns) noexcept:
        """The columns of names. Returns 0."""
        cdef uint32_t i
        cdef uint32_t guess = 0
        for i in range(count):
            columns[i] = self.column_for(row, fields[i].data, fields[i].size, guess)
            guess = <uint32_t>columns[i] + 1 if columns[i] >= 0 else guess
        return 0

    cdef const int32_t* listed_columns(self, const RowView* row, const FieldList* fields) noexcept:
        cdef Schema* schema = schema_of(&self.tier, row.schema)
        cdef ListedColumns* listed
        cdef uint32_t i
        cdef uint32_t guess = 0
        cdef int32_t* columns
        if schema == NULL or fields.count > LONGEST_LIST:
            return NULL
        listed = &self.listed[(<uint32_t>schema.serial * 31 + fields.id) & self.listed_mask]
        if (
            listed.schema == schema.serial and listed.list_id == fields.id and listed.rule == row.rule
            and listed.whole == row.whole and listed.generation == self.tier.generation
        ):
            return listed.columns
        columns = <int32_t*>malloc(fields.count * sizeof(int32_t))
        if columns == NULL:
            return NULL
        for i in range(fields.count):
            columns[i] = self.column_for(row, fields.raw + fields.offsets[i], fields.sizes[i], guess)
            guess = <uint32_t>columns[i] + 1 if columns[i] >= 0 else guess
        free(listed.columns)
        self.tier.other_bytes += sizeof(int32_t) * (<uint64_t>fields.count - listed.count)
        listed.schema = schema.serial
        listed.list_id = fields.id
        listed.rule = row.rule
        listed.whole = row.whole
        listed.generation = self.tier.generation
        listed.count = fields.count
        listed.columns = columns
        return columns

    cdef int judge_column(self, const RowView* row, int32_t column, uint32_t* rule, uint32_t* age, bint* absent) noexcept:
        """A field's Freshness, UNKNOWN or FOLLOWS; and through the pointers its rule, age, and whether it is absent."""
        cdef const uint8_t* side
        cdef const Limits* limits
        if column == UNKNOWN_COLUMN:
            return UNKNOWN
        age[0] = row.age_ticks
        if column >= 0:
            check(<uint32_t>column < row.columns)
            rule[0] = row.plan.rules[row.plan.class_of[column]]
            absent[0] = False
            if row.parts.side_count:
                side = side_of(&row.parts, <uint32_t>column)
                if side != NULL:
                    age[0] = age_of(self.now, side_filled_at(side))
                    absent[0] = side_absent(side)
        else:
            rule[0] = row.rule if column == ABSENT_COLUMN else <uint32_t>(ABSENT_BY_RULE - column)
            absent[0] = True
        limits = &self.table.limits[rule[0]]
        if limits.flags & FEAST_TIMESTAMP:
            return FOLLOWS
        if row.plan == NULL:     # the document is absent
            limits = &self.table.limits[row.rule]
            return FRESH if age[0] < limits.negative_ticks else <int>ERROR_ONLY + 1
        if age[0] >= OLDEST_AGE:
            return <int>ERROR_ONLY + 1
        return freshness(age[0], entry_jitter(row.key_hash, limits), limits)

    cdef int judge_fields(self, RowView* row, const int32_t* columns, uint32_t count, uint8_t* outcomes, Judgement* out) noexcept:
        """Each field's outcome; counted, and staleness handed out for revalidation, only when none misses. Returns 0."""
        cdef uint32_t i, rule, age, run_view, run_age
        cdef uint32_t followers = 0
        cdef uint32_t run = 0
        cdef uint8_t run_outcome
        cdef int verdict
        cdef bint absent
        cdef bint stale = False
        out.misses = 0
        out.revalidate = False
        for i in range(count):
            verdict = self.judge_column(row, columns[i], &rule, &age, &absent)
            if verdict == FOLLOWS:
                followers += 1
                outcomes[i] = FOLLOWS
            elif verdict < 0 or verdict > <int>STALE:
                outcomes[i] = <uint8_t>MISS
                out.misses += 1
            else:
                stale = stale or verdict == <int>STALE
                outcomes[i] = <uint8_t>(NEGATIVE if absent else STALE_HIT if verdict == <int>STALE else HIT)
        if followers and followers == count:
            out.misses = count           # timestamps alone: Feast's late-data check wants the origin's word
        if out.misses:
            if followers:
                for i in range(count):
                    if outcomes[i] == FOLLOWS:
                        outcomes[i] = <uint8_t>MISS
                out.misses = out.misses if followers == count else out.misses + followers
            return 0
        if stale:
            out.revalidate = not (<uint8_t*>row.item)[0] & REFRESHING
            (<uint8_t*>row.item)[0] |= REFRESHING
        run_view = run_age = 0
        run_outcome = 0
        for i in range(count):
            self.judge_column(row, columns[i], &rule, &age, &absent)
            if outcomes[i] == FOLLOWS:
                outcomes[i] = <uint8_t>(NEGATIVE if absent else STALE_HIT if stale else HIT)
            if run and (run_outcome != outcomes[i] or run_age != age or run_view != self.table.limits[rule].view):
                count_served(self.counters, run_view, <Outcome>run_outcome, run_age, run)
                run = 0
            run_view = self.table.limits[rule].view
            run_age = age
            run_outcome = outcomes[i]
            run += 1
        if run:
            count_served(self.counters, run_view, <Outcome>run_outcome, run_age, run)
        return 0

    cdef const uint8_t* column_name(self, const RowView* row, uint32_t column, uint32_t* size) noexcept:
        check(column < row.columns)
        return column_name_of(schema_of(&self.tier, row.schema), &row.parts, column, size)

    # --- writing ---

    cdef void sync(self) noexcept:
        """The tier judges expiry by the store's clock."""
        self.tier.now = self.now
        self.tier.wall_ms = self.wall_ms

    cdef bint admit(self, uint64_t key_hash, const uint8_t* key, uint32_t key_size, uint32_t size) noexcept:
        """Put the item in `scratch` in the key's place; in its old room where it fits. False: not admitted."""
        cdef Slot slot
        cdef uint64_t offset
        cdef uint32_t old_size
        cdef uint32_t frequency = 0
        cdef int32_t queue = -1
        cdef uint8_t* old
        cdef uint32_t alignment = item_alignment(self.scratch)
        self.sync()
        if index_find(&self.tier.index, key_hash, key, key_size, &slot):
            offset = slot_value(slot.bucket, slot.number) & OFFSET_MASK
            old = self.tier.arena.base + offset
            old_size = item_size(old)
            frequency = frequency_of(slot_value(slot.bucket, slot.number))
            self.scratch[0] |= old[0] & BUSY          # the writer is still at work
            if size <= old_size and size + size // 4 + 16 >= old_size and offset % alignment == 0:
                count_item(&self.tier, old, -1)
                memcpy(old, self.scratch, size)
                memset(old + size, PAD, old_size - size)
                count_item(&self.tier, old, 1)
                add_live(&self.tier, offset, <int64_t>size - <int64_t>old_size)
                set_slot(&slot, make_value(offset, frequency, size))
                return True
            queue = <int32_t>queue_of(&self.tier, offset)
            drop_item(&self.tier, &slot)
        make_room(&self.tier, size)
        if queue < 0:
            queue = <int32_t>queue_for_new(&self.tier, key_hash)
        offset = take_place(&self.tier, <uint32_t>queue, size, alignment, False)
        if offset == NOWHERE:
            self.tier.no_room += 1
            return False
        memcpy(self.tier.arena.base + offset, self.scratch, size)
        enter(&self.tier, offset, <uint32_t>queue, key_hash, frequency)
        maintain_index(&self.tier)
        return True

    cdef bint admit_string(self, bytes key, bytes value, uint8_t flags, uint32_t filled_at, uint32_t rule, object expiry_ms) except -1:
        """A string, or with NEGATIVE_ITEM an absence."""
        cdef uint32_t key_size = <uint32_t>PyBytes_GET_SIZE(key)
        cdef uint64_t value_size = PyBytes_GET_SIZE(value)
        cdef uint64_t size = STRING_HEADER + (6 if expiry_ms is not None else 0) + varint_size(key_size) + <uint64_t>key_size
        cdef uint64_t key_hash = self.hash_key(data_of(key), key_size)
        cdef uint8_t* at = self.scratch + STRING_HEADER
        if value_size >= 0x7FFFFFFF or PyBytes_GET_SIZE(key) >= 0x7FFFFFFF or size + value_size + 5 > self.tier.arena.segment_bytes:
            self.tier.too_large += 1
            self.drop(key)
            return False
        size += varint_size(<uint32_t>value_size) + value_size
        self.scratch[0] = ITEM | flags
        self.scratch[1] = self.table.pattern_epoch
        (<uint16_t*>(self.scratch + 2))[0] = <uint16_t>rule
        store32(self.scratch + 4, filled_at)
        if expiry_ms is not None:
            self.scratch[0] |= EXPIRES
            store48(at, min(max(<object>expiry_ms, 0), 0xFFFFFFFFFFFF))
            at += 6
        at = write_varint(write_varint(at, key_size), <uint32_t>value_size)
        memcpy(at, data_of(key), key_size)
        memcpy(at + key_size, data_of(value), value_size)
        if size & 1:
            self.scratch[size] = 0
        return self.admit(key_hash, data_of(key), key_size, even(<uint32_t>size))

    cdef int begin_draft(self, bytes key, uint32_t filled_at, uint32_t row_rule) except -1:
        self.draft.key = data_of(key)
        self.draft.key_size = <uint32_t>min(PyBytes_GET_SIZE(key), 0xFFFFFFFF)
        self.draft.rule = row_rule
        self.draft.epoch = self.table.pattern_epoch
        self.draft.filled_at = filled_at
        self.draft.flags = 0
        self.draft.whole = self.draft.expires = False
        self.draft.expiry_ms = 0
        self.draft.count = 0
        return 0

    cdef int draft_old_row(self, uint8_t* item) except -1:
        """The draft goes on from the row that is here."""
        read_row(&self.tier, item, &self.draft)
        if item[0] & EXPIRES:
            self.draft.expires = True
            self.draft.expiry_ms = expiry_of(item)
        if row_shape(item) & WHOLE:
            self.draft.whole = True
            self.draft.filled_at = filled_at_of(item)
        return 0

    cdef int put_field(self, Schema* schema, uint32_t columns, bytes name, bytes value, uint32_t filled_at, uint32_t guess) except -1:
        """Set a field of the draft, None: absent. columns: how many of its first fields are the schema's. Returns its place + 1."""
        cdef uint32_t size = <uint32_t>PyBytes_GET_SIZE(name)
        cdef int place
        cdef Field* field
        if schema != NULL:
            place = column_named(&self.tier.schemas, schema, data_of(name), size, guess)
        else:
            place = find_field(&self.draft, data_of(name), size) if columns else -1
        if place < 0:
            if value is None and self.draft.whole:
                return <int>guess
            field = add_field(&self.draft)
            field.name.data = data_of(name)
            field.name.size = size
            place = <int>self.draft.count - 1
        field = &self.draft.fields[place]
        field.filled_at = filled_at
        if value is None:
            field.absent = not self.draft.whole
            field.removed = self.draft.whole
            field.value = NULL
            field.value_size = 0
        else:
            field.absent = field.removed = False
            field.value = data_of(value)
            field.value_size = <uint32_t>PyBytes_GET_SIZE(value)
        return place + 1

    cdef bint admit_draft(self, bytes key) except -1:
        cdef uint32_t size
        finish_draft(&self.draft)
        if self.draft.count == 0:
            self.drop(key)
            return False
        size = write_row(&self.tier, &self.draft, self.scratch, self.tier.arena.segment_bytes)
        if size == 0:
            self.tier.too_large += 1
            self.drop(key)
            return False
        return self.admit(self.hash_key(data_of(key), self.draft.key_size), data_of(key), self.draft.key_size, size)

    cdef uint8_t* find_for_write(self, bytes key, Slot* slot) noexcept:
        """The item of a key whatever its freshness; NULL: none, or one past its expiry, which is dropped."""
        cdef uint32_t size = <uint32_t>PyBytes_GET_SIZE(key)
        cdef uint8_t* item
        if not index_find(&self.tier.index, self.hash_key(data_of(key), size), data_of(key), size, slot):
            return NULL
        item = self.tier.arena.base + (slot_value(slot.bucket, slot.number) & OFFSET_MASK)
        if item[0] & EXPIRES and expiry_of(item) <= self.wall_ms:
            return NULL
        return item if age_of(self.now, filled_at_of(item)) < OLDEST_AGE or item[0] & SIDE else NULL

    def install(self, bytes key not None, answer, uint32_t filled_at, uint32_t row_rule, covers=None):
        """Keep an origin's answer, sent for at filled_at (ticks).

        A whole answer replaces what is here. A partial one (Found.whole False) renews exactly the fields in `covers`
        (those that it does not have are remembered as absent) and leaves the others. The BUSY mark of an item that was
        here stays; REFRESHING is cleared.

        Returns:
            False: not admitted (too large, or no room); nothing is kept of the key.
        """
        cdef dict fields
        cdef Slot slot
        cdef uint8_t* item
        cdef uint32_t columns = 0
        cdef int guess = 0
        cdef Schema* schema = NULL
        cdef Field* field
        if row_rule >= self.table.count:
            raise IndexError(row_rule)
        if isinstance(answer, Absent):
            return self.admit_string(key, b"", NEGATIVE_ITEM, filled_at, row_rule, None)
        value, whole, expiry_ms = answer
        if isinstance(value, bytes):
            return self.admit_string(key, value, 0, filled_at, row_rule, expiry_ms)
        fields = value
        if whole and not fields:
            return self.admit_string(key, b"", NEGATIVE_ITEM, filled_at, row_rule, None)
        self.begin_draft(key, filled_at, row_rule)
        if whole:
            self.draft.whole = True
            reserve_fields(&self.draft, <uint32_t>len(fields))
            for name, value in fields.items():
                self.append_field(name, value, filled_at)
        else:
            item = self.find_for_write(key, &slot)
            if item != NULL and item[0] & ROW:
                self.draft_old_row(item)
                columns = self.draft.count
                schema = schema_of(&self.tier, row_schema(item))
            for name in dict.fromkeys(tuple(covers or ()) + tuple(fields)):
                guess = self.put_field(schema, columns, name, fields.get(name), filled_at, <uint32_t>guess)
        if expiry_ms is not None:
            expiry_ms = min(max(expiry_ms, 0), 0xFFFFFFFFFFFF)
            self.draft.expiry_ms = min(<uint64_t>expiry_ms, self.draft.expiry_ms) if self.draft.expires else <uint64_t>expiry_ms
            self.draft.expires = True
        return self.admit_draft(key)

    cdef int append_field(self, bytes name, bytes value, uint32_t filled_at) except -1:
        """A field that the draft does not have yet."""
        cdef Field* field = add_field(&self.draft)
        if name is None or value is None:
            raise TypeError("a field's name and value are bytes")
        field.name.data = data_of(name)
        field.name.size = <uint32_t>PyBytes_GET_SIZE(name)
        field.value = data_of(value)
        field.value_size = <uint32_t>PyBytes_GET_SIZE(value)
        field.filled_at = filled_at
        return 0

    def overlay(self, bytes key not None, dict fields not None, uint32_t filled_at, uint32_t row_rule):
        """A write of fields (None: removed) was confirmed, sent at filled_at: keep them over what is here.

        A whole row stays whole; on an uncached key a partial row arises. Returns as install does.
        """
        cdef Slot slot
        cdef uint8_t* item = self.find_for_write(key, &slot)
        cdef uint32_t columns = 0
        cdef int guess = 0
        cdef Schema* schema = NULL
        if row_rule >= self.table.count:
            raise IndexError(row_rule)
        self.begin_draft(key, filled_at, row_rule)
        if item != NULL and item[0] & ROW:
            self.draft_old_row(item)
            columns = self.draft.count
            schema = schema_of(&self.tier, row_schema(item))
        for name, value in fields.items():
            guess = self.put_field(schema, columns, name, value, filled_at, <uint32_t>guess)
        return self.admit_draft(key)

    cpdef bint drop(self, bytes key):
        """Forget a key. True: something was here."""
        cdef Slot slot
        cdef uint32_t size = <uint32_t>PyBytes_GET_SIZE(key)
        if not index_find(&self.tier.index, self.hash_key(data_of(key), size), data_of(key), size, &slot):
            return False
        drop_item(&self.tier, &slot)
        return True

    def drop_fields(self, bytes key not None, fields):
        """Forget fields of a row, which is not whole any more; a string or an absence is forgotten wholly."""
        cdef Slot slot
        cdef uint8_t* item = self.find_for_write(key, &slot)
        cdef int place
        cdef uint8_t flags
        if item == NULL or not item[0] & ROW:
            self.drop(key)
            return
        self.begin_draft(key, filled_at_of(item), item_rule(item))
        self.draft.flags = item[0] & REFRESHING
        self.draft.epoch = item[1]
        self.draft_old_row(item)
        self.draft.whole = False
        for name in fields:
            place = find_field(&self.draft, data_of(name), <uint32_t>len(name))
            if place >= 0:
                self.draft.fields[place].removed = True
        self.admit_draft(key)

    def set_busy(self, bytes key not None, bint busy):
        """Mark or unmark a key whose writer is at work: look-ups of the hit path then ask the origin."""
        cdef Slot slot
        cdef uint8_t* item = self.find_for_write(key, &slot)
        if item != NULL:
            item[0] = item[0] | BUSY if busy else item[0] & ~BUSY

    def clear_refreshing(self, bytes key not None):
        """A revalidation ended without an answer: the next stale hit may hand out another."""
        cdef Slot slot
        cdef uint8_t* item = self.find_for_write(key, &slot)
        if item != NULL:
            item[0] &= ~REFRESHING

    def clear(self):
        """Forget everything."""
        tier_clear(&self.tier)

    # --- reading, for Python ---

    def lookup(self, bytes key not None, fields=None, int window=0, ignore_busy_except=None):
        """Answer wholly from memory within a window, or None.

        Args:
            fields: None asks for a string, or for a whole hash with a fresh list of fields.
            window: 0 fresh; 1 stale too; 2 what is usable only while the origin fails too. Absences of documents
                have no stale windows.
            ignore_busy_except: fields that a writer reserves; the others stay readable while it is at work.

        Returns:
            Found, with whole True when fields is None or for a string; Absent; None.
        """
        return self.answer(key, fields, window, ignore_busy_except, False)

    def lookup_counted(self, bytes key not None, fields=None, int window=0, ignore_busy_except=None):
        """As lookup, and count the outcomes of what was answered; `must_revalidate` then says whether to refresh it."""
        return self.answer(key, fields, window, ignore_busy_except, True)

    cdef object answer(self, bytes key, object fields, int window, object reserved, bint count):
        cdef Slot slot
        cdef RowView row
        cdef uint32_t key_size = <uint32_t>PyBytes_GET_SIZE(key)
        cdef uint64_t key_hash = self.hash_key(data_of(key), key_size)
        cdef uint8_t* item
        cdef const uint8_t* at
        cdef const Limits* rule
        cdef uint32_t value_size, age
        cdef int verdict
        self.must_revalidate = False
        item = self.find_live(key_hash, data_of(key), key_size, &slot)
        if item == NULL:
            return None
        if item[0] & BUSY:
            if reserved is None or fields is None or not set(fields).isdisjoint(reserved):
                return None
        rule = &self.table.limits[item_rule(item)]
        age = age_of(self.now, filled_at_of(item))
        expiry_ms = expiry_of(item) if item[0] & EXPIRES else None
        if item[0] & (ROW | NEGATIVE_ITEM) and self.fill_row_view(item, key_hash, &row) < 0:
            return None
        if item[0] & NEGATIVE_ITEM:
            if age >= rule.negative_ticks or self.is_late_check(&row, fields):
                return None
            if count:
                count_served(self.counters, rule.view, NEGATIVE, age, len(fields) if fields else 1)
            return ABSENT
        if not item[0] & ROW:
            verdict = freshness(age, entry_jitter(key_hash, rule), rule)
            if verdict > window:
                return None
            if count:
                self.must_revalidate = verdict != <int>FRESH and not item[0] & REFRESHING
                item[0] |= REFRESHING if verdict != <int>FRESH else 0
                count_served(self.counters, rule.view, STALE_HIT if verdict != <int>FRESH else HIT, age, 1)
            at = string_parts(item, &key_size, &value_size)
            return Found((<const char*>at + key_size)[:value_size], True, expiry_ms)
        if fields is None:
            if not row.whole or freshness(age, entry_jitter(key_hash, rule), rule) > (ERROR_ONLY if window == <int>ERROR_ONLY else FRESH):
                return None
        into = {}
        if not self.collect(&row, fields, window, into, count, False):
            return None
        return Found(into, fields is None, expiry_ms)

    cdef bint is_late_check(self, RowView* row, object fields) except -1:
        """Only timestamps of a Feast row are asked: Feast wants to know whether its data is late, so the origin is asked."""
        if not fields or not self.table.limits[row.rule].flags & FEAST_ROW:
            return False
        for name in fields:
            if not self.table.limits[self.absent_rule(row.rule, data_of(name), <uint32_t>len(name))].flags & FEAST_TIMESTAMP:
                return False
        return True

    cdef bint collect(self, RowView* row, object fields, int window, dict into, bint count, bint partial) except -1:
        """Put the present ones of the fields (None: all columns) into a dict; False: some may not be answered.

        partial: leave those out instead, and put None for absent ones.
        """
        cdef uint32_t guess = 0
        cdef uint32_t i, size, rule, age
        cdef int32_t column
        cdef int verdict
        cdef bint absent
        cdef bint stale = False
        cdef uint32_t followers = 0
        cdef const uint8_t* at
        names = column_names(schema_of(&self.tier, row.schema), &row.parts) if fields is None else fields
        served = []
        for name in names:
            column = self.column_for(row, data_of(name), <uint32_t>len(name), guess)
            guess = <uint32_t>column + 1 if column >= 0 else guess
            verdict = self.judge_column(row, column, &rule, &age, &absent)
            if verdict == FOLLOWS:
                followers += 1
            elif verdict < 0 or verdict > window:
                if partial:
                    continue
                return False
            elif verdict != <int>FRESH:
                stale = True
            served.append((rule, age, absent, verdict))
            if absent:
                if partial:
                    into[name] = None
                continue
            at = value_of(&row.parts, <uint32_t>column, &size)
            into[name] = (<const char*>at)[:size]
        if followers and followers == len(served):
            into.clear()
            return False
        if count:
            self.must_revalidate = stale and not (<uint8_t*>row.item)[0] & REFRESHING
            if stale:
                (<uint8_t*>row.item)[0] |= REFRESHING
            for rule_number, ticks, is_absent, judged in served:
                outcome = NEGATIVE if is_absent else STALE_HIT if judged in (STALE, ERROR_ONLY) or judged == FOLLOWS and stale else HIT
                count_served(self.counters, self.table.limits[<uint32_t>rule_number].view, outcome, ticks, 1)
        return True

    def lookup_some(self, bytes key not None, fields not None, int window=0, ignore_busy_except=None):
        """The fields of a hash that memory may answer within a window: {field: value, or None where it is known absent}."""
        cdef Slot slot
        cdef RowView row
        cdef uint32_t size = <uint32_t>PyBytes_GET_SIZE(key)
        cdef uint64_t key_hash = self.hash_key(data_of(key), size)
        cdef uint8_t* item = self.find_live(key_hash, data_of(key), size, &slot)
        cdef dict into = {}
        if item == NULL or not item[0] & (ROW | NEGATIVE_ITEM):
            return into
        if item[0] & BUSY:
            if ignore_busy_except is None:
                return into
            fields = [name for name in fields if name not in ignore_busy_except]
        if self.fill_row_view(item, key_hash, &row) < 0:
            return into
        self.collect(&row, fields, window, into, False, True)
        return into

    def any_usable(self, bytes key not None):
        """What EXISTS and TYPE may say from memory: b"string", b"hash" (any field of it is fresh or stale), or None."""
        cdef Slot slot
        cdef RowView row
        cdef uint32_t size = <uint32_t>PyBytes_GET_SIZE(key)
        cdef uint64_t key_hash = self.hash_key(data_of(key), size)
        cdef uint8_t* item = self.find_live(key_hash, data_of(key), size, &slot)
        cdef const Limits* rule
        cdef uint32_t column, number, age
        cdef int verdict
        cdef bint absent
        if item == NULL or item[0] & (BUSY | NEGATIVE_ITEM):
            return None
        if not item[0] & ROW:
            rule = &self.table.limits[item_rule(item)]
            age = age_of(self.now, filled_at_of(item))
            return b"string" if freshness(age, entry_jitter(key_hash, rule), rule) <= STALE else None
        if self.fill_row_view(item, key_hash, &row) < 0:
            return None
        for column in range(row.columns):
            verdict = self.judge_column(&row, <int32_t>column, &number, &age, &absent)
            if not absent and 0 <= verdict <= <int>STALE:
                return b"hash"
        return None

    # --- housekeeping ---

    def expire_step(self, uint32_t max_items):
        """Look at the next max_items items and drop those past all their windows. Returns how many were dropped."""
        self.sync()
        return sweep_expired(&self.tier, max_items)

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

    def drop_matching(self, predicate, uint64_t position=0, uint64_t budget_ns=500_000):
        """Drop every key that predicate(key) accepts, for about budget_ns.

        Begin with position 0 and go on with what is returned until it is None. What was here when the walk began and is
        still here when it ends was looked at, though items move meanwhile; one walk at a time: another walk's position
        begins anew.
        """
        cdef uint64_t until = time.perf_counter_ns() + budget_ns
        if position != self.tier.index.walk or self.tier.index.revisit_failed or position == 0:
            position = 0
            self.tier.index.walk = 0
            self.tier.index.revisit_count = 0
            self.tier.index.revisit_failed = False
        while True:
            if position < self.tier.index.grown:
                self.drop_in_bucket(predicate, position)
                position += 1
                self.tier.index.walk = <uint32_t>position
            elif self.tier.index.revisit_failed:
                return self.drop_matching(predicate, 0, budget_ns)
            elif self.tier.index.revisit_count:
                self.tier.index.revisit_count -= 1
                self.drop_in_bucket(predicate, self.tier.index.revisit[self.tier.index.revisit_count])
            else:
                self.tier.index.walk = 0
                return None
            if position % 16 == 0 and time.perf_counter_ns() >= until:
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
        return 0

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
