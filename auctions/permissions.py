"""Who may do what in auctions, beyond `HasPerm`."""

from __future__ import annotations
