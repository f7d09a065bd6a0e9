"""Making plans: the only place where the hit path asks Python for rules, once per (schema, row rule, table)."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from policies._freshness cimport FEAST_TIMESTAMP, Limits
from sidecar.memory._machine cimport ANY_AMOUNT
from sidecar.memory._schemas cimport column_name_of, plan_bytes

cdef enum:
    MIXED_VIEWS = 0xFFFF         # _store.pxd's


cdef void narrow(Limits* floor, const Limits* rule) noexcept nogil:
    """The shorter of each window, the longer jitter."""
    floor.fresh_ticks = min(floor.fresh_ticks, rule.fresh_ticks)
    floor.stale_ticks = min(floor.stale_ticks, rule.stale_ticks)
    floor.error_ticks = min(floor.error_ticks, rule.error_ticks)
    floor.jitter_ticks = max(floor.jitter_ticks, rule.jitter_ticks)


cdef list column_names(const Schema* schema, const RowParts* parts):
    """All names of a row as bytes."""
    cdef uint32_t column, size
    cdef uint32_t columns = schema.columns if schema != NULL else parts.columns
    cdef const uint8_t* name
    names = []
    for column in range(columns):
        name = column_name_of(schema, parts, column, &size)
        names.append((<const char*>name)[:size])
    return names


cdef Plan* make_plan(RuleTable table, uint32_t generation, uint32_t row_rule, list names) except NULL:
    """Ask the policy for each name's rule and group the columns by rule.

    Raises:
        Whatever the resolver raises; IndexError for a rule number that the table does not have.
    """
    cdef uint32_t columns = <uint32_t>len(names)
    cdef uint32_t column, classes
    cdef Plan* plan
    cdef const Limits* rule
    numbers = table.resolver.field_rules(row_rule, names) if names else []
    if len(numbers) != len(names) or row_rule >= table.count or (numbers and not 0 <= max(numbers) < table.count):
        raise IndexError("the policy gave a rule that its table does not have")
    distinct = {number: place for place, number in enumerate(dict.fromkeys(numbers))}
    classes = <uint32_t>len(distinct)
    plan = <Plan*>malloc(plan_bytes(columns, classes))
    if plan == NULL:
        raise MemoryError
    memset(plan, 0, sizeof(Plan))
    plan.generation = generation
    plan.row_rule = <uint16_t>row_rule
    plan.columns = columns
    plan.classes = classes
    plan.class_of = <uint16_t*>(<uint8_t*>plan + sizeof(Plan))
    plan.rules = plan.class_of + columns
    for column in range(columns):
        plan.class_of[column] = <uint16_t>distinct[numbers[column]]
    rule = &table.limits[row_rule]
    plan.floor = rule[0]
    if classes:
        plan.floor.fresh_ticks = plan.floor.stale_ticks = plan.floor.error_ticks = ANY_AMOUNT
        plan.floor.jitter_ticks = 0
    plan.view = rule.view
    plan.last_ticks = rule.error_ticks
    for number, place in distinct.items():
        plan.rules[<uint32_t>place] = <uint16_t>number
        rule = &table.limits[<uint32_t>number]
        if rule.flags & FEAST_TIMESTAMP:
            plan.has_timestamps = True
            continue
        if rule.view != plan.view:
            plan.view = MIXED_VIEWS
        plan.last_ticks = max(plan.last_ticks, rule.error_ticks)
        narrow(&plan.floor, rule)
    return plan


cdef Plan* add_plan(Schemas* schemas, Schema* schema, RuleTable table, uint32_t generation, uint32_t row_rule) except NULL:
    """Make a schema's plan and keep it; an older one under the same row rule is replaced."""
    cdef Plan* plan
    cdef Plan** link
    cdef Plan* old
    plan = make_plan(table, generation, row_rule, column_names(schema, NULL))
    link = &schema.plans
    while link[0] != NULL:
        old = link[0]
        if old.generation != generation:
            link[0] = old.next
            schemas.bytes -= plan_bytes(old.columns, old.classes)
            free(old)
        else:
            link = &old.next
    plan.next = schema.plans
    schema.plans = plan
    schemas.bytes += plan_bytes(plan.columns, plan.classes)
    return plan
