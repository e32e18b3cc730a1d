"""Service tickets: `/api/workshop/service-tickets` and `/api/workshop/my-tickets`."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.idempotency import idempotent
from common import clock
from common.examples import sent, shown
from common.pagination import CursorPagination
from common.permissions import ObjectPerm, SignedIn
from common.views import ApiViewSet, CreateMixin, ListMixin, RetrieveMixin, UpdateMixin, command, reading
from workshop.filters.tickets import OwnTicketFilter, TicketFilter
from workshop.models import Job, LabourLine, ServiceTicket
from workshop.models.tickets import ServiceTicketQuerySet
from workshop.permissions import WorksOnTicket
from workshop.serializers.jobs import JobSerializer
from workshop.serializers.tickets import (
    CancelTicketSerializer,
    ChangeTicketSerializer,
    EditedMechanicsSerializer,
    EditMechanicsSerializer,
    HoldTicketSerializer,
    NewTicketSerializer,
    PublicTicketEventSerializer,
    TicketEventSerializer,
    TicketRowSerializer,
    TicketSerializer,
)
from workshop.services import jobs, tickets
from workshop.views.estimates import EstimateCommands
from workshop.views.examples import EVENT, JOB, NEW_JOB, NEW_TICKET, REQUEST, SENT, TICKET, TICKET_ROW
from workshop.views.invoicing import InvoiceCommand

ADVISES = [SignedIn, ObjectPerm.of("workshop.change_serviceticket")]
WORKS = [SignedIn, WorksOnTicket]


class PatchMixin:
    """`PATCH /things/{id}` without a PUT: what the body does not name stays."""

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return UpdateMixin.update(self, request, *args, partial=True, **kwargs)


def whole_jobs() -> Prefetch:
    """Jobs with all of their lines."""
    lines = ("part_lines", "fee_lines", Prefetch("labour_lines", LabourLine.objects.select_related("mechanic")))
    return Prefetch("jobs", Job.objects.prefetch_related(*lines))


def shown_tickets() -> ServiceTicketQuerySet:
    """Tickets with all that a representation of them reads: six queries, however many they are."""
    return ServiceTicket.objects.select_related("customer", "vehicle").prefetch_related("mechanics", whole_jobs())


@extend_schema_view(
    list=extend_schema(
        summary="List service tickets",
        description="Staff see all, mechanics those they are assigned to, customers their own; the newest first. "
        "Without jobs, but with what they cost.",
        examples=[TICKET_ROW],
    ),
    retrieve=extend_schema(summary="Read a service ticket", examples=[TICKET]),
    create=extend_schema(
        summary="Open a service ticket",
        description="Staff who may add tickets name the `customer` (else 422 `customer_required`). Everybody else asks "
        "for a service of their own, without `customer` and without a promise (403 `staff_only`); the first time makes "
        "them a customer, or links them to the one with their verified address (403 `email_not_verified`). The vehicle "
        "is named by its id in the garage or by its VIN (422 `vehicle_required`, `invalid_vin`, `vin_mismatch`, "
        "`vehicle_of_another`); a VIN that nobody has registered is put into the garage.",
        request=NewTicketSerializer,
        responses={201: TicketSerializer},
        examples=[NEW_TICKET, REQUEST, TICKET],
    ),
    partial_update=extend_schema(
        summary="Change a service ticket",
        description="Until it is completed, then 409 `ticket_closed`. `odometer_out` below `odometer_in` is 422 "
        "`odometer_backwards`.",
        request=ChangeTicketSerializer,
        responses={200: TicketSerializer},
        examples=[sent("it leaves", {"odometer_out": 182455}), TICKET],
    ),
    send=extend_schema(examples=[SENT]),
    revoke_estimate=extend_schema(examples=[TICKET]),
)
class TicketViewSet(EstimateCommands, InvoiceCommand, ListMixin, RetrieveMixin, CreateMixin, PatchMixin, ApiViewSet):
    """Visits of vehicles to the workshop. One that is not visible is 404, like one that does not exist."""

    queryset = ServiceTicket.objects.all()
    serializer_class = TicketSerializer
    filterset_class = TicketFilter
    action_serializers = {
        "list": TicketRowSerializer,
        "create": NewTicketSerializer,
        "partial_update": ChangeTicketSerializer,
    }
    action_permissions = {
        "partial_update": ADVISES,
        "edit": ADVISES,
        "start": WORKS,
        "hold": WORKS,
        "resume": WORKS,
        "review": WORKS,
        "complete": ADVISES,
        "cancel": ADVISES,
        "reopen": [SignedIn, ObjectPerm.of("workshop.reopen_serviceticket")],
        "send": ADVISES,
        "revoke_estimate": ADVISES,
    }

    def get_queryset(self) -> ServiceTicketQuerySet:
        return shown_tickets().visible_to(self.caller)

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> ServiceTicket:
        if self.caller.has_perm("workshop.add_serviceticket"):
            ticket = tickets.create_ticket(data=data, actor=self.caller, now=clock.now())
        else:
            ticket = tickets.request_ticket(data=data, user=self.caller, now=clock.now())
        return shown_tickets().get(pk=ticket.pk)

    def perform_update(self, instance: ServiceTicket, data: dict[str, Any]) -> ServiceTicket:
        tickets.update_ticket(ticket=instance, data=data, actor=self.caller, now=clock.now())
        return shown_tickets().get(pk=instance.pk)

    @extend_schema(
        summary="Assign mechanics, and take others off",
        description="All or nothing: an unknown id, one of a mechanic who left among `add_ids`, and an id in both "
        "lists (`added_and_removed`) are 422. One who is there already, or is not, changes nothing. Clocks of those "
        "who are taken off stop. 409 `ticket_closed` once the ticket is completed or cancelled.",
        request=EditMechanicsSerializer,
        responses={200: EditedMechanicsSerializer},
        examples=[
            sent("one comes, one goes", {"add_ids": [3], "remove_ids": [5]}),
            shown("who is left", {"id": 123, "mechanics": [{"id": 3, "display_name": "Dana"}]}),
        ],
    )
    @action(detail=True, methods=["put"], serializer_class=EditMechanicsSerializer)
    def edit(self, request: Request, pk: int) -> Response:
        ticket = self.get_object()
        data = self.validated(EditMechanicsSerializer)
        add, remove = data.get("add_ids", []), data.get("remove_ids", [])
        tickets.edit_mechanics(ticket=ticket, add=add, remove=remove, actor=self.caller, now=clock.now())
        return Response(self.represent(self.get_object(), EditedMechanicsSerializer))

    edit.query_class = None  # type: ignore[attr-defined]

    @command(
        detail=True,
        response=TicketSerializer,
        summary="Begin the work",
        description="Of an authorised ticket, or again after the review; else 409 `invalid_transition`.",
        examples=[TICKET],
    )
    @idempotent
    def start(self, request: Request, pk: int) -> Response:
        tickets.start_ticket(ticket=self.get_object(), actor=self.caller, now=clock.now())
        return self.answer(self.get_object())

    @command(
        detail=True,
        request=HoldTicketSerializer,
        response=TicketSerializer,
        summary="Put a ticket on hold",
        description="An authorised one or one in progress; else 409 `invalid_transition`. Running clocks stop.",
        examples=[
            sent("for the customer", {"reason": "customer", "note": "Calls back."}),
            TICKET,
        ],
    )
    @idempotent
    def hold(self, request: Request, pk: int) -> Response:
        data = {"note": "", **self.validated(HoldTicketSerializer)}
        tickets.hold_ticket(ticket=self.get_object(), actor=self.caller, now=clock.now(), **data)
        return self.answer(self.get_object())

    @command(
        detail=True,
        response=TicketSerializer,
        summary="Resume a ticket on hold",
        description="It goes on where it was. One that waits for parts resumes by itself when they come; resumed by "
        "hand, its jobs reserve what they lack when they are finished.",
        examples=[TICKET],
    )
    @idempotent
    def resume(self, request: Request, pk: int) -> Response:
        tickets.resume_ticket(ticket=self.get_object(), actor=self.caller, now=clock.now())
        return self.answer(self.get_object())

    @command(
        detail=True,
        response=TicketSerializer,
        summary="Hand a ticket over for review",
        description="Of one in progress; else 409 `invalid_transition`.",
        examples=[TICKET],
    )
    @idempotent
    def review(self, request: Request, pk: int) -> Response:
        tickets.review_ticket(ticket=self.get_object(), actor=self.caller, now=clock.now())
        return self.answer(self.get_object())

    @command(
        detail=True,
        response=TicketSerializer,
        summary="Complete a ticket",
        description="After the review. 409 `not_ready` lists in `meta.reasons` everything that is missing: `open_jobs` "
        "(with their ids), `odometer_out_missing`, `no_mechanic`, `on_hold`, `not_reviewed`. The vehicle's timeline "
        "and odometer are written (409 `odometer_rollback` when that shows more already) and the customer is told.",
        examples=[TICKET],
    )
    @idempotent
    def complete(self, request: Request, pk: int) -> Response:
        tickets.complete_ticket(ticket=self.get_object(), actor=self.caller, now=clock.now())
        return self.answer(self.get_object())

    @command(
        detail=True,
        request=CancelTicketSerializer,
        response=TicketSerializer,
        summary="Cancel a ticket",
        description="Any that is not completed. What is reserved is free again. Parts that were used are returned to "
        "the stock or written off, as `consumed_parts` says; without it they are 409 `consumed_parts`, listed in "
        "`meta.lines`.",
        examples=[
            sent("parts go back", {"reason": "Sold elsewhere.", "consumed_parts": "return"}),
            TICKET,
        ],
    )
    @idempotent
    def cancel(self, request: Request, pk: int) -> Response:
        data = {"reason": "", "consumed_parts": None, **self.validated(CancelTicketSerializer)}
        tickets.cancel_ticket(ticket=self.get_object(), actor=self.caller, now=clock.now(), **data)
        return self.answer(self.get_object())

    @command(
        detail=True,
        response=TicketSerializer,
        summary="Reopen a completed ticket",
        description="By administrators, before it is invoiced.",
        examples=[TICKET],
    )
    @idempotent
    def reopen(self, request: Request, pk: int) -> Response:
        tickets.reopen_ticket(ticket=self.get_object(), actor=self.caller, now=clock.now())
        return self.answer(self.get_object())

    @reading(
        detail=True,
        response=TicketEventSerializer(many=True),
        pagination_class=CursorPagination,
        schema={
            "summary": "Read a ticket's history",
            "description": "Newest first: changes of its status, its jobs, their lines and mechanics. Customers see "
            "what became of it and of the jobs put before them, without names and notes.",
            "examples": [EVENT],
        },
    )
    def events(self, request: Request, pk: int) -> Response:
        ticket = self.get_object()
        inside = ticket.shows_all_to(self.caller)
        return self.listing(
            ticket.events.visible_to(self.caller), TicketEventSerializer if inside else PublicTicketEventSerializer
        )


@extend_schema_view(
    list=extend_schema(
        summary="List one's own tickets",
        description="Those one is the customer of, whatever else one may see; the newest first.",
        examples=[TICKET_ROW],
    ),
)
class OwnTicketViewSet(ListMixin, ApiViewSet):
    """A customer's own tickets."""

    queryset = ServiceTicket.objects.all()
    serializer_class = TicketRowSerializer
    filterset_class = OwnTicketFilter

    def get_queryset(self) -> ServiceTicketQuerySet:
        return shown_tickets().filter(customer__user_id=self.caller.pk)


