"""The policy compiled to integers. Built once, never changed: a reload builds another and swaps one reference."""
cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport uint32_t, uint8_t

from policies._freshness cimport Limits, read_limits

MAX_RULES = 0xFFFF  # an entry keeps its rule in 16 bits; 0xFFFF itself is never a rule


@cython.final
cdef class RuleTable:
    """Limits by rule number, in ticks of 10 ms.

    Args:
        limits: one row per rule: (fresh, stale, error, negative, jitter, view, flags), as ``Limits`` explains them.
        generation: of the policy that the table was made from.
        pattern_epoch: 0 to 255.
        resolver: answers row_rule(key) and field_rules(row_rule, names) with numbers of this table.

    Raises:
        ValueError: no rule, too many, or windows that do not grow.
        OverflowError: a number that does not fit its field.
    """

    def __cinit__(self, limits, generation, pattern_epoch, resolver=None):
        cdef uint32_t number
        cdef Limits* rule
        rows = list(limits)
        if not 0 < len(rows) <= MAX_RULES:
            raise ValueError(f"{len(rows)} rules, expected 1 to {MAX_RULES}")
        self.limits = <Limits*>PyMem_Calloc(len(rows), sizeof(Limits))
        if self.limits == NULL:
            raise MemoryError
        self.count = <uint32_t>len(rows)
        for number in range(self.count):
            rule = &self.limits[number]
            read_limits(rows[number], rule)
            if not rule.jitter_ticks <= rule.fresh_ticks <= rule.stale_ticks <= rule.error_ticks:
                raise ValueError(f"rule {number}: expected jitter <= fresh <= stale <= error, found {rows[number]}")
        self.generation = <uint32_t?>generation
        self.pattern_epoch = <uint8_t?>pattern_epoch
        self.resolver = resolver

    def __dealloc__(self):
        PyMem_Free(self.limits)

    def __len__(self):
        return self.count

    def row(self, number):
        """The limits of a rule as they were given; IndexError past the last."""
        if not 0 <= number < self.count:
            raise IndexError(number)
        cdef Limits* rule = &self.limits[<uint32_t>number]
        return (
            rule.fresh_ticks,
            rule.stale_ticks,
            rule.error_ticks,
            rule.negative_ticks,
            rule.jitter_ticks,
            rule.view,
            rule.flags,
        )
