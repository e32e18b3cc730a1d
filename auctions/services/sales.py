"""Where a sale begins, and what follows once its money is there or it came to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings

from accounts.models import User
from auctions.models import Auction, Listing, Offer, Order
from auctions.services.gate_passes import issue_pass
from auctions.services.settling import begin, move
from auctions.services.states import move_listing
from auctions.services.titles import open_title
from cars.models import Vehicle, VehicleEvent
from cars.services import record_event
from common.errors import Conflict
from common.text import new_reference


class VehicleInSale(Conflict):
    """It stays in the garage until it is sold and delivered, or not for sale any more; `meta` names the listing or the
    order."""

    code = "vehicle_in_sale"
    detail = "This vehicle is being sold. End its listing, or wait for the end of its sale."


def make_order(
    *,
    listing: Listing,
    buyer_id: int,
    price: Decimal,
    fee_schedule: Mapping[str, Any],
    now: datetime,
    auction: Auction | None = None,
    offer: Offer | None = None,
    actor: User | None = None,
) -> Order:
    """The unpaid sale of a locked listing, which is subject to its payment from now on, and the vehicle's own history,
    where the price stays between its owner and staff. Constraints allow one order per auction and per listing that is
    not dead. Raises InvalidTransition (the listing cannot be sold)."""
    due_at = now + timedelta(seconds=settings.ORDER_PAYMENT_DUE_S)
    order = Order.objects.create(
        order_number=new_reference("FO"),
        auction=auction,
        listing=listing,
        offer=offer,
        buyer_id=buyer_id,
        seller_id=listing.seller_id,
        hammer_price=price,
        currency=listing.currency if auction is None else auction.currency,
        fee_schedule=fee_schedule,
        payment_due_at=due_at,
        default_at=due_at + timedelta(seconds=settings.ORDER_DEFAULT_AFTER_S),
        created_at=now,
    )
    begin(order, actor=actor, now=now)
    move_listing(listing, Listing.Status.PENDING_SALE, actor=actor, now=now, reason=f"Order {order.order_number}.")
    record_event(
        vehicle=listing.vehicle,
        kind=VehicleEvent.Kind.BID_WON if offer is None else VehicleEvent.Kind.SOLD,
        actor=None,
        at=now,
        reference=f"order:{order.pk}",
        private_summary=f"Sold {'at auction' if offer is None else 'by offer'} for {price} {order.currency}.",
    )
    return order


def mark_paid(order: Order, listing: Listing, *, actor: User | None, now: datetime) -> None:
    """All that a locked, unpaid order over a locked listing owed is there: the listing is sold, the work on its title
    begins, and the car may leave. Raises InvalidTransition."""
    move(order, Order.Status.PAID, actor=actor, now=now, paid_at=now)
    move_listing(listing, Listing.Status.SOLD, actor=actor, now=now, reason=f"Order {order.order_number} is paid.")
    open_title(order, listing, actor=actor, now=now)
    issue_pass(order, actor=actor, now=now)


def release_listing(order: Order, listing: Listing, *, actor: User | None, now: datetime) -> None:
    """A locked, unpaid order came to nothing: its locked listing is on the market again."""
    if listing.status == Listing.Status.PENDING_SALE:
        reason = f"Order {order.order_number} is {order.status}."
        move_listing(listing, Listing.Status.ACTIVE, actor=actor, now=now, reason=reason)


def require_not_in_sale(vehicle: Vehicle) -> None:
    """Of a locked vehicle that is to be archived: its owner does not sell it, and no sale of it is under way. Raises
    VehicleInSale."""
    listing = Listing.objects.live().filter(vehicle=vehicle, seller=vehicle.owner_id).first()
    if listing is not None:
        raise VehicleInSale(meta={"listing": listing.pk})
    order = Order.objects.live().filter(listing__vehicle=vehicle).exclude(status=Order.Status.COMPLETED).first()
    if order is not None:
        raise VehicleInSale(meta={"order": order.pk})
