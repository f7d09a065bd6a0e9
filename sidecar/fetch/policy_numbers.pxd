"""C declarations of policy_numbers.py."""

cdef class PolicyNumbers:
    cdef object _holder, _policy
    cdef dict _rows
    cpdef row(self, bytes key)
    cpdef rule_again(self, bytes key, object row)
