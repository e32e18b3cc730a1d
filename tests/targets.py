"""What `{id}` and its like are in the tests that walk all operations: one row of each kind, made for its owner."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts.api_keys import create_api_key
from accounts.models import ApiKey, Export, Notification, SellerProfile, User
from auctions.fees import DEFAULT_SCHEDULE
from auctions.increments import DEFAULT_TIERS
from auctions.models import Auction, FeeSchedule, IncrementTable, Refund, SavedSearch
from auctions.services.auctions import pause_auction
from auctions.services.bids import place_bid
from auctions.services.documents import address_of
from auctions.services.orders import dispute_order
from cars.models import SyncRun, SyncSource
from tests.auctions.deliveries import pass_for, title_of, transport_of
from tests.auctions.factories import AuctionFactory, ListingFactory, OfferFactory, OrderFactory, PaymentFactory
from tests.auctions.invoices import credited, issued
from tests.auctions.listings import complete_listing
from tests.auctions.orders import delivered_order, paid_order
from tests.auctions.paying import invoice_for
from tests.auctions.refunding import approved, paid, requested
from tests.auctions.uploading import PDF, added_document, added_image, photo, uploaded
from tests.factories import CarFactory, VehicleFactory
from tests.parking.factories import LotFactory, ReservationFactory
from tests.workshop.estimates import jobs_of, sent_estimate
from tests.workshop.factories import (
    CustomerFactory,
    FeeLineFactory,
    JobFactory,
    LabourLineFactory,
    MechanicFactory,
    PartFactory,
    PartLineFactory,
    ProductFactory,
    SupplierFactory,
    TicketFactory,
)
from tests.workshop.invoices import completed_ticket, credited_invoice, issued_invoice, line_of
from workshop.models import PriceProposal, PurchaseOrder, PurchaseOrderLine
from workshop.services import estimates


def _notification(owner: User) -> dict[str, Any]:
    return {"id": Notification.objects.create(user=owner, kind="security", title="Hello").pk}


def _api_key(owner: User) -> dict[str, Any]:
    return {"id": create_api_key(user=owner, name=f"Screen {ApiKey.objects.count()}", now=timezone.now())[0].pk}


def _export(owner: User, kind: str = "cars") -> dict[str, Any]:
    now = timezone.now()
    export = Export.objects.create(
        owner=owner, kind=kind, status=Export.Status.READY, file_name=f"{kind}.csv", finished_at=now, expires_at=now
    )
    Export.objects.filter(pk=export.pk).update(expires_at=now + timedelta(days=365))
    Path(settings.EXPORT_FOLDER).mkdir(parents=True, exist_ok=True)
    (Path(settings.EXPORT_FOLDER) / f"{export.pk}.{export.attempts}.csv").write_text("make\r\n")
    return {"id": str(export.pk)}


def _seller_profile(owner: User) -> dict[str, Any]:
    profile = SellerProfile.objects.create(user=owner, business_name="Cars", dealer_license_number="1", tax_id="2")
    return {"id": profile.pk}


def _sync_run(owner: User) -> dict[str, Any]:
    run = SyncRun.objects.create(source="cars", provider="file", trigger=SyncRun.Trigger.USER, triggered_by=owner)
    return {"id": run.pk}


def _source(owner: User) -> dict[str, Any]:
    return {"name": SyncSource.objects.get_or_create(name="cars")[0].name}


def _purchase_order(status: str) -> dict[str, Any]:
    """`lines` and `supplier` make another one, `arrivals` are a delivery."""
    part = PartFactory()
    order = PurchaseOrder.objects.create(supplier=SupplierFactory(), status=status)
    line = PurchaseOrderLine.objects.create(order=order, part=part, quantity=2, unit_cost=6)
    return {
        "id": order.pk,
        "supplier": SupplierFactory().pk,
        "lines": [{"part": part.pk, "quantity": "3"}],
        "arrivals": [{"line": line.pk, "quantity": "1"}],
    }


def _estimate(owner: User) -> dict[str, Any]:
    """One that the ticket's customer was sent; `decisions` answer a part of it."""
    link = sent_estimate(customer__user=owner, actor=owner)
    decisions = [{"job": jobs_of(link)[0].pk, "decision": "authorise"}]
    return {"id": link.ticket_id, "token": estimates.token_of(link), "decisions": decisions}


