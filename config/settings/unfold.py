"""The admin's look and its sidebar: each link shows only to those who may open it."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _link(title: str, icon: str, model: str) -> dict[str, Any]:
    app, name = model.split(".")

    def allowed(request: HttpRequest) -> bool:
        """The page itself says who may open it."""
        return admin.site.get_model_admin(apps.get_model(model)).has_view_permission(request)

    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{name}_changelist"),
        "permission": allowed,
    }


UNFOLD = {
    "SITE_TITLE": "Forecourt",
    "SITE_HEADER": "Forecourt",
    "SITE_SUBHEADER": "The backend a motor business runs on",
    "SITE_SYMBOL": "directions_car",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("common/favicon.svg")},  # noqa: ARG005
    ],
    "STYLES": [lambda request: static("common/admin.css")],  # noqa: ARG005
    "DASHBOARD_CALLBACK": "common.dashboard.fill_home",
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 230)",
            "100": "oklch(94% .03 230)",
            "200": "oklch(89% .06 230)",
            "300": "oklch(81% .1 232)",
            "400": "oklch(72% .13 235)",
            "500": "oklch(64% .15 240)",
            "600": "oklch(55% .16 245)",
            "700": "oklch(48% .14 247)",
            "800": "oklch(42% .11 248)",
            "900": "oklch(37% .09 250)",
            "950": "oklch(28% .07 252)",
        },
    },
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            {
                "title": "Workshop",
                "items": [
                    _link("Tickets", "build", "workshop.serviceticket"),
                    _link("Jobs", "checklist", "workshop.job"),
                    _link("Estimate links", "outgoing_mail", "workshop.estimatelink"),
                    _link("Customers", "contacts", "workshop.customer"),
                    _link("Mechanics", "engineering", "workshop.mechanic"),
                    _link("Clocks", "timer", "workshop.timeentry"),
                    _link("Invoices", "receipt_long", "workshop.invoice"),
                    _link("Payments", "payments", "workshop.payment"),
                    _link("Credit notes", "undo", "workshop.creditnote"),
                ],
            },
            {
                "title": "Stock",
                "items": [
                    _link("Parts", "inventory_2", "workshop.part"),
                    _link("Movements", "swap_vert", "workshop.stockmovement"),
                    _link("Low stock", "warning", "workshop.lowstockalert"),
                    _link("Purchase orders", "local_shipping", "workshop.purchaseorder"),
                    _link("Suppliers", "factory", "workshop.supplier"),
                    _link("Audits", "fact_check", "workshop.stockaudit"),
                ],
            },
            {
                "title": "Catalogue",
                "items": [
                    _link("Products", "sell", "workshop.product"),
                    _link("Price proposals", "price_change", "workshop.priceproposal"),
                ],
            },
            {
                "title": "Parking",
                "items": [
                    _link("Lots", "local_parking", "parking.lot"),
                    _link("Spots", "grid_view", "parking.spot"),
                    _link("Reservations", "event_seat", "parking.reservation"),
                    _link("Stays paid", "point_of_sale", "parking.parkingpayment"),
                    _link("Plate checks", "search", "parking.platecheck"),
                ],
            },
            {
                "title": "Auctions",
                "items": [
                    _link("Auctions", "gavel", "auctions.auction"),
                    _link("Listings", "directions_car", "auctions.listing"),
                    _link("Bids", "front_hand", "auctions.bid"),
                    _link("Fee schedules", "percent", "auctions.feeschedule"),
                    _link("Increment tables", "stairs", "auctions.incrementtable"),
                    _link("Log", "history_edu", "auctions.auctionlogentry"),
                    _link("Events", "campaign", "auctions.auctionevent"),
                    _link("Watched", "visibility", "auctions.watch"),
                    _link("Saved searches", "saved_search", "auctions.savedsearch"),
                    _link("Matches", "join_inner", "auctions.searchmatch"),
                    _link("Uploads", "upload_file", "auctions.upload"),
                ],
            },
            {
                "title": "Sales",
                "items": [
                    _link("Orders", "handshake", "auctions.order"),
                    _link("Offers", "local_offer", "auctions.offer"),
                    _link("Invoices", "receipt_long", "auctions.invoice"),
                    _link("Payments", "payments", "auctions.payment"),
                    _link("Refunds", "undo", "auctions.refund"),
                    _link("Credit notes", "assignment_return", "auctions.creditnote"),
                    _link("Payouts", "account_balance", "auctions.payout"),
                    _link("Titles", "description", "auctions.titletransfer"),
                    _link("Title deadlines", "event", "auctions.titledeadline"),
                    _link("Transports", "local_shipping", "auctions.transportorder"),
                    _link("Gate passes", "door_open", "auctions.gatepass"),
                    _link("Events", "campaign", "auctions.settlementevent"),
                    _link("Webhooks", "webhook", "auctions.webhookevent"),
                    _link("Ledger audits", "fact_check", "auctions.ledgeraudit"),
                ],
            },
            {
                "title": "Cars",
                "items": [
                    _link("Registry", "directions_car", "cars.car"),
                    _link("Vehicles", "garage", "cars.vehicle"),
                    _link("Timeline", "timeline", "cars.vehicleevent"),
                    _link("VIN decodes", "pin", "cars.vindecode"),
                ],
            },
            {
                "title": "Sync",
                "items": [
                    _link("Runs", "sync", "cars.syncrun"),
                    _link("Issues", "report", "cars.syncissue"),
                    _link("Sources", "hub", "cars.syncsource"),
                    _link("Suppressed records", "block", "cars.syncsuppression"),
                ],
            },
            {
                "title": "People",
                "items": [
                    _link("Users", "person", "accounts.user"),
                    _link("Roles", "badge", "auth.group"),
                    _link("Sellers", "storefront", "accounts.sellerprofile"),
                    _link("Sign-ins", "key", "accounts.tokenfamily"),
                    _link("API keys", "vpn_key", "accounts.apikey"),
                    _link("Failed sign-ins", "lock_clock", "accounts.logincounter"),
                ],
            },
            {
                "title": "Operations",
                "items": [
                    _link("Schedules", "schedule", "django_celery_beat.periodictask"),
                    _link("Heartbeats", "monitor_heart", "accounts.heartbeat"),
                    _link("Notifications", "mail", "accounts.notification"),
                    _link("Preferences", "tune", "accounts.notificationpreference"),
                    _link("Exports", "download", "accounts.export"),
                    _link("Changes in the admin", "history", "admin.logentry"),
                ],
            },
        ],
    },
}
