"""Look-ups of rows: mapping field names to columns, and judging them together or one by one.

Bounds: columns come from column_for, which gives only columns of the row's own schema; judge_column checks them in a
debug build, where the property tests and tests/fuzz/fuzz_memory.py run.
"""
cimport cython
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memset

from policies._freshness cimport ERROR_ONLY, FEAST_ROW, FEAST_TIMESTAMP, FRESH, STALE, Limits, entry_jitter, freshness
from policies._table cimport RuleTable
from protocol._parser cimport Arg, FieldList
from sidecar.memory._hash cimport siphash13
from sidecar.memory._index cimport Slot
from sidecar.memory._early cimport draws_refresh
from sidecar.memory._items cimport (
    BUSY, NEGATIVE_ITEM, REFRESHING, ROW, RowParts, SIDE_MIXED, UNASKED, WHOLE, filled_at_of, item_rule, row_parts, side_absent,
    side_filled_at, side_of,
)
from sidecar.memory._machine cimport OLDEST_AGE, check
from sidecar.memory._plans cimport add_plan, column_names, make_plan
from sidecar.memory._schemas cimport Plan, Schema, column_name_of, column_named, plan_of
from sidecar.memory._tier cimport age_of, schema_of
from sidecar.memory._views cimport (
    ABSENT_BY_RULE, ABSENT_COLUMN, MIXED, MIXED_VIEWS, NEEDS_ORIGIN, NOT_HERE, OTHER_KIND, UNKNOWN_COLUMN, USABLE,
    Judgement, Probe, RowView,
)
from sidecar.metrics._counters cimport HIT, MISS, NEGATIVE, STALE_HIT, Counters, Outcome, count_served

cdef enum:
    LONGEST_LIST = 4096          # fields of a list whose columns are remembered