def _workshop_customer(owner: User) -> dict[str, Any]:
    return {"id": CustomerFactory(user=owner, email=owner.email).pk, "email": owner.email}


def _workshop_mechanic(owner: User) -> dict[str, Any]:
    mechanic = MechanicFactory()
    return {"id": mechanic.pk, "user": mechanic.user_id}


def _invoice(owner: User) -> dict[str, Any]:
    invoice = issued_invoice(actor=owner, customer__user=owner)
    return {"id": invoice.pk, "lines": [{"line": line_of(invoice, "part").pk, "quantity": "1"}]}


def _credit_note(owner: User) -> dict[str, Any]:
    return {"id": credited_invoice(actor=owner, customer__user=owner).credit_notes.get().pk}


def _ticket(**fields: Any) -> Callable[[User], dict[str, Any]]:
    """The owner's, ready to be completed but for its status."""

    def make(owner: User) -> dict[str, Any]:
        mechanic = MechanicFactory()
        ticket = TicketFactory(customer__user=owner, mechanics=[mechanic], odometer_out=9, **fields)
        return {"id": ticket.pk, "mechanics": [mechanic.pk]}

    return make


def _job(state: str, *names: str) -> Callable[[User], dict[str, Any]]:
    """One of the owner's with a line of each kind; `names` are those of its facts that stand in the path."""

    def make(owner: User) -> dict[str, Any]:
        job = JobFactory(ticket__customer__user=owner, state=state)
        labour, part, fee = LabourLineFactory(job=job), PartLineFactory(job=job), FeeLineFactory(job=job)
        facts = {
            "job": ("id", job.pk),
            "of_job": ("job_pk", job.pk),
            "of_ticket": ("ticket_pk", job.ticket_id),
            "labour": ("id", labour.pk),
            "part": ("id", part.pk),
            "fee": ("id", fee.pk),
        }
        body = {"mechanic": labour.mechanic_id, "part": part.part_id}
        return dict(facts[name] for name in names) | body

    return make


_SHOWN = "authorisation_required"


def _reservation(owner: User, **fields: Any) -> dict[str, Any]:
    soon = timezone.now() + timedelta(minutes=10)
    reservation = ReservationFactory(user=owner, lot=LotFactory(), **{"starts_at": soon} | fields)
    return {"id": reservation.pk, "later": (soon + timedelta(days=1)).isoformat()}


def _stay(owner: User) -> dict[str, Any]:
    now = timezone.now()
    return _reservation(owner, status="completed", starts_at=now - timedelta(hours=1), released_at=now, cost=3)


def _saved_search(owner: User) -> dict[str, Any]:
    return {"id": SavedSearch.objects.create(user=owner, name="Hondas").pk}


def _active_listing(owner: User) -> dict[str, Any]:
    now = timezone.now()
    # A long run's present must not overtake it.
    times = {"begin": (now + timedelta(days=1)).isoformat(), "end": (now + timedelta(days=2)).isoformat()}
    return {"id": ListingFactory(seller=owner).pk} | times


def _fee_schedule(owner: User) -> dict[str, Any]:
    """One that is still to come."""
    begin = timezone.now() + timedelta(days=30)
    return {"id": FeeSchedule.objects.create(name=f"Spring {owner.pk}", **DEFAULT_SCHEDULE, valid_from=begin).pk}


def _increment_table(owner: User) -> dict[str, Any]:
    return {"id": IncrementTable.objects.create(name=f"Trucks {owner.pk}", tiers=DEFAULT_TIERS).pk}


def _auction(owner: User, **fields: Any) -> dict[str, Any]:
    return {"id": AuctionFactory(listing=ListingFactory(seller=owner), **fields).pk}


def _paused_auction(owner: User) -> dict[str, Any]:
    facts = _auction(owner)
    pause_auction(auction_id=facts["id"], actor=owner, reason="A pause.")
    return facts


def _own_bid(owner: User) -> dict[str, Any]:
    """The owner's, in an auction that ends late enough to retract it."""
    facts = _auction_to_bid_in(owner)
    tomorrow = timezone.now() + timedelta(days=1)
    Auction.objects.filter(pk=facts["id"]).update(ends_at=tomorrow, original_ends_at=tomorrow)
    return {"id": str(place_bid(user_id=owner.pk, auction_id=facts["id"], amount=Decimal(1500)).bid)}


