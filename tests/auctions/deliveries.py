"""Orders on their way, made as the services make them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from django.utils import timezone

from accounts.models import User
from auctions.models import GatePass, Invoice, Order, TitleTransfer, TransportOrder
from auctions.services import titles, transport
from auctions.services.invoicing import invoice_order
from tests.auctions import orders
from tests.auctions.factories import OrderFactory
from tests.auctions.orders import invoice_of
from tests.factories import UserFactory

ADDRESS = "1 Main Street, Boston, MA 02108"


def staff() -> User:
    return UserFactory(is_superuser=True)


def pay(order: Order) -> Order:
    """By wire, all that it owes; the invoice is issued where there is none."""
    if not Invoice.objects.filter(order=order).exists():
        invoice_order(order_id=order.pk, actor=None, now=timezone.now())
    orders.pay(order, invoice_of(order).balance)
    return orders.reread(order)


def paid_order(**fields: Any) -> Order:
    """For which nobody has booked a transport, unless `delivery` says so."""
    return pay(OrderFactory(**fields))


def title_of(order: Order, status: str = "awaiting_seller_documents") -> TitleTransfer:
    """The title of a paid order, brought on to `status`."""
    title, actor = TitleTransfer.objects.get(order=order), UserFactory()
    for step in _title_way(status):
        step(title_id=title.pk, actor=actor, now=timezone.now())
    return TitleTransfer.objects.get(pk=title.pk)


def _title_way(status: str) -> list[Callable[..., Any]]:
    to_review: list[Callable[..., Any]] = [titles.receive_title, titles.review_title]
    ready = [*to_review, titles.ready_title]
    sent = [*ready, partial(titles.send_title, tracking_reference="1Z999")]
    return {
        "awaiting_seller_documents": [],
        "received": to_review[:1],
        "under_review": to_review,
        "rejected_documents": [*to_review, partial(titles.reject_documents, reason="Unsigned.")],
        "lien_pending": [*to_review, partial(titles.hold_lien, lien_holder="First Bank")],
        "ready": ready,
        "sent": sent,
        "completed": [*sent, titles.complete_title],
    }[status]


def transport_of(order: Order, status: str = "quote_requested", price: str = "450.00") -> TransportOrder:
    """A transport of an unpaid order, brought on to `status`; the order is paid on the way where it has to be."""
    now, actor = timezone.now(), UserFactory()
    row = transport.request_transport(order_id=order.pk, delivery_address=ADDRESS, actor=order.buyer, now=now)
    quote = partial(transport.quote_transport, quoted_price=Decimal(price))
    way: list[tuple[str, Callable[..., Any]]] = [
        ("quote_requested", lambda **_: None),
        ("quoted", quote),
        ("booked", lambda **given: transport.book_transport(**given | {"actor": order.buyer})),
        ("assigned", lambda **given: (pay(order), transport.assign_carrier(carrier="Roadrunner", **given))),
        ("picked_up", transport.pick_up),
        ("in_transit", transport.depart),
        ("delivered", transport.deliver),
    ]
    for reached, step in way:
        step(transport_id=row.pk, actor=actor, now=now)
        if reached == status:
            break
    return TransportOrder.objects.get(pk=row.pk)


def pass_for(order: Order) -> GatePass:
    return GatePass.objects.get(order=order, revoked_at=None)


def history(row: Any, subject: str) -> list[str]:
    """What the events of a row say it became, the oldest first."""
    order = row if isinstance(row, Order) else row.order
    return list(order.events.filter(subject=subject, subject_id=row.pk).order_by("id").values_list("new", flat=True))
