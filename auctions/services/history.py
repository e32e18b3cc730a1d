"""What everybody may know of the past of a vehicle that is for sale."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from auctions.models import Listing, Order
from cars.services import History, VinStatement, read_public_history, state_vin


@dataclass(frozen=True, slots=True)
class PublicHistory:
    """`history` is None unless it is the seller's to share and they do. `sale_price` is that of an auction, which was
    public; what a buyer offered is between the parties."""

    listing: Listing
    vin_decode: VinStatement | None
    history: History | None
    sale_price: Decimal | None
    issued_at: datetime

    @property
    def shared(self) -> bool:
        return self.history is not None


def read_history(*, listing: Listing, now: datetime) -> PublicHistory:
    """A listing's public history, the same for whoever asks. Reads the vehicle's history by four statements if it is
    shared, the order of a sold listing, and a remembered answer about the VIN when there is an outside provider."""
    return PublicHistory(
        listing=listing,
        vin_decode=state_vin(
            vin=listing.vin,
            exempt_reason=listing.vehicle.vin_exempt_reason,
            make=listing.make,
            year=listing.year,
            now=now,
        ),
        history=read_public_history(vehicle=listing.vehicle) if listing.is_history_shared else None,
        sale_price=_sale_price(listing),
        issued_at=now,
    )


def _sale_price(listing: Listing) -> Decimal | None:
    if listing.status != Listing.Status.SOLD:
        return None
    sold = Order.objects.live().filter(listing=listing, auction__isnull=False, offer__isnull=True)
    return sold.values_list("hammer_price", flat=True).first()
