"""Tasks of auctions: each calls the service that finds what is due."""

from __future__ import annotations
