"""The sync engine: sources (what is synced), providers (where from), runs (when, how it went)."""
