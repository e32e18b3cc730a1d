"""The way of a car to its buyer by a carrier.

Lock order: order -> transport (the order's lock is the transport's) -> gate pass. Booking, and cancelling what was
booked, move money: the whole account, as in `balances`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import User
from auctions import fees
from auctions.models import Invoice, Listing, Order, TransportOrder
from auctions.models.orders import DEAD_ORDER, PAID_ORDER, UNPAID_ORDER
from auctions.services.balances import Account, credit_invoice, lock_account, settle
from auctions.services.gate_passes import pass_of, require_on_the_lot, take_pass
from auctions.services.invoicing import issue_invoice, leave_time_to_pay
from auctions.services.progress import advance, require_no_dispute
from auctions.services.settling import TRANSPORT_MOVES, begin, lock_order, move, order_id_of
from common.errors import Conflict, NotFound, Unprocessable
from common.money import ZERO
from common.transitions import check_transition

Status = TransportOrder.Status
ARRANGE = "auctions.change_transportorder"
NOT_BOOKED = (Status.QUOTE_REQUESTED, Status.QUOTED)


class UnknownOrder(Unprocessable):
    """The body names an order that does not exist or that one has not bought."""

    code = "does_not_exist"
    detail = "There is no such order of yours."


class DeliveryDecided(Conflict):
    """How the car gets to its buyer is decided before the invoice, once."""

    code = "delivery_decided"
    detail = "The delivery of this order cannot be decided any more."


class TransportExists(Conflict):
    """One per order that is not cancelled; `meta.transport_order` names it."""

    code = "transport_exists"
    detail = "A transport of this order is arranged already."


class DeliveryBeforePickup(Unprocessable):
    """No car arrives before it leaves."""

    code = "delivery_before_pickup"
    detail = "The delivery must not come before the pick-up."


class QuoteChanged(Conflict):
    """The buyer agreed to another price; `meta.quoted_price` is the present one."""

    code = "quote_changed"
    detail = "The quote has changed since you read it."


class OrderNotPaid(Conflict):
    """No carrier is sent for a car that is not paid for."""

    code = "order_not_paid"
    detail = "This order is not paid."


class GatePassMissing(Conflict):
    """Nothing leaves the lot without the right to."""

    code = "gate_pass_missing"
    detail = "This order has no valid gate pass."


class TransportBooked(Conflict):
    """A buyer may go back while nothing is booked."""

    code = "transport_booked"
    detail = "This transport is booked. Only the house can cancel it."


# --- Before the sale is paid


@transaction.atomic
def request_transport(*, order_id: int, delivery_address: str, actor: User, now: datetime) -> TransportOrder:
    """The buyer asks what it costs. Nobody is late meanwhile, the first time (`OrderQuerySet.awaiting_quote`). Raises
    UnknownOrder (422), DeliveryDecided, TransportExists (409)."""
    order = _lock_own_order(order_id, actor)
    _require_undecided(order)
    present = TransportOrder.objects.filter(order=order).exclude(status=Status.CANCELLED).first()
    if present is not None:
        raise TransportExists(attr="order", meta={"transport_order": present.pk})
    if Invoice.objects.filter(order=order).exists():
        raise DeliveryDecided("The invoice of this order is issued already.", attr="order")
    transport = _insert(order, delivery_address)
    begin(transport, actor=actor, now=now)
    return transport


def _lock_own_order(order_id: int, actor: User) -> Order:
    """Raises UnknownOrder."""
    try:
        order = lock_order(order_id)
    except NotFound:
        raise UnknownOrder(attr="order") from None
    if order.buyer_id != actor.pk:
        raise UnknownOrder(attr="order")
    return order


def _insert(order: Order, delivery_address: str) -> TransportOrder:
    """The order's lock makes a second one impossible; the constraint holds also without it. Raises TransportExists."""
    try:
        with transaction.atomic():
            return TransportOrder.objects.create(
                order=order,
                pickup_address=_place_of(order.listing),
                delivery_address=delivery_address,
                currency=order.currency,
            )
    except IntegrityError as error:
        if "transport_one_per_order" in str(error) or "auctions_transportorder.order_id" in str(error):
            raise TransportExists(attr="order") from None
        raise


def _place_of(listing: Listing) -> str:
    region = " ".join(part for part in (listing.location_state, listing.location_zip) if part)
    return ", ".join(part for part in (listing.location_address, listing.location_city, region) if part)


