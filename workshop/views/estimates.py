"""Estimates: sending them, by staff; reading and answering them, by whoever has the link."""

from __future__ import annotations

from typing import Any, cast
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views import View
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import atomically, idempotent
from common import clock
from common.errors import BadRequest, DomainError
from common.examples import sent, shown
from common.permissions import Public
from common.throttling import GeneralThrottle
from common.views import ApiView, command
from workshop.serializers.estimates import DecideEstimateSerializer, EstimateSerializer, SentTicketSerializer
from workshop.serializers.tickets import TicketSerializer
from workshop.services import estimates
from workshop.services.estimates import Estimate

ESTIMATE = shown(
    "an estimate",
    {
        "ticket": 123,
        "number": "RO-000123",
        "status": "awaiting_authorisation",
        "customer_name": "Casey Customer",
        "vehicle": "2003 Honda Accord",
        "vin": "1HGCM82633A004352",
        "description": "Squeals when braking.",
        "service_date": "2026-11-25",
        "promised_at": "2026-11-27T16:00:00Z",
        "version": 1,
        "expires_at": "2026-12-09T09:30:00Z",
        "can_decide": True,
        "currency": "USD",
        "jobs": [
            {
                "id": 311,
                "title": "Replace the front brake pads",
                "state": "authorisation_required",
                "lines": [
                    {
                        "kind": "labour",
                        "description": "Labour, Dana",
                        "quantity": "1.500",
                        "unit": "h",
                        "unit_price": "60.00",
                        "net": "90.00",
                        "tax": "18.00",
                    }
                ],
                "tax_rate": "20.00",
                "subtotal": "90.00",
                "tax_total": "18.00",
                "total": "108.00",
            }
        ],
        "subtotal": "90.00",
        "tax_total": "18.00",
        "total": "108.00",
        "authorised_total": "0.00",
    },
)
ANSWER = sent(
    "one yes, one no", {"decisions": [{"job": 311, "decision": "authorise"}, {"job": 312, "decision": "decline"}]}
)


class EstimateCommands:
    """What the staff do with estimates, for the viewset of the tickets."""

    @command(
        detail=True,
        response=SentTicketSerializer,
        summary="Send the estimate",
        description="Puts every proposed or undecided job before the customer and tells the customer by mail or in the "
        "app. `estimate` has the link, good for 14 days; links sent before are void (409 `estimate_superseded`). "
        "Refused with 409: `nothing_to_authorise`, `job_without_lines` (`meta.jobs`), `ticket_closed`. Takes no "
        "Idempotency-Key, because the answer holds a secret and is never stored; sent twice, the second link counts.",
    )
    def send(self: Any, request: Request, pk: int) -> Response:
        ticket = self.get_object()
        link = atomically(lambda: estimates.send_estimate(ticket=ticket, actor=self.caller, now=clock.now()))
        ticket = self.get_object()
        ticket.estimate = link
        return Response(self.represent(ticket, SentTicketSerializer))

    @command(
        detail=True,
        response=TicketSerializer,
        url_path="revoke-estimate",
        summary="Revoke the estimate",
        description="Voids the link that is out (404 from then on). Its jobs go on waiting for a decision; send the "
        "estimate again, or decide for the customer. 409 `no_estimate` when none is out.",
    )
    @idempotent
    def revoke_estimate(self: Any, request: Request, pk: int) -> Response:
        estimates.revoke_estimate(ticket=self.get_object(), actor=self.caller, now=clock.now())
        return self.answer(self.get_object())


