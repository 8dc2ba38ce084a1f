"""Changes of one line that break a promise, each with the few tests that have to notice: `python -m tests.mutants`."""
