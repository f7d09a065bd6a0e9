"""Nothing is exported to C."""
