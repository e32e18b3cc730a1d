"""What sellers do with their listings. The moderators' part is in `moderation`, the locks in `states`.

Lock order: user -> listing -> vehicle (docs/locking.md). A listing's seller never changes, so the seller's row can be
locked before the listing's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.models import User
from accounts.services import lock_user
from auctions import caches
from auctions.models import Listing, ListingImage
from auctions.models.listings import KEY_LENGTH, LIVE
from auctions.services.decoding import statements_of
from auctions.services.files import forget_files
from auctions.services.moderation import check_from, check_vehicle, publish, tell_moved
from auctions.services.states import LISTING_MOVES, lock_listing, move_listing, record_listing_event
from cars.models import Vehicle
from cars.services import VinAnswer, VinInUse, check_model_year, register_vehicle, update_vehicle
from common.errors import Conflict, DomainError, Forbidden, SeveralErrors, Unprocessable
from common.text import natural_key
from common.transitions import check_transition

Status = Listing.Status

# What may change while a listing is on the marketplace, and while it is in an auction. A draft may change in
# everything but its VIN, every other listing in nothing.
EDITABLE: Mapping[str, frozenset[str] | None] = {
    Status.DRAFT: None,
    Status.CHANGES_REQUESTED: None,
    Status.ACTIVE: frozenset({"description", "buy_now_price", "reserve_price"}),
    Status.IN_AUCTION: frozenset({"description"}),
}
# Without these nobody can judge an offer; photos are asked for beside them.
REQUIRED = ("year", "make", "model", "mileage", "starting_price", "location_city", "location_state", "title_type")
_OF_VEHICLE = {"year": "year", "make": "make", "model": "model", "trim": "trim", "color": "exterior_color"}


class VehicleListed(Conflict):
    """Of one vehicle there is one listing whose sale is not over; `meta.listing` names it when it is the caller's."""

    code = "vehicle_listed"
    detail = "There is a listing of this vehicle already."


class ListingLocked(Conflict):
    """What may change depends on the status; `meta` names it, the refused `fields` and those `allowed`."""

    code = "listing_locked"
    detail = "This cannot be changed any more."


class PriceOnlyDown(Conflict):
    """On the marketplace the reserve and the price to buy at once may be lowered, and the reserve removed."""

    code = "price_only_down"
    detail = "This price may only be lowered."


class PricesContradict(Unprocessable):
    """Starting price <= reserve < price to buy at once. `code` says which two contradict each other."""


class CurrencyNotSupported(Unprocessable):
    """A deployment trades in one currency."""

    code = "currency_not_supported"


class NameTooLong(Unprocessable):
    """A name within its own bound whose normalised form is not within that of its key."""

    code = "name_too_long"


class Missing(Unprocessable):
    """What a listing needs before it can be submitted."""

    code = "missing"


@transaction.atomic
def create_listing(*, seller: User, data: Mapping[str, Any], decoded: VinAnswer, now: datetime) -> Listing:
    """A draft of the vehicle whose VIN `decoded` is (see `cars.services.decode_vin`, which may call outside: before
    the transaction). What `data` leaves blank is filled from it.

    The vehicle is the one in the seller's garage, or one without an owner, which becomes the seller's on approval; else
    it is registered. Raises VinInUse, VehicleListed, PricesContradict, CurrencyNotSupported, ModelYearTooFar,
    NameTooLong.
    """
    lock_user(seller.pk)
    fields = {"currency": settings.DEFAULT_CURRENCY, **data}
    exempt_reason = fields.pop("vin_exempt_reason", "")
    listing = Listing(**fields | {"seller": seller, "vin": decoded.report.vin})
    for name, value in statements_of(decoded).items():
        if getattr(listing, name) in (None, ""):
            setattr(listing, name, value)
    _check(listing, now=now)
    listing.vehicle = _vehicle_for(listing, exempt_reason=exempt_reason, now=now)
    _refuse_if_listed(listing)
    _save_live(listing)
    record_listing_event(listing, "status", actor=seller, now=now, new=listing.status)
    return listing


