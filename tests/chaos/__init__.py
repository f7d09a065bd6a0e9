"""Chaos: a fault proxy, a faulty origin, a simulation of overload and outages on virtual time, and `make chaos`."""
