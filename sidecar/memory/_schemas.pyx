"""Interning, and freeing what no row uses."""
from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from sidecar.memory._hash cimport fold
from sidecar.memory._machine cimport check

cdef enum:
    FIRST_NUMBERS = 64
    SWEEP = 256              # schemas looked at for one that wants room


cdef int schemas_open(Schemas* schemas, uint64_t seed, uint64_t limit) except -1:
    memset(schemas, 0, sizeof(Schemas))
    schemas.seed = seed
    schemas.limit = limit
    if not enlarge(schemas, FIRST_NUMBERS):
        raise MemoryError
    return 0


cdef bint enlarge(Schemas* schemas, uint32_t capacity) noexcept nogil:
    """Room for more numbers, and a table of as many chains (capacity: a power of two)."""
    cdef Schema** entries = <Schema**>realloc(schemas.entries, capacity * sizeof(Schema*))
    cdef uint32_t* unused
    cdef uint32_t* chains
    cdef uint32_t number
    cdef Schema* schema
    if entries == NULL:
        return False
    schemas.entries = entries
    unused = <uint32_t*>realloc(schemas.unused, capacity * sizeof(uint32_t))
    if unused == NULL:
        return False
    schemas.unused = unused
    chains = <uint32_t*>calloc(capacity, sizeof(uint32_t))
    if chains == NULL:
        return False
    free(schemas.chains)
    schemas.chains = chains
    schemas.bytes += <uint64_t>(capacity - schemas.capacity) * (sizeof(Schema*) + 2 * sizeof(uint32_t))
    memset(entries + schemas.capacity, 0, (capacity - schemas.capacity) * sizeof(Schema*))
    schemas.capacity = capacity
    schemas.chain_mask = capacity - 1
    if schemas.used == 0:
        schemas.used = 1
    for number in range(1, schemas.used):
        schema = entries[number]
        if schema != NULL:
            schema.next = chains[<uint32_t>schema.digest & schemas.chain_mask]
            chains[<uint32_t>schema.digest & schemas.chain_mask] = number
    return True


cdef void drop_plans(Schemas* schemas, Schema* schema) noexcept nogil:
    cdef Plan* plan = schema.plans
    cdef Plan* following
    while plan != NULL:
        following = plan.next
        schemas.bytes -= plan_bytes(plan.columns, plan.classes)
        free(plan)
        plan = following
    schema.plans = NULL


cdef void schemas_clear(Schemas* schemas) noexcept nogil:
    """Forget all schemas; no row may be left."""
    cdef uint32_t number
    for number in range(1, schemas.used):
        if schemas.entries[number] != NULL:
            schemas.entries[number].rows = 0
            forget(schemas, schemas.entries[number])


cdef void schemas_close(Schemas* schemas) noexcept nogil:
    schemas_clear(schemas)
    free(schemas.entries)
    free(schemas.chains)
    free(schemas.unused)
    schemas.entries = NULL
    schemas.chains = NULL
    schemas.unused = NULL
    schemas.used = 0


cdef void forget(Schemas* schemas, Schema* schema) noexcept nogil:
    """Free a schema that no row uses; its number may be given out again."""
    cdef uint32_t* link = &schemas.chains[<uint32_t>schema.digest & schemas.chain_mask]
    check(schema.rows == 0)
    while link[0] != schema.number:
        link = &schemas.entries[link[0]].next
    link[0] = schema.next
    drop_plans(schemas, schema)
    schemas.entries[schema.number] = NULL
    schemas.unused[schemas.unused_count] = schema.number
    schemas.unused_count += 1
    schemas.bytes -= schema.bytes
    schemas.count -= 1
    free(schema)


