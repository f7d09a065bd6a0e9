"""Which rules apply to a schema's columns, looked up in the policy once and kept with the schema."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from policies._freshness cimport Limits
from policies._table cimport RuleTable
from sidecar.memory._items cimport RowParts
from sidecar.memory._schemas cimport Plan, Schema, Schemas

cdef Plan* make_plan(RuleTable table, uint32_t generation, uint32_t row_rule, list names) except NULL        # the caller owns it: free()
cdef Plan* add_plan(Schemas* schemas, Schema* schema, RuleTable table, uint32_t generation, uint32_t row_rule) except NULL
cdef list column_names(const Schema* schema, const RowParts* parts)
