"""Plate checks: `/api/parking/check`."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from common import clock
from common.examples import shown
from common.permissions import HasPerm
from common.views import ApiViewSet, reading
from parking.filters.plate_checks import PlateCheckFilter
from parking.serializers.plate_checks import PlateAnswerSerializer
from parking.services.plate_checks import check_plate

PARKED = shown(
    "parked and paid for",
    {
        "allowed": True,
        "allowed_until": "2025-03-01T11:30:00Z",
        "is_overstay": False,
        "lot": 3,
        "spot": {"id": 120, "number": 7, "type": "standard"},
        "reservation": 51,
    },
)
NOBODY = shown(
    "not known here",
    {
        "allowed": False,
        "allowed_until": None,
        "is_overstay": False,
        "lot": None,
        "spot": None,
        "reservation": None,
    },
)


class PlateCheckViewSet(ApiViewSet):
    """What attendants ask on their round."""

    serializer_class = PlateAnswerSerializer
    permission_classes = [HasPerm.of("parking.check_plate")]

    @reading(
        detail=False,
        url_path="check",
        response=PlateAnswerSerializer,
        query=PlateCheckFilter,
        schema={
            "summary": "Check a plate",
            "description": "Whether the vehicle may stand in the lot, or in any, at this moment: it is parked there, "
            "or may check in for a reservation, and the end as booked has not come. Every check is logged with who "
            "asked and what the answer was.",
            "examples": [PARKED, NOBODY],
        },
    )
    def check(self, request: Request) -> Response:
        asked = self.query()
        answer = check_plate(plate=asked["plate"], lot_id=asked.get("lot"), actor=self.caller, now=clock.now())
        return Response(self.represent(answer, PlateAnswerSerializer))