class EstimateView(ApiView):
    """The estimate behind a link. The token is the right to read it and to decide; credentials are not looked at."""

    authentication_classes = ()
    permission_classes = (Public,)
    more_refusals = ("409",)  # A newer version has replaced it.

    @extend_schema(
        summary="Read an estimate",
        description="A forged, expired or revoked token is 404, one that a newer version replaced 409 "
        "`estimate_superseded`.",
        responses={200: EstimateSerializer},
        examples=[ESTIMATE],
    )
    def get(self, request: Request, token: str) -> Response:
        estimate = estimates.open_estimate(token=token, now=clock.now())
        return Response(self.represent(estimate, EstimateSerializer))

    @extend_schema(
        operation_id="workshop_estimates_decide",
        summary="Decide on an estimate",
        description="Job by job, all or nothing; jobs that are left out go on waiting. Parts that are short refuse "
        "nothing: the ticket waits for them. A job that the estimate does not have is 422 `does_not_exist`, one that "
        "does not wait 409 `job_not_open`, a closed ticket 409 `ticket_closed`, an estimate that was changed meanwhile "
        "409 `estimate_superseded`.",
        request=DecideEstimateSerializer,
        responses={200: EstimateSerializer},
        examples=[ANSWER, ESTIMATE],
    )
    def post(self, request: Request, token: str) -> Response:
        decisions = self.validated(DecideEstimateSerializer)["decisions"]
        estimate = atomically(lambda: estimates.decide_estimate(token=token, decisions=decisions, now=clock.now()))
        return Response(self.represent(estimate, EstimateSerializer))


class EstimatePage(View):
    """The same for people, outside of the schema. Every refusal is a page too, with the status of the API."""

    http_method_names = ["get", "head", "post"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        throttle = GeneralThrottle()
        if not throttle.allow_request(Request(request), cast("Any", self)):
            wait = round(throttle.wait() or 1)
            return _page(request, "busy", status=429, headers={"Retry-After": str(wait)})
        try:
            return cast("HttpResponse", super().dispatch(request, *args, **kwargs))
        except DomainError as error:
            return self._refusal(request, kwargs["token"], error)

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        estimate = estimates.open_estimate(token=token, now=clock.now())
        return _estimate_page(request, estimate, saved="saved" in request.GET)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        decisions = _decisions_of(request)
        if not decisions:
            estimate = estimates.open_estimate(token=token, now=clock.now())
            return _estimate_page(request, estimate, problem="none_chosen", status=422)
        atomically(lambda: estimates.decide_estimate(token=token, decisions=decisions, now=clock.now()))
        # So that a reload asks for the page and does not decide again.
        return HttpResponseRedirect(reverse("estimate-page", args=[token]) + "?saved", status=303)

    def _refusal(self, request: HttpRequest, token: str, error: DomainError) -> HttpResponse:
        """Where there still is an estimate to be shown, it is, with what was wrong."""
        if error.code in ("estimate_superseded", "not_found"):
            return _page(request, error.code, status=error.status)
        try:
            estimate = estimates.open_estimate(token=token, now=clock.now())
        except DomainError as gone:
            return _page(request, gone.code, status=gone.status)
        return _estimate_page(request, estimate, problem=error.code, status=error.status)


def _decisions_of(request: HttpRequest) -> list[dict[str, Any]]:
    """The fields `job-12` of the form, without those that were left for later. Raises BadRequest for what the page
    does not send."""
    fields = [(name.removeprefix("job-"), value) for name, value in request.POST.items() if name.startswith("job-")]
    if not all(number.isascii() and number.isdigit() and len(number) <= 18 for number, _ in fields):
        raise BadRequest
    chosen = [{"job": int(number), "decision": value} for number, value in fields if value != "later"]
    if not chosen:
        return []
    serializer = DecideEstimateSerializer(data={"decisions": chosen})
    try:
        serializer.is_valid(raise_exception=True)
    except ValidationError:
        raise BadRequest from None
    return cast("list[dict[str, Any]]", serializer.validated_data["decisions"])


def _estimate_page(request: HttpRequest, estimate: Estimate, *, status: int = 200, **context: Any) -> HttpResponse:
    user = estimate.ticket.customer.user
    zone = (user and user.timezone) or settings.DEFAULT_USER_TIMEZONE
    with timezone.override(ZoneInfo(zone)):
        return _page(request, "estimate", status=status, estimate=estimate, **context)


def _page(
    request: HttpRequest, view: str, *, status: int, headers: dict[str, str] | None = None, **context: Any
) -> HttpResponse:
    template = "workshop/estimate.html" if view == "estimate" else "workshop/estimate_refused.html"
    html = render_to_string(template, context | {"reason": view}, request)
    return HttpResponse(html, status=status, headers={"X-Robots-Tag": "noindex, nofollow"} | (headers or {}))