@transaction.atomic
def update_listing(*, listing: Listing, actor: User, data: Mapping[str, Any], now: datetime) -> Listing:
    """Change the named fields, as far as the status allows (EDITABLE).

    Raises ListingLocked, PriceOnlyDown, PricesContradict, CurrencyNotSupported, ModelYearTooFar, NameTooLong, NotFound.
    """
    listing = lock_listing(listing.pk)
    changed = {name: value for name, value in data.items() if getattr(listing, name) != value}
    _check_editable(listing, data, changed)
    if not changed:
        return listing
    for name, value in changed.items():
        setattr(listing, name, value)
    _check(listing, now=now)
    listing.save(update_fields=["updated_at", *changed])
    names = ", ".join(sorted(changed))
    record_listing_event(listing, "edited", actor=actor, now=now, reason=f"Changed: {names}.")
    caches.facets.bump_on_commit()
    return listing


@transaction.atomic
def remove_listing(*, listing: Listing, actor: User, now: datetime) -> None:
    """A draft that never was on the marketplace goes, with its history; every other listing is archived, one that
    waits for its review is withdrawn before. Raises InvalidTransition (sold, in an auction, archived already)."""
    listing = lock_listing(listing.pk)
    if listing.status == Status.DRAFT and listing.published_at is None:
        forget_files(listing)
        listing.delete()
        return
    if listing.status == Status.PENDING_REVIEW:
        move_listing(listing, Status.DRAFT, actor=actor, now=now)
    _archive(listing, actor=actor, now=now)


@transaction.atomic
def submit_listing(*, listing: Listing, actor: User, now: datetime) -> Listing:
    """To the moderators, or with LISTING_AUTO_APPROVE straight to the marketplace.

    Raises InvalidTransition, SeveralErrors with all that is missing, VinInUse, VehicleArchived.
    """
    lock_user(listing.seller_id)
    listing = lock_listing(listing.pk)
    check_transition(current=listing.status, to=Status.PENDING_REVIEW, allowed=LISTING_MOVES)
    _check_complete(listing)
    check_vehicle(listing)
    move_listing(listing, Status.PENDING_REVIEW, actor=actor, now=now, submitted_at=now)
    if settings.LISTING_AUTO_APPROVE:
        publish(listing, actor=None, now=now)
    return listing


@transaction.atomic
def withdraw_listing(*, listing: Listing, actor: User, now: datetime) -> Listing:
    """Back from the moderators to the draft. Raises InvalidTransition."""
    listing = lock_listing(listing.pk)
    check_from(listing, Status.PENDING_REVIEW, to=Status.DRAFT)
    move_listing(listing, Status.DRAFT, actor=actor, now=now)
    tell_moved(listing, actor=actor, now=now)
    return listing


@transaction.atomic
def archive_listing(*, listing: Listing, actor: User, now: datetime) -> Listing:
    """Off the marketplace. Raises InvalidTransition, and Forbidden for a seller whose listing is suspended: archived
    and listed anew it would be out of the moderators' hands."""
    listing = lock_listing(listing.pk)
    _archive(listing, actor=actor, now=now)
    tell_moved(listing, actor=actor, now=now)
    return listing


@transaction.atomic
def relist_listing(*, listing: Listing, actor: User, now: datetime) -> Listing:
    """An archived listing is a draft again. Raises InvalidTransition, VehicleListed, VinInUse, VehicleArchived."""
    listing = lock_listing(listing.pk)
    check_from(listing, Status.ARCHIVED, to=Status.DRAFT)
    check_vehicle(listing)
    _refuse_if_listed(listing)
    try:
        with transaction.atomic():
            move_listing(listing, Status.DRAFT, actor=actor, now=now)
    except IntegrityError:
        raise VehicleListed(attr="vin") from None
    tell_moved(listing, actor=actor, now=now)
    return listing


def _archive(listing: Listing, *, actor: User, now: datetime) -> None:
    if listing.status == Status.SUSPENDED and not actor.has_perm("auctions.moderate_listing"):
        raise Forbidden
    move_listing(listing, Status.ARCHIVED, actor=actor, now=now)


