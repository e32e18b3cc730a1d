"""Roles are Django groups with model permissions. The apps' data migrations make them, staff edit them in the
admin; views ask for permissions and never for a group's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.management import create_permissions


def _views_of(app: str, *models: str) -> list[str]:
    return [f"{app}.view_{model}" for model in models]


def _all_of(app: str, *models: str) -> list[str]:
    return [f"{app}.{verb}_{model}" for model in models for verb in ("add", "change", "delete", "view")]


# Name -> permissions of all apps, also of those that come later. Membership of any of these groups lets a
# person enter the admin (`User.is_staff`).
ROLES: dict[str, list[str]] = {
    "mechanic": ["workshop.view_part"],
    "service_advisor": [
        "cars.add_vehicle",
        "cars.change_vehicle",
        "cars.delete_vehicle",
        "cars.reassign_vehicle",
        "cars.view_vehicle",
        *_all_of("workshop", "customer", "mechanic", "part", "product", "purchaseorder", "serviceticket", "supplier"),
        *_views_of("workshop", "creditnote", "delivery", "estimatelink", "invoice", "job", "lowstockalert", "payment"),
        *_views_of("workshop", "priceproposal", "stockaudit", "stockmovement", "ticketevent", "timeentry"),
        "workshop.add_creditnote",
        "workshop.add_invoice",
        "workshop.add_payment",
        "workshop.adopt_product",
        "workshop.decide_priceproposal",
        "workshop.move_stock",
        "workshop.view_costs",
        "workshop.view_rates",
    ],
    "parking_manager": [
        *_all_of("parking", "lot"),
        *_views_of("parking", "parkingpayment", "platecheck", "rate", "reservation", "reservationevent", "spot"),
        "parking.add_parkingpayment",
        "parking.change_reservation",
        "parking.change_spot",
        "parking.check_plate",
        "parking.force_release",
        "auctions.use_gatepass",
    ],
    "parking_attendant": [
        *_views_of("parking", "reservation", "spot"),
        "parking.add_parkingpayment",
        "parking.check_plate",
        "parking.force_release",
        "auctions.use_gatepass",
    ],
    "moderator": [
        "accounts.approve_sellerprofile",
        "accounts.verify_identity",
        "accounts.view_sellerprofile",
        *_all_of("auctions", "incrementtable"),
        *_views_of("auctions", "auction", "auctionbidder", "auctionevent", "auctionlogentry", "bid", "listing"),
        *_views_of("auctions", "listingdocument", "listingevent", "listingimage", "offer", "order", "savedsearch"),
        *_views_of("auctions", "settlementevent", "watch"),
        "auctions.audit_auction",
        "auctions.change_listing",
        "auctions.moderate_auction",
        "auctions.moderate_listing",
        "auctions.read_sales_reports",
    ],
    "finance": [
        *_views_of("workshop", "creditnote", "customer", "invoice", "payment", "serviceticket"),
        "workshop.add_creditnote",
        "workshop.add_invoice",
        "workshop.add_payment",
        "workshop.view_costs",
        *_all_of("auctions", "feeschedule"),
        *_all_of("auctions", "titledeadline"),
        *_views_of("auctions", "auction", "creditnote", "gatepass", "incrementtable", "invoice", "ledgeraudit"),
        *_views_of("auctions", "listing", "offer", "order", "payment", "payout", "refund", "settlementevent"),
        *_views_of("auctions", "titletransfer", "transportorder", "webhookevent"),
        "auctions.add_invoice",
        "auctions.add_payment",
        "auctions.add_refund",
        "auctions.change_order",
        "auctions.change_payout",
        "auctions.change_titletransfer",
        "auctions.change_transportorder",
        "auctions.decide_refund",
        "auctions.read_sales_reports",
        "auctions.use_gatepass",
    ],
}


def granting(app_label: str, *codenames: str) -> Callable[[Any, Any], None]:
    """Code for `migrations.RunPython`: makes the groups and gives them what `ROLES` says of one app.

    With `codenames` only these, so that a later migration does not give back what staff took away. The
    migration must depend on the app's models and on accounts' `0002_roles`. Permissions that do not exist at
    that point of the history are left to the migration that brings them.
    """

    def forwards(apps: Any, schema_editor: Any) -> None:
        permissions = _permissions_of(apps, app_label, schema_editor.connection.alias)
        groups = apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias)
        for role, names in ROLES.items():
            group, _ = groups.get_or_create(name=role)
            wanted = [name.partition(".")[2] for name in names if name.startswith(f"{app_label}.")]
            chosen = [name for name in wanted if name in permissions and (not codenames or name in codenames)]
            group.permissions.add(*(permissions[name] for name in chosen))

    return forwards


def _permissions_of(apps: Any, app_label: str, using: str) -> dict[str, Any]:
    """Codename -> permission. Django makes permissions after all migrations; here they are needed before."""
    app_config = apps.get_app_config(app_label)
    app_config.models_module = True  # A historical app has none, and without it nothing is created.
    create_permissions(app_config, verbosity=0, interactive=False, using=using, apps=apps)
    app_config.models_module = None
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    return {row.codename: row for row in permissions.filter(content_type__app_label=app_label)}
