"""The app's routes: `routes` go on the project's one router, `urlpatterns` are the plain views beside it under
`/api/`."""

from __future__ import annotations

from parking.views.exports import ParkingExportViewSet
from parking.views.lots import LotViewSet, SpotViewSet
from parking.views.plate_checks import PlateCheckViewSet
from parking.views.reservations import ReservationViewSet
from parking.views.stats import StatisticsViewSet

routes: list[tuple[str, type, str]] = [
    ("parking/lots", LotViewSet, "lot"),
    ("parking/spots", SpotViewSet, "spot"),
    ("parking/reservations", ReservationViewSet, "parking-reservation"),
    ("parking/exports", ParkingExportViewSet, "parking-export"),
    ("parking/stats", StatisticsViewSet, "parking-stats"),
    ("parking", PlateCheckViewSet, "parking-plate-check"),
]
urlpatterns: list = []