@transaction.atomic
def quote_transport(
    *,
    transport_id: int,
    quoted_price: Decimal,
    actor: User,
    now: datetime,
    pickup_on: date | None = None,
    delivery_on: date | None = None,
) -> TransportOrder:
    """Name the price, also another one until it is booked; the first one of an order, which the buyer waited for,
    leaves a day to pay at least. Raises NotFound, InvalidTransition, DeliveryDecided, DeliveryBeforePickup (422)."""
    order, transport = _lock_transport(transport_id)
    check_transition(current=transport.status, to=Status.QUOTED, allowed=TRANSPORT_MOVES)
    _require_undecided(order)
    if pickup_on is not None and delivery_on is not None and delivery_on < pickup_on:
        raise DeliveryBeforePickup(attr="delivery_on")
    _end_wait(order, now=now)
    dates: dict[str, Any] = {"pickup_on": pickup_on, "delivery_on": delivery_on}
    return _step(transport, Status.QUOTED, actor=actor, now=now, quoted_price=quoted_price, **dates)


def _end_wait(order: Order, *, now: datetime) -> None:
    """The house answers a locked order; if time stood still for that, it counts again from now on."""
    if Order.objects.awaiting_quote().filter(pk=order.pk).exists():
        leave_time_to_pay(order, now=now)


@transaction.atomic
def book_transport(
    *, transport_id: int, actor: User, now: datetime, quoted_price: Decimal | None = None
) -> TransportOrder:
    """The buyer takes the quote, and the invoice is issued with it. `quoted_price` is what the buyer agrees to. Raises
    NotFound, InvalidTransition, DeliveryDecided, QuoteChanged, AlreadyInvoiced."""
    account, transport = _lock_with_account(transport_id)
    order = account.order
    check_transition(current=transport.status, to=Status.BOOKED, allowed=TRANSPORT_MOVES)
    _require_undecided(order)
    if quoted_price not in (None, transport.quoted_price):
        raise QuoteChanged(attr="quoted_price", meta={"quoted_price": transport.quoted_price})
    _decide(order, Order.Delivery.TRANSPORT)
    _step(transport, Status.BOOKED, actor=actor, now=now, booked_at=now)
    issue_invoice(account, actor=actor, now=now)
    return transport


def _require_undecided(order: Order) -> None:
    """Raises DeliveryDecided."""
    if order.status not in UNPAID_ORDER or order.delivery:
        raise DeliveryDecided(meta={"status": order.status, "delivery": order.delivery})


# --- On the road


@transaction.atomic
def assign_carrier(
    *,
    transport_id: int,
    carrier: str,
    actor: User,
    now: datetime,
    driver_name: str = "",
    driver_phone: str = "",
) -> TransportOrder:
    """Say who drives, also another one until the car is picked up. Raises NotFound, InvalidTransition, OrderNotPaid,
    OrderOnHold."""
    order, transport = _lock_transport(transport_id)
    check_transition(current=transport.status, to=Status.ASSIGNED, allowed=TRANSPORT_MOVES)
    require_no_dispute(order)
    if order.status not in PAID_ORDER:
        raise OrderNotPaid
    driver: dict[str, Any] = {"driver_name": driver_name, "driver_phone": driver_phone}
    _step(transport, Status.ASSIGNED, actor=actor, now=now, carrier=carrier, **driver)
    advance(order, Order.Status.TRANSPORT_SCHEDULED, actor=actor, now=now)
    return transport


@transaction.atomic
def pick_up(*, transport_id: int, actor: User, now: datetime) -> TransportOrder:
    """The carrier has the car, on the order's gate pass; the gate may have used it already. Raises NotFound,
    InvalidTransition, GatePassMissing."""
    order, transport = _lock_transport(transport_id)
    check_transition(current=transport.status, to=Status.PICKED_UP, allowed=TRANSPORT_MOVES)
    gate_pass = pass_of(order)
    if gate_pass is None:
        raise GatePassMissing
    if gate_pass.used_at is None:
        take_pass(gate_pass, actor=actor, now=now)
    return _step(transport, Status.PICKED_UP, actor=actor, now=now, picked_up_at=now)


@transaction.atomic
def depart(*, transport_id: int, actor: User, now: datetime) -> TransportOrder:
    """Raises NotFound, InvalidTransition, OrderOnHold."""
    order, transport = _lock_transport(transport_id)
    _step(transport, Status.IN_TRANSIT, actor=actor, now=now)
    _advance(order, Order.Status.IN_TRANSIT, actor=actor, now=now)
    return transport


