"""Early refresh: a fresh hit near its end may ask for the next fill, so that what is hot does not expire in a reader's face.

XFetch (Vattani, Chierichetti, Lowenstein: "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015) with beta = 1:
a hit with `left` of its life left asks with probability exp(-left / cost), where cost is what a fill takes. The more
often an entry is hit, and the longer its fill takes, the earlier it is filled again; what nobody hits is not.

Life is known in ticks of 10 ms: in its last one an entry surely asks. And never before half of its ttl, so that an
origin that became slow is not asked more than twice as often.
"""
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    MOST_COSTS = 10              # exp(-10): one hit in 22,000 would ask earlier; the judge does not even draw for it
    HALVING = 256                # `halvings` are counted in 256ths

cdef struct EarlyRefresh:        # of one view
    uint32_t window_ticks        # with so much of its life left or less, a hit draws; 0: no fill was measured yet
    uint32_t halvings            # by how many powers of two each tick of life makes asking less likely, times HALVING


cdef inline void set_fill_cost(EarlyRefresh* early, uint64_t cost_us) noexcept nogil:
    """A fill takes so many microseconds, at least 1; one tick is 10,000."""
    cdef uint64_t cost = cost_us if cost_us else 1
    early.window_ticks = <uint32_t>min(cost * MOST_COSTS // 10_000 + 2, <uint64_t>0x7FFFFFFF)
    early.halvings = <uint32_t>(<uint64_t>HALVING * 14_427 // cost)      # 10,000 / ln 2


cdef inline bint draws_refresh(
    const EarlyRefresh* early, uint32_t left, uint32_t fresh_ticks, uint64_t* random
) noexcept nogil:
    """left: ticks, at least 1, until the entry is not fresh any more, of fresh_ticks in all. No libm: 2 ** -x is linear
    between two whole powers, at most 6% too often."""
    cdef uint64_t halvings
    if left > early.window_ticks or left > fresh_ticks >> 1:
        return False
    halvings = <uint64_t>(left - 1) * early.halvings
    if halvings >= 32 * HALVING:
        return False
    random[0] ^= random[0] << 13                     # xorshift64 (Marsaglia 2003)
    random[0] ^= random[0] >> 7
    random[0] ^= random[0] << 17
    return (random[0] >> 32) * (2 * HALVING) < ((<uint64_t>1 << 32) >> (halvings // HALVING)) * (
        2 * HALVING - halvings % HALVING)
