"""The forward way of a paid order. Title and transport go on beside each other; the order shows the furthest step."""

from __future__ import annotations

from datetime import datetime

from accounts.models import User
from auctions.models import Order
from auctions.services.settling import move
from common.errors import Conflict
from common.transitions import check_transition

Status = Order.Status
_BY_CARRIER = (Status.PAID, Status.TITLE_PROCESSING, Status.TRANSPORT_SCHEDULED, Status.IN_TRANSIT, Status.DELIVERED)
_BY_BUYER = (Status.PAID, Status.TITLE_PROCESSING, Status.DELIVERED)


class OrderOnHold(Conflict):
    """Nothing goes on with a car or its papers before a dispute is resolved."""

    code = "order_on_hold"
    detail = "This order is disputed. Resolve the dispute first."


def require_no_dispute(order: Order) -> None:
    """Of a locked order. Raises OrderOnHold."""
    if order.status == Status.DISPUTED:
        raise OrderOnHold


def advance(order: Order, to: str, *, actor: User | None, now: datetime, reason: str = "") -> None:
    """Bring a locked, paid order on to `to`, through the steps in between, each with its event. Where it is there
    already, or further, nothing happens. Raises OrderOnHold while it is disputed, and InvalidTransition when it is not
    on its way (unpaid, over)."""
    require_no_dispute(order)
    way = _BY_BUYER if order.delivery == Order.Delivery.SELF_PICKUP else _BY_CARRIER
    if order.status not in way:
        if order.status != Status.COMPLETED:
            check_transition(current=order.status, to=to, allowed={})
        return
    for step in way[way.index(Status(order.status)) + 1 : way.index(Status(to)) + 1]:
        move(order, step, actor=actor, now=now, reason=reason)