@extend_schema_view(
    list=extend_schema(summary="List a ticket's jobs", examples=[JOB]),
    create=extend_schema(
        summary="Propose a job",
        description="By staff and the ticket's mechanics, until it is completed (409 `ticket_closed`). Without "
        "`tax_rate`, which is staff's to set (403 `price_not_allowed`), it is that of the workshop.",
        examples=[NEW_JOB, JOB],
    ),
)
class TicketJobViewSet(ListMixin, CreateMixin, ApiViewSet):
    """The jobs of one ticket."""

    queryset = Job.objects.all()
    serializer_class = JobSerializer
    action_permissions = {"create": WORKS}

    def get_queryset(self) -> Any:
        lines = ("part_lines", "fee_lines", "labour_lines__mechanic")
        return Job.objects.visible_to(self.caller).filter(ticket=self.ticket()).prefetch_related(*lines)

    def ticket(self) -> ServiceTicket:
        """The ticket of the path. Raises 404, and 403 for those who may not write to it."""
        found = get_object_or_404(ServiceTicket.objects.visible_to(self.caller), pk=self.kwargs["ticket_pk"])
        self.check_object_permissions(self.request, found)
        return found

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> Job:
        return jobs.add_job(ticket=self.ticket(), data=data, actor=self.caller, now=clock.now())

    def location_of(self, instance: Job) -> dict[str, str]:
        return {"Location": reverse("job-detail", kwargs={"pk": instance.pk}, request=self.request)}
