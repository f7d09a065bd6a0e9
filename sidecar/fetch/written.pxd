"""C declarations of written.py."""

cpdef reserved_by(object write)
cpdef show_written(object store, object write, object result, object sent_tick, object row_rule, bint may_install)
cpdef forget_written(object store, object write)
