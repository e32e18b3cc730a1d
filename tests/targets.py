"""What `{id}` and its like are in the tests that walk all operations: one row of each kind, made for its owner."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts.models import Export, Notification, SellerProfile, User
from cars.models import SyncRun, SyncSource
from tests.factories import CarFactory, VehicleFactory
from tests.parking.factories import LotFactory, ReservationFactory


def _notification(owner: User) -> dict[str, Any]:
    return {"id": Notification.objects.create(user=owner, kind="security", title="Hello").pk}


def _export(owner: User, kind: str = "cars") -> dict[str, Any]:
    now = timezone.now()
    export = Export.objects.create(
        owner=owner, kind=kind, status=Export.Status.READY, file_name=f"{kind}.csv", finished_at=now, expires_at=now
    )
    Export.objects.filter(pk=export.pk).update(expires_at=now.replace(year=now.year + 1))
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


def _reservation(owner: User, **fields: Any) -> dict[str, Any]:
    soon = timezone.now() + timedelta(minutes=10)
    reservation = ReservationFactory(user=owner, lot=LotFactory(), **{"starts_at": soon} | fields)
    return {"id": reservation.pk, "later": (soon + timedelta(days=1)).isoformat()}


def _stay(owner: User) -> dict[str, Any]:
    now = timezone.now()
    return _reservation(owner, status="completed", starts_at=now - timedelta(hours=1), released_at=now, cost=3)


TARGETS: dict[str, Callable[[User], dict[str, Any]]] = {
    "": lambda owner: {},
    "owner": lambda owner: {"id": owner.pk},
    "car": lambda owner: {"id": CarFactory(created_by=owner).pk},
    "make": lambda owner: {"make": CarFactory().make},
    "vin": lambda owner: {"vin": "1HGCM82633A004352"},
    "vehicle": lambda owner: {"id": VehicleFactory(owner=owner).pk},
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
}
