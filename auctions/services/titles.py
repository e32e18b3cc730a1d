"""The way of a title from the seller to the buyer.

Lock order: order -> title (the order's lock is the title's). `complete_title`, which gives the buyer the vehicle: users
by id -> order -> title -> vehicle.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import User
from auctions.models import Invoice, Listing, Order, Refund, TitleDeadline, TitleTransfer
from auctions.models.delivery import TITLE_OVER
from auctions.models.orders import DEAD_ORDER
from auctions.services.payouts import MoneyGoesBack, make_payout
from auctions.services.progress import advance, require_no_dispute
from auctions.services.settling import (
    GOING_BACK,
    TITLE_MOVES,
    Subject,
    begin,
    lock_order,
    move,
    order_id_of,
    record,
)
from cars.models import Vehicle, VehicleEvent
from cars.services import record_event, transfer_vehicle
from common.errors import Conflict, NotFound
from common.sweeps import SweepResult, sweep_ids
from common.transitions import check_transition

Status = TitleTransfer.Status


class NotTheSellers(Conflict):
    """The garage says something else than the sale."""

    code = "vehicle_not_the_sellers"
    detail = "In the garage this vehicle is not the seller's any more. Reassign it first."


class SaleUndone(Conflict):
    """Nobody gets the title of a car that is not paid for any more."""

    code = "sale_undone"
    detail = "What was paid for this order was refunded."


def open_title(order: Order, listing: Listing, *, actor: User | None, now: datetime) -> TitleTransfer:
    """A locked order is paid: its title is awaited from the seller, due by the state's deadline."""
    due_at = now + timedelta(days=_days_for(listing.title_state))
    title = TitleTransfer.objects.create(order=order, title_state=listing.title_state, due_at=due_at)
    begin(title, actor=actor, now=now)
    move(title, Status.AWAITING_SELLER_DOCUMENTS, actor=actor, now=now, details=_facts(title))
    return title


def _days_for(state: str) -> int:
    days = TitleDeadline.objects.filter(state=state).values_list("days", flat=True).first()
    return settings.TITLE_DUE_DAYS if days is None else days


def cancel_title(order: Order, *, actor: User | None, now: datetime, reason: str) -> None:
    """The sale of a locked order was undone. Nothing happens when there is no title transfer or it is completed."""
    title = TitleTransfer.objects.filter(order=order).exclude(status__in=TITLE_OVER).first()
    if title is not None:
        move(title, Status.CANCELLED, actor=actor, now=now, reason=reason)


# --- The steps. Each raises NotFound, InvalidTransition, OrderOnHold while the order is disputed, and SaleUndone when
# all was refunded.


@transaction.atomic
def receive_title(*, title_id: int, actor: User, now: datetime) -> TitleTransfer:
    """The seller's documents are here, also other ones after a rejection: the order is in title processing, and the
    house owes the seller."""
    order, title = _lock_title(title_id)
    _step(title, Status.RECEIVED, actor=actor, now=now, received_at=now)
    advance(order, Order.Status.TITLE_PROCESSING, actor=actor, now=now)
    make_payout(order, actor=actor, now=now)
    return title


@transaction.atomic
def review_title(*, title_id: int, actor: User, now: datetime) -> TitleTransfer:
    """Somebody looks at the documents."""
    _, title = _lock_title(title_id)
    return _step(title, Status.UNDER_REVIEW, actor=actor, now=now)


@transaction.atomic
def reject_documents(*, title_id: int, reason: str, actor: User, now: datetime) -> TitleTransfer:
    """They will not do; the seller sends others."""
    _, title = _lock_title(title_id)
    return _step(title, Status.REJECTED_DOCUMENTS, actor=actor, now=now, reason=reason)


@transaction.atomic
def hold_lien(*, title_id: int, lien_holder: str, actor: User, now: datetime) -> TitleTransfer:
    """Somebody has a claim on the vehicle that must be released first."""
    _, title = _lock_title(title_id)
    return _step(title, Status.LIEN_PENDING, actor=actor, now=now, lien_holder=lien_holder)


@transaction.atomic
def release_lien(*, title_id: int, actor: User, now: datetime) -> TitleTransfer:
    """The claim is gone, and the title can be sent."""
    _, title = _lock_title(title_id)
    _require_from(title, Status.LIEN_PENDING, to=Status.READY)
    return _step(title, Status.READY, actor=actor, now=now)


@transaction.atomic
def ready_title(*, title_id: int, actor: User, now: datetime) -> TitleTransfer:
    """The documents are in order; where a lien is pending it is released instead."""
    _, title = _lock_title(title_id)
    _require_from(title, Status.UNDER_REVIEW, to=Status.READY)
    return _step(title, Status.READY, actor=actor, now=now)


