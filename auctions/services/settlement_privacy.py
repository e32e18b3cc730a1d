"""A person's share of offers, orders, their money and their transports: what `privacy` exports and erases of it.

What the books are made of stays as it was: orders, invoices, payments, refunds, payouts, and their history. Addresses,
drivers and messages go once the sale is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet

from accounts.models import User
from auctions.models import Invoice, Offer, Order, Payment, Payout, Refund, SettlementEvent, TransportOrder
from auctions.models.orders import DEAD_ORDER
from auctions.services.settling import GOING_BACK, move
from common.errors import Conflict

_OFFER = (
    "id", "kind", "status", "listing", "auction", "made_by", "amount", "currency", "round", "created_at", "decided_at",
)  # fmt: skip
_ORDER = (
    "id", "order_number", "status", "listing", "hammer_price", "currency", "delivery", "paid_at", "created_at",
)  # fmt: skip
_INVOICE = (
    "number", "status", "buyer_name", "buyer_email", "buyer_address", "buyer_state", "vehicle_text", "currency",
    "subtotal", "tax_total", "total", "paid", "credited", "issued_at", "due_at",
)  # fmt: skip
_PAYMENT = ("id", "provider", "amount", "currency", "status", "reference", "created_at", "succeeded_at")
_REFUND = ("id", "payment", "amount", "currency", "status", "reason", "created_at", "done_at")
_TRANSPORT = (
    "id", "status", "quoted_price", "currency", "carrier", "pickup_on", "delivery_on", "picked_up_at", "delivered_at",
)  # fmt: skip
_TITLE = ("status", "title_state", "due_at", "received_at", "completed_at")
_PAYOUT = ("price", "fee", "amount", "currency", "status", "reference", "due_at", "paid_at")

_OVER = [*DEAD_ORDER, Order.Status.COMPLETED]
_ASKED_BACK = [Refund.Status.REQUESTED, *GOING_BACK]
_UNPAID_OUT = [Payout.Status.DUE, Payout.Status.HELD]
_DRIVER: dict[str, Any] = {"driver_name": "", "driver_phone": ""}


class OrdersOpen(Conflict):
    """`meta.orders` lists the numbers of those that are not completed, cancelled or refunded, and of those whose money
    is still on its way to the user or from them."""

    code = "orders_open"
    detail = "A purchase or a sale of yours is not completed, or money of it is still to be paid."


# --- A copy -----------------------------------------------------------------------------------------------------------


def offers_of(user: User) -> list[dict[str, Any]]:
    """The message is its buyer's own word."""
    theirs = Offer.objects.filter(Q(buyer=user) | Q(seller=user)).order_by("id")
    return [_of(offer, _OFFER) | ({"message": offer.message} if offer.buyer_id == user.pk else {}) for offer in theirs]


def purchases_of(user: User) -> list[dict[str, Any]]:
    """Each with its invoice, payments, refunds, transports and title."""
    bought = Order.objects.filter(buyer=user).order_by("id").select_related("invoice", "title_transfer")
    bought = bought.prefetch_related(
        "invoice__lines", "invoice__credit_notes", "payments", "refunds", "transport_orders"
    )
    return [_purchase(order) for order in bought]


def _purchase(order: Order) -> dict[str, Any]:
    to_buyer = (*_TRANSPORT, "delivery_address")
    return _of(order, _ORDER) | {
        "invoice": _invoice(getattr(order, "invoice", None)),
        "payments": [_of(row, _PAYMENT) for row in _by_id(order.payments.all())],
        "refunds": [_of(row, _REFUND) for row in _by_id(order.refunds.all())],
        "transports": [_of(row, to_buyer) for row in _by_id(order.transport_orders.all())],
        "title": _or_none(getattr(order, "title_transfer", None), _TITLE),
    }


def _invoice(invoice: Invoice | None) -> dict[str, Any] | None:
    if invoice is None:
        return None
    notes = ("number", "amount", "reason", "issued_at")
    return _of(invoice, _INVOICE) | {
        "lines": [_of(line, ("description", "amount")) for line in invoice.lines.all()],
        "credit_notes": [_of(note, notes) for note in _by_id(invoice.credit_notes.all())],
    }


def sales_of(user: User) -> list[dict[str, Any]]:
    """Each with its title, its payout, and where the car was fetched."""
    sold = Order.objects.filter(seller=user).order_by("id").select_related("title_transfer", "payout")
    return [
        _of(order, _ORDER)
        | {
            "title": _or_none(getattr(order, "title_transfer", None), (*_TITLE, "lien_holder")),
            "payout": _or_none(getattr(order, "payout", None), _PAYOUT),
            "pickup_addresses": [row.pickup_address for row in _by_id(order.transport_orders.all())],
        }
        for order in sold.prefetch_related("transport_orders")
    ]


def reasons_of(user: User) -> list[dict[str, Any]]:
    """What somebody wrote when they disputed or cancelled something."""
    written = SettlementEvent.objects.filter(actor=user).exclude(reason="").order_by("id")
    return [dict(row) for row in written.values("subject", "new", "reason", "at", number=F("order__order_number"))]


def _by_id(rows: Any) -> list[Any]:
    """Of rows that were fetched ahead."""
    return sorted(rows, key=lambda row: row.pk)


def _of(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """The columns of these names; a row that is named stands as its id."""
    return {name: getattr(row, row._meta.get_field(name).attname) for name in names}


def _or_none(row: Any, names: tuple[str, ...]) -> dict[str, Any] | None:
    return None if row is None else _of(row, names)


# --- To be forgotten --------------------------------------------------------------------------------------------------


def pending_offers(user: User) -> QuerySet[Offer]:
    return Offer.objects.filter(Q(buyer=user) | Q(seller=user), status=Offer.Status.PENDING).order_by("pk")


def refuse_if_unsettled(user: User) -> None:
    """Raises OrdersOpen."""
    unfinished = ~Q(status__in=_OVER)
    too_much = Q(invoice__paid__gt=F("invoice__total") - F("invoice__credited"))
    coming = Q(payments__status=Payment.Status.PROCESSING) | Q(refunds__status__in=_ASKED_BACK)
    bought = Q(buyer=user) & (unfinished | too_much | coming)
    sold = Q(seller=user) & (unfinished | Q(payout__status__in=_UNPAID_OUT))
    orders = Order.objects.filter(bought | sold).order_by("pk").distinct()
    if numbers := list(orders.values_list("order_number", flat=True)):
        raise OrdersOpen(meta={"orders": numbers})


def end_offers(user: User, *, now: datetime) -> None:
    """Offers that are pending for listings which the caller has locked: whoever leaves takes their own back, and
    declines those of others."""
    for offer in pending_offers(user):
        end = Offer.Status.WITHDRAWN if offer.proposer_id == user.pk else Offer.Status.DECLINED
        move(offer, end, actor=None, now=now, reason="Account deleted.", decided_at=now)


def forget_places(user: User) -> None:
    """The addresses of somebody whose orders are over, the drivers who came there, and what was written to sellers."""
    transports = TransportOrder.objects.all()
    transports.filter(order__buyer=user).update(delivery_address="", **_DRIVER)
    transports.filter(order__seller=user).update(pickup_address="", **_DRIVER)
    Offer.objects.filter(buyer=user).update(message="")


def is_named(user: User) -> bool:
    """Whether offers or orders, which stay, still refer to the user."""
    return any(rows.filter(Q(buyer=user) | Q(seller=user)).exists() for rows in _rows_that_stay())


def _rows_that_stay() -> Iterator[QuerySet[Any]]:
    yield Order.objects.all()
    yield Offer.objects.all()
