"""What `{id}` and its like are in the tests that walk all operations: one row of each kind, made for its owner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts.models import Export, Notification, SellerProfile, User
from cars.models import SyncRun, SyncSource
from tests.factories import CarFactory, VehicleFactory


def _notification(owner: User) -> dict[str, Any]:
    return {"id": Notification.objects.create(user=owner, kind="security", title="Hello").pk}


def _export(owner: User) -> dict[str, Any]:
    now = timezone.now()
    export = Export.objects.create(
        owner=owner, kind="cars", status=Export.Status.READY, file_name="cars.csv", finished_at=now, expires_at=now
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


TARGETS: dict[str, Callable[[User], dict[str, Any]]] = {
    "": lambda owner: {},
    "owner": lambda owner: {"id": owner.pk},
    "car": lambda owner: {"id": CarFactory(created_by=owner).pk},
    "make": lambda owner: {"make": CarFactory().make},
    "vin": lambda owner: {"vin": "1HGCM82633A004352"},
    "vehicle": lambda owner: {"id": VehicleFactory(owner=owner).pk},
    "notification": _notification,
    "export": _export,
    "seller_profile": _seller_profile,
    "sync_run": _sync_run,
    "source": _source,
}