def _may_bid(owner: User) -> None:
    owner.identity_verified_at, owner.payment_provider = timezone.now(), "sandbox"
    owner.payment_reference, owner.payment_last4 = "pm_1", "4242"
    owner.save()


def _auction_to_bid_in(owner: User) -> dict[str, Any]:
    """Somebody else's; its owner here is the one person who may bid."""
    _may_bid(owner)
    auction = AuctionFactory(buy_now_price=Decimal("8000.00"))
    return {"id": auction.pk, "auction_pk": auction.pk}


def _photo(owner: User) -> dict[str, Any]:
    """Of a draft; `new_image` is the key of another file that has arrived."""
    listing = ListingFactory(seller=owner, status="draft")
    image = added_image(listing)
    return {
        "vehicle_pk": listing.pk,
        "id": str(image.pk),
        "order": [str(image.pk)],
        "new_image": uploaded(listing, photo()).key,
    }


def _paper(owner: User) -> dict[str, Any]:
    listing = ListingFactory(seller=owner, status="draft")
    key = uploaded(listing, PDF, content_type="application/pdf", purpose="document").key
    return {"vehicle_pk": listing.pk, "id": str(added_document(listing).pk), "new_document": key}


def _signed_file(owner: User) -> dict[str, Any]:
    document = added_document(ListingFactory(seller=owner, status="draft"))
    tomorrow = timezone.now() + timedelta(days=1)  # An address lives for five minutes, a fuzz run longer.
    return {"token": address_of(document=document, now=tomorrow).url.rpartition("/")[2]}


def _disputed_order(owner: User) -> dict[str, Any]:
    order = paid_order(buyer=owner)
    dispute_order(order_id=order.pk, actor=owner, reason="Another engine.", now=timezone.now())
    return {"id": order.pk}


def _failed_refund(owner: User) -> dict[str, Any]:
    refund = approved(paid(provider="sandbox", buyer=owner))
    Refund.objects.filter(pk=refund.pk).update(status=Refund.Status.FAILED, attempt=1)
    return {"id": refund.pk}


def _title(status: str) -> Callable[[User], dict[str, Any]]:
    """Of an order that the owner has paid."""
    return lambda owner: {"id": title_of(paid_order(buyer=owner), status).pk}


def _transport(status: str) -> Callable[[User], dict[str, Any]]:
    return lambda owner: {"id": transport_of(OrderFactory(buyer=owner), status).pk}


def _gate_pass(owner: User) -> dict[str, Any]:
    order = paid_order(buyer=owner)
    return {"id": order.pk, "code": pass_for(order).code}


def _listing_to_offer_for(owner: User) -> dict[str, Any]:
    _may_bid(owner)
    return {"listing": ListingFactory().pk}


