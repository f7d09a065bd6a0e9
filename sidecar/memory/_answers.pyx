"""Look-ups for the miss path: what memory holds, as an origin would have answered it."""
cimport cython
from cpython.bytes cimport PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from policies._freshness cimport ERROR_ONLY, FEAST_ROW, FEAST_TIMESTAMP, FRESH, STALE, Limits, entry_jitter, freshness
from sidecar.memory._borrowed cimport data_of
from sidecar.memory._index cimport Slot
from sidecar.memory._items cimport (
    BUSY, EXPIRES, NEGATIVE_ITEM, REFRESHING, ROW, UNASKED, expiry_of, filled_at_of, item_rule, string_parts, value_of,
)
from sidecar.memory._row_lookups cimport FOLLOWS
from sidecar.memory._plans cimport column_names
from sidecar.memory._tier cimport age_of, schema_of
from sidecar.memory._views cimport RowView
from sidecar.metrics._counters cimport HIT, NEGATIVE, STALE_HIT, count_served

from sidecar.origins.base import ABSENT, Found


@cython.auto_pickle(False)
cdef class Answers(Writes):
    """Answers built from what is held. See Store."""

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
        """As lookup, and count the outcomes of what was answered; `must_revalidate` then says whether to refresh it.

        That may be so for what is fresh too: see _early.pxd.
        Window 2 hands out no revalidation: it is asked when a read of the origin has just failed.
        """
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
                if item[0] & UNASKED:
                    self.asked_for(item, key_hash)
            return ABSENT
        if not item[0] & ROW:
            verdict = freshness(age, entry_jitter(key_hash, rule), rule)
            if verdict > window:
                return None
            if count:
                if verdict != <int>FRESH and window == <int>STALE:
                    self.must_revalidate = not item[0] & REFRESHING
                    item[0] |= REFRESHING
                elif verdict == <int>FRESH and window == <int>STALE:
                    self.must_revalidate = self.string_near_end(item, key_hash, age, rule)
                count_served(self.counters, rule.view, STALE_HIT if verdict != <int>FRESH else HIT, age, 1)
                if item[0] & UNASKED:
                    self.asked_for(item, key_hash)
            at = string_parts(item, &key_size, &value_size)
            return Found((<const char*>at + key_size)[:value_size], True, expiry_ms)
        if fields is None:
            if not row.whole or freshness(age, entry_jitter(key_hash, rule), rule) > (ERROR_ONLY if window == <int>ERROR_ONLY else FRESH):
                return None
        into = {}
        if not self.collect(&row, fields, window, into, count, False):
            return None
        if count and item[0] & UNASKED:
            self.asked_for(item, key_hash)
        return Found(into, fields is None, expiry_ms)

    cdef bint string_near_end(self, uint8_t* item, uint64_t key_hash, uint32_t age, const Limits* rule) noexcept:
        """Whether a fresh string is to be refreshed early; it is marked then."""
        cdef uint64_t shortened = <uint64_t>age + entry_jitter(key_hash, rule)
        if shortened + self.early[rule.view].window_ticks < rule.fresh_ticks:
            return False
        return self.draws_early(item, rule.view, <uint32_t>shortened, rule)

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
            if stale and window == <int>STALE:
                self.must_revalidate = not (<uint8_t*>row.item)[0] & REFRESHING
                (<uint8_t*>row.item)[0] |= REFRESHING
            for rule_number, ticks, is_absent, judged in served:
                if judged == FRESH and window == <int>STALE and self.near_end(row, rule_number, ticks):
                    self.must_revalidate = True
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

    def string_sizes(self, list keys not None):
        """For each key the bytes of the string that lookup(key, None, 1) would answer, 0 for Absent; None for all others."""
        cdef list sizes = []
        cdef int64_t size
        for key in keys:
            size = self.string_size(key)
            sizes.append(None if size < 0 else size)
        return sizes

    cdef int64_t string_size(self, bytes key) except? -2:
        """-1: there is none to answer with."""
        cdef Slot slot
        cdef uint32_t key_size = <uint32_t>PyBytes_GET_SIZE(key)
        cdef uint64_t key_hash = self.hash_key(data_of(key), key_size)
        cdef uint8_t* item = self.find_live(key_hash, data_of(key), key_size, &slot)
        cdef const Limits* rule
        cdef uint32_t age, size
        if item == NULL or item[0] & (BUSY | ROW):
            return -1
        rule = &self.table.limits[item_rule(item)]
        age = age_of(self.now, filled_at_of(item))
        if item[0] & NEGATIVE_ITEM:
            return 0 if age < rule.negative_ticks else -1
        if freshness(age, entry_jitter(key_hash, rule), rule) > STALE:
            return -1
        string_parts(item, &key_size, &size)
        return size

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
