"""VIN decoding: `/api/vin`."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from cars import services
from cars.serializers.vin import VinAnswerSerializer, VinDecodeRequestSerializer
from cars.views.examples import VIN_ANSWER
from common import clock
from common.examples import sent, shown
from common.views import ApiView

ABOUT = (
    "The number is checked first: 17 characters without I, O and Q, plausible, and for North America the check digit; "
    "what is wrong is 422 `invalid_vin` with the findings in `meta`. Then the deployment's provider is asked. "
    "`verified` is true only when an outside source knows this very VIN; when it does not answer there is our own "
    "reading, with a warning."
)
ACCORD = shown("an offline reading", VIN_ANSWER)


class VinDecodeView(ApiView):
    """`POST /vin/decode`."""

    throttle_scope = "vin"

    @extend_schema(
        tags=["vin"],
        summary="Decode a VIN",
        description=ABOUT,
        request=VinDecodeRequestSerializer,
        responses={200: VinAnswerSerializer},
        examples=[sent("a VIN", {"vin": "1HGCM82633A004352"}), ACCORD],
    )
    def post(self, request: Request) -> Response:
        data = self.validated(VinDecodeRequestSerializer)
        answer = services.decode_vin(vin=data["vin"], exempt_reason=data.get("vin_exempt_reason", ""), now=clock.now())
        return Response(self.represent(answer, VinAnswerSerializer))


class VinView(ApiView):
    """`GET /vin/{vin}`."""

    throttle_scope = "vin"
    more_refusals = ("422",)  # The path itself can be meaningless.

    @extend_schema(
        tags=["vin"],
        summary="Read what a VIN means",
        description=ABOUT,
        parameters=[OpenApiParameter("vin", str, OpenApiParameter.PATH)],
        responses={200: VinAnswerSerializer},
        examples=[ACCORD],
    )
    def get(self, request: Request, vin: str) -> Response:
        return Response(self.represent(services.decode_vin(vin=vin, now=clock.now()), VinAnswerSerializer))