@transaction.atomic
def send_title(*, title_id: int, tracking_reference: str, actor: User, now: datetime) -> TitleTransfer:
    """On its way to the buyer."""
    _, title = _lock_title(title_id)
    return _step(title, Status.SENT, actor=actor, now=now, tracking_reference=tracking_reference)


@transaction.atomic
def complete_title(*, title_id: int, actor: User, now: datetime) -> TitleTransfer:
    """The buyer has the title, and with it the vehicle in the garage, timeline and all. Raises MoneyGoesBack and
    NotTheSellers too."""
    _lock_people(title_id)
    order, title = _lock_title(title_id)
    _step(title, Status.COMPLETED, actor=actor, now=now, completed_at=now)
    if Refund.objects.filter(order=order, status__in=GOING_BACK).exists():
        raise MoneyGoesBack
    _give_vehicle(order, actor=actor, now=now)
    return title


def _give_vehicle(order: Order, *, actor: User, now: datetime) -> None:
    """The vehicle's history names the order also where staff gave it to the buyer before. Raises NotTheSellers."""
    vehicle, reference = Vehicle.objects.get(pk=order.listing.vehicle_id), f"order:{order.pk}"
    if vehicle.archived_at is not None or vehicle.owner_id not in (order.seller_id, order.buyer_id):
        raise NotTheSellers
    if vehicle.owner_id == order.seller_id:
        transfer_vehicle(vehicle=vehicle, new_owner=order.buyer, actor=actor, now=now, reference=reference)
        return
    record_event(
        vehicle=vehicle,
        kind=VehicleEvent.Kind.TITLE_TRANSFERRED,
        actor=actor,
        at=now,
        reference=reference,
        public_summary="The title was transferred to the owner.",
    )


def _lock_people(title_id: int) -> None:
    """Buyer and seller, who never change, before the order: `transfer_vehicle` needs their rows. Raises NotFound."""
    people = Order.objects.filter(title_transfer=title_id).values_list("buyer_id", "seller_id").first()
    if people is None:
        raise NotFound
    list(User.objects.select_for_update(no_key=True).filter(pk__in=people).order_by("pk").values_list("pk"))


def _lock_title(title_id: int) -> tuple[Order, TitleTransfer]:
    """Both, read under the order's lock. Raises NotFound."""
    order = lock_order(order_id_of(TitleTransfer, title_id))
    title = TitleTransfer.objects.get(pk=title_id)
    title.order = order
    return order, title


def _step(
    title: TitleTransfer, to: str, *, actor: User, now: datetime, reason: str = "", **changes: Any
) -> TitleTransfer:
    require_no_dispute(title.order)
    check_transition(current=title.status, to=to, allowed=TITLE_MOVES)
    _require_sold(title.order)
    for name, value in changes.items():
        setattr(title, name, value)
    move(title, to, actor=actor, now=now, reason=reason, details=_facts(title), **changes)
    return title


def _require_sold(order: Order) -> None:
    """Raises SaleUndone."""
    if order.status in DEAD_ORDER or Invoice.objects.filter(order=order, status=Invoice.Status.VOID).exists():
        raise SaleUndone


def _require_from(title: TitleTransfer, source: str, *, to: str) -> None:
    """Where several statuses may become `to`, and a command is for one of them. Raises InvalidTransition."""
    if title.status != source:
        others = tuple(step for step in TITLE_MOVES.get(title.status, ()) if step != to)
        check_transition(current=title.status, to=to, allowed={title.status: others})


def _facts(title: TitleTransfer) -> Mapping[str, str]:
    """What the notifications say of it."""
    facts = {"lien_holder": title.lien_holder, "tracking_reference": title.tracking_reference}
    return {"due_at": title.due_at.isoformat()} | {name: text for name, text in facts.items() if text}


# --- Late titles


def chase_titles(*, now: datetime) -> SweepResult:
    """Mark the titles that are late, each once and in a transaction of its own; the events tell."""
    return sweep_ids(TitleTransfer.objects.due_to_be_overdue(now), partial(_mark_overdue, now=now))


@transaction.atomic
def _mark_overdue(title_id: int, *, now: datetime) -> bool:
    _lock_title(title_id)
    title = TitleTransfer.objects.due_to_be_overdue(now).filter(pk=title_id).first()
    if title is None:
        return False
    title.overdue_at = now
    title.save(update_fields=["overdue_at", "updated_at"])
    record(title, Subject.TITLE_TRANSFER, old=title.status, new="overdue", actor=None, now=now, details=_facts(title))
    return True