def _check_editable(listing: Listing, data: Mapping[str, Any], changed: Mapping[str, Any]) -> None:
    allowed = EDITABLE.get(listing.status, frozenset())
    if allowed is None:
        return
    refused = sorted(changed.keys() - allowed)
    if refused or not allowed:
        facts = {"status": listing.status, "fields": refused or sorted(data), "allowed": sorted(allowed)}
        raise ListingLocked(meta=facts, attr=refused[0] if refused else None)
    for name, code in (("reserve_price", "reserve_only_down"), ("buy_now_price", "buy_now_only_down")):
        if name in changed and not _is_lower(getattr(listing, name), changed[name], removable=name == "reserve_price"):
            raise PriceOnlyDown(attr=name, code=code)


def _is_lower(old: Any, new: Any, *, removable: bool) -> bool:
    if old is None:
        return False
    return removable if new is None else new < old


def _check(listing: Listing, *, now: datetime) -> None:
    check_model_year(listing.year, now=now)
    if listing.currency != settings.DEFAULT_CURRENCY:
        raise CurrencyNotSupported(f"Prices are in {settings.DEFAULT_CURRENCY}.", attr="currency")
    for name in ("make", "model"):
        if len(natural_key(getattr(listing, name))) > KEY_LENGTH:
            raise NameTooLong(f"Written out, this is longer than {KEY_LENGTH} characters.", attr=name)
    start, reserve, buy_now = listing.starting_price, listing.reserve_price, listing.buy_now_price
    if start is not None and reserve is not None and reserve < start:
        raise PricesContradict(
            "The reserve is below the starting price.", code="reserve_below_start", attr="reserve_price"
        )
    if start is not None and buy_now is not None and buy_now < start:
        raise PricesContradict(
            "The price to buy at once is below the starting price.", code="buy_now_below_start", attr="buy_now_price"
        )
    if reserve is not None and buy_now is not None and buy_now <= reserve:
        raise PricesContradict(
            "The price to buy at once has to be above the reserve.",
            code="buy_now_not_above_reserve",
            attr="buy_now_price",
        )


def _check_complete(listing: Listing) -> None:
    missing = [name for name in REQUIRED if getattr(listing, name) in (None, "")]
    if not listing.images.filter(status=ListingImage.Status.READY).exists():
        missing.append("images")
    errors: list[DomainError] = [Missing(f"Missing: {name.replace('_', ' ')}.", attr=name) for name in missing]
    if errors:
        raise SeveralErrors(errors)


def _vehicle_for(listing: Listing, *, exempt_reason: str, now: datetime) -> Vehicle:
    """Whose lock keeps others from listing it, or giving it away, at the same moment."""
    seller = listing.seller
    vehicle = Vehicle.objects.live().select_for_update(of=("self",)).filter(vin=listing.vin).first()
    described = {name: getattr(listing, field) for name, field in _OF_VEHICLE.items()}
    reading = {"mileage": listing.mileage, "mileage_unit": Vehicle.MileageUnit.MILES}
    if vehicle is None:
        data = {"vin": listing.vin, "vin_exempt_reason": exempt_reason, **described, **reading}
        return register_vehicle(owner=seller, actor=seller, data=data, now=now)
    if vehicle.owner_id is None:  # Somebody's, as far as anyone knows: nothing is written to it before the approval.
        return vehicle
    if vehicle.owner_id != seller.pk:
        raise VinInUse(attr="vin")
    blanks = {name: value for name, value in described.items() if value and getattr(vehicle, name) in (None, "")}
    if vehicle.mileage is None and listing.mileage is not None:
        blanks |= reading
    return update_vehicle(vehicle=vehicle, actor=seller, data=blanks, now=now) if blanks else vehicle


def _refuse_if_listed(listing: Listing) -> None:
    same = Q(vehicle_id=listing.vehicle_id) | Q(vin=listing.vin) if listing.vin else Q(vehicle_id=listing.vehicle_id)
    other = Listing.objects.filter(same, status__in=LIVE).exclude(pk=listing.pk).first()
    if other is not None:
        raise VehicleListed(attr="vin", meta={"listing": other.pk} if other.seller_id == listing.seller_id else None)


def _save_live(listing: Listing) -> None:
    """The constraints are the last word on two listings of one vehicle."""
    try:
        with transaction.atomic():
            listing.save()
    except IntegrityError:
        if Listing.objects.live().filter(Q(vehicle_id=listing.vehicle_id) | Q(vin=listing.vin)).exists():
            raise VehicleListed(attr="vin") from None
        raise
