"""Warm start: a file of hot keys and their values, and how the next process takes it over."""

from sidecar.snapshot.warm_start import WarmStart

__all__ = ["WarmStart"]
