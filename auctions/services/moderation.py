"""What moderators do with listings, and what their sellers are told of it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.models import User
from accounts.notifications import notify
from accounts.registry import NotificationKind, notification_kinds
from accounts.services import lock_user
from auctions.models import Listing
from auctions.services.auctions import cancel_open_auction
from auctions.services.states import LISTING_MOVES, lock_listing, move_listing
from cars.models import Vehicle, VehicleEvent
from cars.services import VinInUse, record_event, transfer_vehicle
from common.doorbell import ring_on_commit
from common.errors import Conflict
from common.transitions import check_transition

Status = Listing.Status
APPROVED, REJECTED = "listing_approved", "listing_rejected"
CHANGES_REQUESTED, MOVED = "listing_changes_requested", "listing_moved"
LABELS = {
    APPROVED: "A listing of yours is on the marketplace",
    REJECTED: "A listing of yours was rejected",
    CHANGES_REQUESTED: "A listing of yours needs changes",
    MOVED: "A moderator changed the status of a listing of yours",
}


class VehicleArchived(Conflict):
    """Its owner took the vehicle out of the garage after it was listed."""

    code = "vehicle_archived"
    detail = "The vehicle is not in the garage any more. List it anew."


def register_kinds() -> None:
    """Called once the apps are ready."""
    for kind, label in LABELS.items():
        notification_kinds.register(kind, NotificationKind(label=label))


@transaction.atomic
def approve_listing(*, listing: Listing, actor: User, now: datetime) -> Listing:
    """To the marketplace. Raises InvalidTransition, VinInUse, VehicleArchived."""
    lock_user(listing.seller_id)
    listing = lock_listing(listing.pk)
    publish(listing, actor=actor, now=now)
    return listing


@transaction.atomic
def reject_listing(*, listing: Listing, actor: User, reason: str, now: datetime) -> Listing:
    """For good, though it may be archived and listed anew. Raises InvalidTransition."""
    listing = lock_listing(listing.pk)
    move_listing(listing, Status.REJECTED, actor=actor, now=now, reason=reason)
    _tell(listing, REJECTED, f"Your listing {listing} was rejected", reason, now=now)
    return listing


@transaction.atomic
def request_changes(*, listing: Listing, actor: User, reason: str, now: datetime) -> Listing:
    """Back to the seller, who may submit it again. Raises InvalidTransition."""
    listing = lock_listing(listing.pk)
    move_listing(listing, Status.CHANGES_REQUESTED, actor=actor, now=now, reason=reason)
    _tell(listing, CHANGES_REQUESTED, f"Your listing {listing} needs changes", reason, now=now)
    return listing


@transaction.atomic
def suspend_listing(*, listing: Listing, actor: User, now: datetime, reason: str = "") -> Listing:
    """Off the marketplace until a moderator decides; an open auction is cancelled. Raises InvalidTransition, and
    AuctionEnded when the auction's end has come: then its result stands."""
    listing = lock_listing(listing.pk)
    check_transition(current=listing.status, to=Status.SUSPENDED, allowed=LISTING_MOVES)
    cancel_open_auction(listing=listing, actor=actor, reason=reason or "The listing was suspended.")
    move_listing(listing, Status.SUSPENDED, actor=actor, now=now, reason=reason)
    tell_moved(listing, actor=actor, now=now, reason=reason)
    return listing


@transaction.atomic
def unsuspend_listing(*, listing: Listing, actor: User, now: datetime) -> Listing:
    """Back to the marketplace, to its old place in the list. Raises InvalidTransition."""
    listing = lock_listing(listing.pk)
    check_from(listing, Status.SUSPENDED, to=Status.ACTIVE)
    move_listing(listing, Status.ACTIVE, actor=actor, now=now)
    tell_moved(listing, actor=actor, now=now)
    return listing


def publish(listing: Listing, *, actor: User | None, now: datetime) -> None:
    """A locked listing, whose seller's row is locked too, goes on the marketplace: a vehicle without an owner becomes
    the seller's, the timeline and the seller are told, and the saved searches are asked. Raises InvalidTransition,
    VinInUse, VehicleArchived."""
    check_from(listing, Status.PENDING_REVIEW, to=Status.ACTIVE)
    vehicle = check_vehicle(listing)
    if vehicle.owner_id is None:
        reference = f"listing:{listing.pk}"
        vehicle = transfer_vehicle(vehicle=vehicle, new_owner=listing.seller, actor=actor, now=now, reference=reference)
    listing.vehicle = vehicle
    move_listing(listing, Status.ACTIVE, actor=actor, now=now, published_at=now, matched_at=None)
    record_event(
        vehicle=vehicle,
        kind=VehicleEvent.Kind.LISTED,
        actor=actor,
        at=now,
        reference=f"listing:{listing.pk}",
        public_summary="Offered for sale.",
    )
    _tell(listing, APPROVED, f"Your listing {listing} is on the marketplace", "Everybody can see it now.", now=now)
    ring_on_commit("auctions.tasks.match_searches")


def check_from(listing: Listing, source: str, *, to: str) -> None:
    """Where several statuses may become `to`, and a command is for one of them. Raises InvalidTransition."""
    if listing.status != source:
        others = tuple(move for move in LISTING_MOVES.get(listing.status, ()) if move != to)
        check_transition(current=listing.status, to=to, allowed={listing.status: others})


def check_vehicle(listing: Listing) -> Vehicle:
    """The vehicle, locked until the transaction's end: it must be the seller's, or nobody's, and in the garage. Raises
    VinInUse, VehicleArchived."""
    vehicle = Vehicle.objects.select_for_update(of=("self",)).get(pk=listing.vehicle_id)
    if vehicle.archived_at is not None:
        raise VehicleArchived
    if vehicle.owner_id not in (None, listing.seller_id):
        raise VinInUse(attr="vin")
    return vehicle


def tell_moved(listing: Listing, *, actor: User, now: datetime, reason: str = "") -> None:
    """The seller is told what somebody else did."""
    if actor.pk != listing.seller_id:
        words = Status(listing.status).label.lower()
        _tell(listing, MOVED, f"Your listing {listing} is now: {words}", reason, now=now)


def _tell(listing: Listing, kind: str, title: str, body: str, *, now: datetime) -> None:
    notify(user=listing.seller, kind=kind, title=title, body=body, data={"listing": listing.pk}, now=now)
