"""What proves an auction: its audit, receipts and corrections."""

from __future__ import annotations


class AuditActions:
    """Audit and receipts of an auction."""
