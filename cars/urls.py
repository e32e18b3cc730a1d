"""The app's routes: `routes` go on the project's one router, `urlpatterns` are the plain views beside it."""

from __future__ import annotations

from django.urls import path

from cars.views.cars import CarViewSet
from cars.views.garage import VehicleViewSet
from cars.views.sync import SyncRunViewSet, SyncSourceViewSet, SyncViewSet
from cars.views.vin import VinDecodeView, VinView

routes: list[tuple[str, type, str]] = [
    ("cars", CarViewSet, "car"),
    ("garage", VehicleViewSet, "vehicle"),
    ("sync", SyncViewSet, "sync"),
    ("sync/runs", SyncRunViewSet, "sync-run"),
    ("sync/sources", SyncSourceViewSet, "sync-source"),
]
urlpatterns: list = [
    path("vin/decode", VinDecodeView.as_view(), name="vin-decode"),
    path("vin/<str:vin>", VinView.as_view(), name="vin"),
]
