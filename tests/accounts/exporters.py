"""Exports for tests: of one's own notifications, open to all, and of nothing, for holders of a permission."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts.csvfile import Cell, Column
from accounts.exports import Exporter
from accounts.models import Notification, User
from accounts.registry import exports
from common.errors import Unprocessable

KIND, RESTRICTED_KIND = "test_rows", "test_restricted"


def _clean(_owner: User, params: Mapping[str, Any]) -> dict[str, Any]:
    if params.keys() - {"kind"}:
        raise Unprocessable(code="unknown_param", attr="params")
    return dict(params)


EXPORTER = Exporter(
    label="Rows of the tests",
    columns=[Column("id", "id", Cell.NUMBER), Column("title", "title")],
    rows=lambda owner, params: Notification.objects.filter(user=owner, **params).order_by("id"),
    clean=_clean,
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