cdef void sweep(Schemas* schemas, uint64_t wanted) noexcept nogil:
    """Free schemas that no row uses until `wanted` bytes fit, looking at a bounded number of them."""
    cdef uint32_t looked = 0
    while looked < SWEEP and schemas.bytes + wanted > schemas.limit:
        schemas.hand += 1
        if schemas.hand >= schemas.used:
            schemas.hand = 1
        if schemas.hand < schemas.used and schemas.entries[schemas.hand] != NULL and schemas.entries[schemas.hand].rows == 0:
            forget(schemas, schemas.entries[schemas.hand])
        looked += 1


cdef bint has_names(const Schema* schema, const Name* names, uint32_t count) noexcept nogil:
    cdef uint32_t column
    if schema.columns != count:
        return False
    for column in range(count):
        if not is_named(schema, column, names[column].data, names[column].size):
            return False
    return True


cdef Schema* make(Schemas* schemas, const Name* names, uint32_t count, uint64_t digest) noexcept nogil:
    """One block: the struct, ends, slots, names."""
    cdef uint64_t names_bytes = 0
    cdef uint32_t slots = 4
    cdef uint32_t column, end, at
    cdef uint64_t own, total
    cdef Schema* schema
    for column in range(count):
        names_bytes += names[column].size
    while slots < 2 * count:
        slots *= 2
    total = sizeof(Schema) + 4 * <uint64_t>count + sizeof(NameSlot) * <uint64_t>slots + names_bytes
    if schemas.bytes + total > schemas.limit:
        sweep(schemas, total)
        if schemas.bytes + total > schemas.limit:
            return NULL
    schema = <Schema*>malloc(total)
    if schema == NULL:
        return NULL
    memset(schema, 0, sizeof(Schema))
    schema.digest = digest
    schema.columns = count
    schema.bytes = <uint32_t>total
    schema.mask = slots - 1
    schema.ends = <uint32_t*>(<uint8_t*>schema + sizeof(Schema))
    schema.slots = <NameSlot*>(schema.ends + count)
    schema.names = <uint8_t*>(schema.slots + slots)
    memset(schema.slots, 0xFF, slots * sizeof(NameSlot))
    end = 0
    for column in range(count):
        memcpy(schema.names + end, names[column].data, names[column].size)
        end += names[column].size
        schema.ends[column] = end
        own = name_hash(schemas.seed, names[column].data, names[column].size)
        at = <uint32_t>own & schema.mask
        while schema.slots[at].column != NO_COLUMN:
            at = (at + 1) & schema.mask
        schema.slots[at].column = <uint16_t>column
        schema.slots[at].tag = <uint16_t>(own >> 48)
    schemas.bytes += total
    return schema


cdef uint32_t intern_names(Schemas* schemas, const Name* names, uint32_t count) noexcept nogil:
    """The number of the schema with these names in this order, made when there is none.

    The caller counts its row in `rows` before anything else is interned. Returns 0 when the schemas' share of the
    budget is used up: the row then carries its names itself.
    """
    cdef uint64_t digest = schemas.seed
    cdef uint32_t column, number
    cdef Schema* schema
    for column in range(count):
        digest = fold(digest + column + 1, name_hash(schemas.seed, names[column].data, names[column].size))
    number = schemas.chains[<uint32_t>digest & schemas.chain_mask]
    while number:
        schema = schemas.entries[number]
        if schema.digest == digest and has_names(schema, names, count):
            return number
        number = schema.next
    schema = make(schemas, names, count, digest)
    if schema == NULL:
        return 0
    if schemas.unused_count == 0 and schemas.used == schemas.capacity and not enlarge(schemas, 2 * schemas.capacity):
        schemas.bytes -= schema.bytes
        free(schema)
        return 0
    if schemas.unused_count:
        schemas.unused_count -= 1
        number = schemas.unused[schemas.unused_count]
    else:
        number = schemas.used
        schemas.used += 1
    schemas.serial += 1
    schema.serial = schemas.serial
    schema.number = number
    schemas.entries[number] = schema
    schema.next = schemas.chains[<uint32_t>digest & schemas.chain_mask]
    schemas.chains[<uint32_t>digest & schemas.chain_mask] = number
    schemas.count += 1
    return number