TARGETS: dict[str, Callable[[User], dict[str, Any]]] = {
    "": lambda owner: {},
    "owner": lambda owner: {"id": owner.pk},
    "car": lambda owner: {"id": CarFactory(created_by=owner).pk},
    "make": lambda owner: {"make": CarFactory().make},
    "vin": lambda owner: {"vin": "1HGCM82633A004352"},
    "vehicle": lambda owner: {"id": VehicleFactory(owner=owner).pk},
    "api_key": _api_key,
    "notification": _notification,
    "export": _export,
    "parking_export": lambda owner: _export(owner, "parking"),
    "seller_profile": _seller_profile,
    "lot": lambda owner: {"id": LotFactory().pk},
    "reservation": _reservation,
    "parked": lambda owner: _reservation(owner, status="active", starts_at=timezone.now() - timedelta(hours=1)),
    "stay": _stay,
    "spot": lambda owner: {"id": LotFactory().spots.first().pk},
    "sync_run": _sync_run,
    "source": _source,
    "workshop_customer": _workshop_customer,
    "workshop_mechanic": _workshop_mechanic,
    "supplier": lambda owner: {"id": SupplierFactory().pk},
    "purchase_order": lambda owner: _purchase_order("draft"),
    "sent_purchase_order": lambda owner: _purchase_order("sent"),
    "estimate": _estimate,
    "part": lambda owner: {"id": PartFactory().pk},
    "product": lambda owner: {"id": ProductFactory(sku="WAX-1").pk},
    "price_proposal": lambda owner: {
        "id": PriceProposal.objects.create(product=ProductFactory(), old_price="10.00", new_price="20.00").pk
    },
    "stocked_part": lambda owner: {"id": PartFactory(on_hand=5).pk},
    "completed_ticket": lambda owner: {"id": completed_ticket(customer__user=owner).pk},
    "invoice": _invoice,
    "refundable_invoice": lambda owner: {"id": credited_invoice(actor=owner, customer__user=owner).pk},
    "credit_note": _credit_note,
    "ticket": _ticket(),
    "authorised_ticket": _ticket(status="authorised"),
    "ticket_on_hold": _ticket(status="on_hold", hold_reason="customer", held_from="in_progress"),
    "ticket_in_progress": _ticket(status="in_progress"),
    "ticket_in_review": _ticket(status="review"),
    "jobs": _job(_SHOWN, "of_ticket"),
    "job": _job(_SHOWN, "job"),
    "authorised_job": _job("authorised", "job"),
    "labour_lines": _job(_SHOWN, "of_job"),
    "part_lines": _job(_SHOWN, "of_job"),
    "fee_lines": _job(_SHOWN, "of_job"),
    "labour_line": _job(_SHOWN, "of_job", "labour"),
    "part_line": _job(_SHOWN, "of_job", "part"),
    "fee_line": _job(_SHOWN, "of_job", "fee"),
    "active_listing": _active_listing,
    "fee_schedule": _fee_schedule,
    "increment_table": _increment_table,
    "draft_listing": lambda owner: {"id": complete_listing(seller=owner).pk},
    "pending_listing": lambda owner: {"id": ListingFactory(seller=owner, status="pending_review").pk},
    "archived_listing": lambda owner: {"id": ListingFactory(seller=owner, status="archived").pk},
    "suspended_listing": lambda owner: {"id": ListingFactory(seller=owner, status="suspended").pk},
    "saved_search": _saved_search,
    "photo": _photo,
    "paper": _paper,
    "signed_file": _signed_file,
    "auction": _auction,
    "auction_to_bid_in": _auction_to_bid_in,
    "reserved_auction": lambda owner: _auction(owner, reserve_price=Decimal("5000.00")),
    "paused_auction": _paused_auction,
    "own_bid": _own_bid,
    "order": lambda owner: {"id": OrderFactory(buyer=owner).pk},
    "paid_order": lambda owner: {"id": paid_order(buyer=owner).pk},
    "disputed_order": _disputed_order,
    "delivered_order": lambda owner: {"id": delivered_order(buyer=owner).pk},
    "money_in": lambda owner: {"id": paid(buyer=owner).pk},
    "refund": lambda owner: {"id": requested(paid(buyer=owner)).pk},
    "failed_refund": _failed_refund,
    "payout": lambda owner: {"id": delivered_order(listing__seller=owner).payout.pk},
    "title": _title("awaiting_seller_documents"),
    "received_title": _title("received"),
    "reviewed_title": _title("under_review"),
    "title_with_lien": _title("lien_pending"),
    "ready_title": _title("ready"),
    "sent_title": _title("sent"),
    "transport": _transport("quote_requested"),
    "quoted_transport": _transport("quoted"),
    "assigned_transport": _transport("assigned"),
    "picked_up_transport": _transport("picked_up"),
    "departed_transport": _transport("in_transit"),
    "gate_pass": _gate_pass,
    "report": lambda owner: {"name": "sell-through"},
    "listing_to_offer_for": _listing_to_offer_for,
    "offer_to_decide": lambda owner: {"id": OfferFactory(listing=ListingFactory(seller=owner)).pk},
    "own_offer": lambda owner: {"id": OfferFactory(buyer=owner).pk},
    "sale_invoice": lambda owner: {"id": issued(buyer=owner).pk},
    "sale_credit_note": lambda owner: {"id": credited(issued(buyer=owner), "100.00").pk},
    "order_to_pay": lambda owner: {"id": invoice_for(owner).order_id},
    "sale_payment": lambda owner: {"id": PaymentFactory(order=invoice_for(owner).order).pk},
    "webhook": lambda owner: {"provider": "sandbox"},
}