@transaction.atomic
def deliver(*, transport_id: int, actor: User, now: datetime, final_price: Decimal | None = None) -> TransportOrder:
    """The car is with its buyer, who pays the quote; `final_price` is what the carrier asks of the house. Raises
    NotFound, InvalidTransition, OrderOnHold."""
    order, transport = _lock_transport(transport_id)
    _step(transport, Status.DELIVERED, actor=actor, now=now, delivered_at=now, final_price=final_price)
    _advance(order, Order.Status.DELIVERED, actor=actor, now=now)
    return transport


def _advance(order: Order, to: str, *, actor: User, now: datetime) -> None:
    """A sale that was undone while the car was on the road stays undone; the transport ends all the same."""
    if order.status not in DEAD_ORDER:
        advance(order, to, actor=actor, now=now)


# --- Going back


@transaction.atomic
def cancel_transport(*, transport_id: int, actor: User, now: datetime, reason: str = "") -> TransportOrder:
    """The buyer while nothing is booked, the house until the car has left. What was booked is credited with its tax,
    and the delivery is undecided again. Raises NotFound, InvalidTransition, TransportBooked, OrderOnHold,
    GatePassUsed."""
    account, transport = _lock_with_account(transport_id)
    check_transition(current=transport.status, to=Status.CANCELLED, allowed=TRANSPORT_MOVES)
    if transport.status in NOT_BOOKED:
        if actor.pk != account.order.buyer_id:
            _end_wait(account.order, now=now)
        return _step(transport, Status.CANCELLED, actor=actor, now=now, reason=reason)
    if not actor.has_perm(ARRANGE):
        raise TransportBooked
    require_no_dispute(account.order)
    require_on_the_lot(account.order)
    _step(transport, Status.CANCELLED, actor=actor, now=now, reason=reason)
    _undo_booking(account, transport, actor=actor, now=now)
    return transport


def _undo_booking(account: Account, transport: TransportOrder, *, actor: User, now: datetime) -> None:
    order, invoice = account.order, account.invoice
    _decide(order, "")
    if order.status == Order.Status.TRANSPORT_SCHEDULED:
        move(order, Order.Status.TITLE_PROCESSING, actor=actor, now=now, reason="The transport was cancelled.")
    share = ZERO if invoice is None else min(_share_of(transport, order, invoice), invoice.due)
    if share > 0:
        credit_invoice(account, share, reason="The transport was cancelled.", actor=actor, now=now)
        settle(account, actor=actor, now=now)


def _share_of(transport: TransportOrder, order: Order, invoice: Invoice) -> Decimal:
    """What the invoice asks for because of the transport: its price and the tax on it."""
    schedule, price, state = order.fee_schedule, order.hammer_price, invoice.buyer_state
    with_it = fees.quote(schedule, price, transport=transport.quoted_price, state=state)
    return with_it.total - fees.quote(schedule, price, state=state).total


# --- What they share


def _lock_transport(transport_id: int) -> tuple[Order, TransportOrder]:
    """Both, read under the order's lock. Raises NotFound."""
    order = lock_order(order_id_of(TransportOrder, transport_id))
    transport = TransportOrder.objects.get(pk=transport_id)
    transport.order = order
    return order, transport


def _lock_with_account(transport_id: int) -> tuple[Account, TransportOrder]:
    """As `_lock_transport`, with listing and invoice. Raises NotFound."""
    account = lock_account(order_id_of(TransportOrder, transport_id))
    transport = TransportOrder.objects.get(pk=transport_id)
    transport.order = account.order
    return account, transport


def _decide(order: Order, delivery: str) -> None:
    order.delivery = delivery
    order.save(update_fields=["delivery", "updated_at"])


def _step(
    transport: TransportOrder, to: str, *, actor: User, now: datetime, reason: str = "", **changes: Any
) -> TransportOrder:
    for name, value in changes.items():
        setattr(transport, name, value)
    move(transport, to, actor=actor, now=now, reason=reason, details=_facts(transport), **changes)
    return transport


def _facts(transport: TransportOrder) -> Mapping[str, str]:
    """What the notifications say of it."""
    facts = {
        "carrier": transport.carrier,
        "pickup_on": transport.pickup_on and transport.pickup_on.isoformat(),
        "delivery_on": transport.delivery_on and transport.delivery_on.isoformat(),
    }
    if transport.quoted_price is not None:
        facts |= {"amount": str(transport.quoted_price), "currency": transport.currency}
    return {name: text for name, text in facts.items() if text}
