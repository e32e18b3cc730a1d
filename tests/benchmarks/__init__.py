"""Measurements beside the test suite: `make bench`, see docs/performance.md."""