@cython.auto_pickle(False)
cdef class RowLookups(Lookups):
    """How rows are read. See Store."""

    def __cinit__(self, uint64_t max_memory, RuleTable table not None, Counters counters not None, bytes seed=None):
        cdef uint32_t entries = 1024 if max_memory >= 1 << 24 else 64
        self.absent_seed = self.tier.index.k0 ^ (self.tier.index.k1 << 1)
        self.listed = <ListedColumns*>calloc(entries, sizeof(ListedColumns))
        self.absent_rules = <AbsentRule*>calloc(entries, sizeof(AbsentRule))
        if self.listed == NULL or self.absent_rules == NULL:
            raise MemoryError
        self.listed_mask = self.absent_mask = entries - 1
        self.tier.other_bytes = entries * (sizeof(ListedColumns) + sizeof(AbsentRule))

    def __dealloc__(self):
        cdef uint32_t i
        if self.listed != NULL:
            for i in range(self.listed_mask + 1):
                free(self.listed[i].columns)
        free(self.listed)
        free(self.absent_rules)
        free(self.loose_plan)

    @cython.final
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

    @cython.final
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

    @cython.final
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
            if rule.flags & FEAST_ROW:
                return MIXED
            if item[0] & UNASKED:
                self.asked_for(item, key_hash)
            return USABLE
        out.list_fresh = out.whole and freshness(out.age_ticks, entry_jitter(key_hash, rule), rule) == FRESH
        if out.plan.has_timestamps or rule.flags & FEAST_ROW or out.view == MIXED_VIEWS or out.parts.shape & SIDE_MIXED:
            return MIXED
        floor = &out.plan.floor
        jitter = entry_jitter(key_hash, floor)
        if <uint64_t>out.age_ticks + jitter + self.early[rule.view].window_ticks < floor.fresh_ticks:
            out.outcome = HIT
            if item[0] & UNASKED:
                self.asked_for(item, key_hash)
            return USABLE
        if <uint64_t>out.age_ticks + jitter >= floor.fresh_ticks:
            return MIXED
        # Near the end of some field. Whether that one is asked is to be judged field by field, which an HGETALL leaves to
        # Python: not in all of the window, which is long where the origin is slow. Both draw; in the last tick both ask.
        if out.plan.classes <= 1:
            out.revalidate = self.draws_early(item, rule.view, out.age_ticks + jitter, floor)
        elif not item[0] & REFRESHING and draws_refresh(
            &self.early[rule.view], floor.fresh_ticks - (out.age_ticks + jitter), floor.fresh_ticks, &self.random
        ):
            return MIXED
        out.outcome = HIT
        if item[0] & UNASKED:
            self.asked_for(item, key_hash)
        return USABLE

    @cython.final
    cdef bint near_end(self, const RowView* row, uint32_t rule, uint32_t age) noexcept:
        """Whether a fresh field is to be refreshed early, by what a fill of its row costs; the row is marked then."""
        cdef const Limits* limits = &self.table.limits[rule]
        cdef uint32_t view = self.table.limits[row.rule].view
        cdef uint64_t shortened = <uint64_t>age + entry_jitter(row.key_hash, limits)
        if shortened + self.early[view].window_ticks < limits.fresh_ticks or shortened >= limits.fresh_ticks:
            return False
        return self.draws_early(<uint8_t*>row.item, view, <uint32_t>shortened, limits)

    @cython.final
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

    @cython.final
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

    @cython.final
    cdef int columns_of(self, const RowView* row, const Arg* fields, uint32_t count, int32_t* columns) noexcept:
        """The columns of names. Returns 0."""
        cdef uint32_t i
        cdef uint32_t guess = 0
        for i in range(count):
            columns[i] = self.column_for(row, fields[i].data, fields[i].size, guess)
            guess = <uint32_t>columns[i] + 1 if columns[i] >= 0 else guess
        return 0

    @cython.final
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

    @cython.final
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

    @cython.final
    cdef bint judge_classes(self, RowView* row, const int32_t* columns, uint32_t count, uint8_t* outcomes, Judgement* out) noexcept:
        """judge_fields for a row all of whose columns have its own age: once per rule, not per field.

        False: nothing was judged, for some field is no column, or a timestamp. 50 fields: 200 -> 60 ns.
        """
        cdef uint32_t asked[16]          # by class
        cdef uint8_t verdicts[16]
        cdef const Limits* limits
        cdef uint32_t i, place
        cdef int verdict
        cdef bint stale = False
        if row.plan == NULL or row.parts.side_count or row.plan.classes > 16 or row.plan.has_timestamps:
            return False
        for place in range(row.plan.classes):
            limits = &self.table.limits[row.plan.rules[place]]
            verdict = freshness(row.age_ticks, entry_jitter(row.key_hash, limits), limits)
            verdicts[place] = <uint8_t>(HIT if verdict == <int>FRESH else STALE_HIT if verdict == <int>STALE else MISS)
            asked[place] = 0
        for i in range(count):
            if columns[i] < 0:
                return False
            check(<uint32_t>columns[i] < row.columns)
            place = row.plan.class_of[columns[i]]
            outcomes[i] = verdicts[place]
            asked[place] += 1
        out.misses = 0
        out.revalidate = False
        for place in range(row.plan.classes):
            if verdicts[place] == <uint8_t>MISS:
                out.misses += asked[place]
            elif verdicts[place] == <uint8_t>STALE_HIT and asked[place]:
                stale = True
        if out.misses:
            return True
        if stale:
            out.revalidate = not (<uint8_t*>row.item)[0] & REFRESHING
            (<uint8_t*>row.item)[0] |= REFRESHING
        for place in range(row.plan.classes):
            if asked[place]:
                if verdicts[place] == <uint8_t>HIT and self.near_end(row, row.plan.rules[place], row.age_ticks):
                    out.revalidate = True
                limits = &self.table.limits[row.plan.rules[place]]
                count_served(self.counters, limits.view, <Outcome>verdicts[place], row.age_ticks, asked[place])
        return True

    @cython.final
    cdef int judge_fields(self, RowView* row, const int32_t* columns, uint32_t count, uint8_t* outcomes, Judgement* out) noexcept:
        """Each field's outcome; counted, and staleness handed out for revalidation, only when none misses. Returns 0."""
        cdef uint32_t i, rule, age, run_view, run_age
        cdef uint32_t followers = 0
        cdef uint32_t run = 0
        cdef uint8_t run_outcome
        cdef int verdict
        cdef bint absent
        cdef bint stale = False
        if self.judge_classes(row, columns, count, outcomes, out):
            if not out.misses and (<uint8_t*>row.item)[0] & UNASKED:
                self.asked_for(<uint8_t*>row.item, row.key_hash)
            return 0
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
        if (<uint8_t*>row.item)[0] & UNASKED:
            self.asked_for(<uint8_t*>row.item, row.key_hash)
        if stale:
            out.revalidate = not (<uint8_t*>row.item)[0] & REFRESHING
            (<uint8_t*>row.item)[0] |= REFRESHING
        run_view = run_age = 0
        run_outcome = 0
        for i in range(count):
            verdict = self.judge_column(row, columns[i], &rule, &age, &absent)
            if verdict == <int>FRESH and row.plan != NULL and self.near_end(row, rule, age):
                out.revalidate = True
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

    @cython.final
    cdef const Schema* row_schema(self, const RowView* row) noexcept:
        return schema_of(&self.tier, row.schema)

    @cython.final
    cdef const uint8_t* column_name(self, const RowView* row, uint32_t column, uint32_t* size) noexcept:
        check(column < row.columns)
        return column_name_of(schema_of(&self.tier, row.schema), &row.parts, column, size)
