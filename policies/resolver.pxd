"""C declarations of resolver.py."""
from policies.key_matcher cimport KeyMatcher

cdef class Resolver:
    cdef object _defaults
    cdef KeyMatcher _keys
    cdef dict _features, _hashes, _feast_fields
    cdef readonly dict _row_memo, _field_memos
    cpdef row_rule(self, bytes key)
    cdef _find_row(self, bytes key)
    cdef _feast_rule(self, object fields, bytes name)

cdef _remember(dict memo, bytes name, object number)
