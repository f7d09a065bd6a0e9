"""What `make chaos` measures, a part a file; each makes one section of docs/resilience.md."""
