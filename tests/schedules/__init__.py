"""Seeded schedules of the miss path on virtual time, judged by an oracle; and mutants that it must catch."""
