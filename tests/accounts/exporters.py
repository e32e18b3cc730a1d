"""Exports for tests: of one's own notifications, open to all, and of nothing, for holders of a permission."""

from __future__ import annotations

from accounts.csvfile import Cell, Column
from accounts.exports import Exporter
from accounts.models import Notification
from accounts.registry import exports

KIND, RESTRICTED_KIND = "test_rows", "test_restricted"


EXPORTER = Exporter(
    label="Rows of the tests",
    columns=[Column("id", "id", Cell.NUMBER), Column("title", "title")],
    rows=lambda owner, params: Notification.objects.filter(user=owner, **params).order_by("id"),
)
exports.register(KIND, EXPORTER)
exports.register(
    RESTRICTED_KIND,
    Exporter(
        label="Staff only",
        columns=EXPORTER.columns,
        rows=lambda owner, params: Notification.objects.none(),
        may_request=lambda user: user.has_perm("accounts.approve_sellerprofile"),
    ),
)
