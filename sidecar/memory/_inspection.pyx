"""The hit path's look-ups as Python can call them: for tests, which compare them with a model."""
from cpython.bytes cimport PyBytes_GET_SIZE
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc

from protocol._parser cimport Arg, FieldList
from sidecar.memory._borrowed cimport data_of
from sidecar.memory._store cimport (
    MIXED, NEEDS_ORIGIN, NOT_HERE, OTHER_KIND, USABLE, Judgement, Probe, RowView, Store, StringView, column_value,
)
from sidecar.metrics._counters cimport NEGATIVE

PROBES = {NOT_HERE: "not here", USABLE: "usable", MIXED: "mixed", NEEDS_ORIGIN: "needs origin", OTHER_KIND: "other kind"}
OUTCOMES = ("hit", "stale", "miss", "negative")


def hash_key(Store store not None, bytes key not None):
    """The key's hash under the store's seed."""
    return store.hash_key(data_of(key), PyBytes_GET_SIZE(key))


def probe_string(Store store not None, bytes key not None):
    """GET's look-up: (probe, outcome, value, revalidate); the last three are None where the probe is not "usable"."""
    cdef StringView view
    cdef uint32_t size = <uint32_t>PyBytes_GET_SIZE(key)
    cdef Probe probe = store.find_string(store.hash_key(data_of(key), size), data_of(key), size, &view)
    if probe != USABLE:
        return PROBES[probe], None, None, None
    value = None if view.outcome == NEGATIVE else (<const char*>view.value)[:view.size]
    return PROBES[probe], OUTCOMES[view.outcome], value, view.revalidate


def probe_row(Store store not None, bytes key not None, fields, uint32_t list_id=0):
    """HMGET's look-up: (probe, outcomes, values, revalidate), the last three None where the origin must be asked.

    list_id: not 0: the columns come from the shared table of column lists under this id, where that can be.
    """
    cdef RowView row
    cdef Judgement judgement
    cdef uint32_t count = <uint32_t>len(fields)
    cdef uint32_t i, length
    cdef uint32_t size = <uint32_t>PyBytes_GET_SIZE(key)
    cdef const int32_t* columns = NULL
    cdef const uint8_t* at
    cdef Arg* names = <Arg*>malloc(count * sizeof(Arg) + 1)
    cdef int32_t* own = <int32_t*>malloc(count * sizeof(int32_t) + 1)
    cdef uint8_t* outcomes = <uint8_t*>malloc(count + 1)
    cdef uint32_t* sizes = <uint32_t*>malloc(count * sizeof(uint32_t) + 1)
    cdef uint32_t* offsets = <uint32_t*>malloc(count * sizeof(uint32_t) + 1)
    cdef FieldList listed
    cdef Probe probe = store.find_row(store.hash_key(data_of(key), size), data_of(key), size, &row)
    cdef bytes joined = b"".join(fields)
    cdef uint32_t offset = 0
    try:
        if probe != USABLE and probe != MIXED:
            return PROBES[probe], None, None, None
        for i in range(count):
            names[i].data = data_of(fields[i])
            names[i].size = <uint32_t>len(fields[i])
            offsets[i] = offset
            sizes[i] = names[i].size
            offset += sizes[i]
        listed.id = list_id
        listed.count = count
        listed.raw = <uint8_t*>data_of(joined)
        listed.raw_size = offset
        listed.offsets = offsets
        listed.sizes = sizes
        if list_id:
            columns = store.listed_columns(&row, &listed)
        if columns == NULL:
            store.columns_of(&row, names, count, own)
            columns = own
        if probe == MIXED or any([columns[i] < 0 for i in range(count)]):
            store.judge_fields(&row, columns, count, outcomes, &judgement)
            if judgement.misses:
                return PROBES[probe], None, None, None
            row.revalidate = judgement.revalidate
        else:
            for i in range(count):
                outcomes[i] = <uint8_t>row.outcome
        values = []
        for i in range(count):
            if outcomes[i] == <uint8_t>NEGATIVE:
                values.append(None)
            else:
                at = column_value(&row, <uint32_t>columns[i], &length)
                values.append((<const char*>at)[:length])
        return PROBES[probe], [OUTCOMES[outcomes[i]] for i in range(count)], values, row.revalidate
    finally:
        free(names)
        free(own)
        free(outcomes)
        free(sizes)
        free(offsets)


def probe_whole_row(Store store not None, bytes key not None):
    """HGETALL's look-up: the fields in order where every column may answer alike and the list is fresh, else None."""
    cdef RowView row
    cdef uint32_t i, length
    cdef uint32_t size = <uint32_t>PyBytes_GET_SIZE(key)
    cdef const uint8_t* at
    if store.find_row(store.hash_key(data_of(key), size), data_of(key), size, &row) != USABLE or not row.list_fresh:
        return None
    fields = {}
    for i in range(row.columns):
        at = store.column_name(&row, i, &length)
        name = (<const char*>at)[:length]
        at = column_value(&row, i, &length)
        fields[name] = (<const char*>at)[:length]
    return fields
