"""Photos and papers of listings."""

from __future__ import annotations


class FileActions:
    """Uploads of a listing."""
