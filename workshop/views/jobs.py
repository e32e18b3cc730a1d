"""Jobs and their lines: `/api/workshop/jobs`."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from common import clock
from common.examples import sent
from common.permissions import ObjectPerm, SignedIn
from common.views import ApiViewSet, CreateMixin, DestroyMixin, ListMixin, RetrieveMixin, command, reading
from workshop.models import FeeLine, Job, LabourLine, PartLine, TimeEntry
from workshop.permissions import WorksOnTicket
from workshop.serializers.jobs import (
    AuthoriseJobSerializer,
    ChangePartLineSerializer,
    FeeLineSerializer,
    JobSerializer,
    LabourLineSerializer,
    NewPartLineSerializer,
    PartLineSerializer,
    TimeEntrySerializer,
)
from workshop.services import clocks, jobs, lines
from workshop.services.states import lock_ticket
from workshop.views.examples import (
    FEE_LINE,
    JOB,
    LABOUR_LINE,
    NEW_FEE_LINE,
    NEW_LABOUR_LINE,
    NEW_PART_LINE,
    PART_LINE,
    TIME_ENTRY,
)
from workshop.views.tickets import ADVISES, WORKS, PatchMixin


class UnderTicketMixin:
    """`If-Match` locks the row it is compared with; here its ticket comes first, as in every write."""

    def locked_if_matched(self: Any) -> Any:
        if "If-Match" in self.request.headers:
            found = self.get_object()
            lock_ticket(found.ticket_id if isinstance(found, Job) else found.job.ticket_id)
        return super().locked_if_matched()  # type: ignore[misc]


@extend_schema_view(
    retrieve=extend_schema(summary="Read a job", examples=[JOB]),
    partial_update=extend_schema(
        summary="Change a job",
        description="409 `job_in_progress` once work on it has begun. Another `tax_rate`, which is staff's to set (403 "
        "`price_not_allowed`), is another price: it asks the customer again, like a change of a line.",
        examples=[sent("the title", {"title": "Replace all brake pads"}), JOB],
    ),
    destroy=extend_schema(
        summary="Drop a job",
        description="One that is only proposed is deleted; one that the customer was shown is cancelled and what it "
        "has reserved is free again. 409 `job_in_progress` once work on it has begun.",
    ),
)
class JobViewSet(UnderTicketMixin, RetrieveMixin, PatchMixin, DestroyMixin, ApiViewSet):
    """What is to be done in a ticket, each thing authorised or declined as a whole."""

    queryset = Job.objects.all()
    serializer_class = JobSerializer
    filterset_class = None
    action_permissions = {
        "partial_update": WORKS,
        "destroy": WORKS,
        "authorise": ADVISES,
        "decline": ADVISES,
        "finish": WORKS,
        "clock_in": WORKS,
        "clock_out": WORKS,
        "time_entries": [SignedIn, WorksOnTicket | ObjectPerm.of("workshop.view_timeentry")],
    }

    def get_queryset(self) -> Any:
        read = ("part_lines", "fee_lines", "labour_lines__mechanic")
        return Job.objects.visible_to(self.caller).select_related("ticket").prefetch_related(*read)

    def perform_update(self, instance: Job, data: dict[str, Any]) -> Job:
        jobs.update_job(job=instance, data=data, actor=self.caller, now=clock.now())
        return self.get_object()

    def perform_destroy(self, instance: Job) -> None:
        jobs.remove_job(job=instance, actor=self.caller, now=clock.now())

    @command(
        detail=True,
        request=AuthoriseJobSerializer,
        response=JobSerializer,
        summary="Authorise a job",
        description="By staff, for a customer who agreed in person. Its parts are reserved, all or none: 409 "
        "`insufficient_stock` lists every shortage in `meta.shortages`. With `wait_for_parts` it is authorised without "
        "them and the ticket goes on hold until they come.",
        examples=[sent("it can wait", {"wait_for_parts": True}), JOB],
    )
    @idempotent
    def authorise(self, request: Request, pk: int) -> Response:
        data = self.validated(AuthoriseJobSerializer)
        jobs.authorise_job(job=self.get_object(), actor=self.caller, now=clock.now(), **data)
        return self.answer(self.get_object())

    @command(
        detail=True,
        response=JobSerializer,
        summary="Decline a job",
        description="By staff, for a customer who said no in person. What it has reserved is free again.",
        examples=[JOB],
    )
    @idempotent
    def decline(self, request: Request, pk: int) -> Response:
        jobs.decline_job(job=self.get_object(), actor=self.caller, now=clock.now())
        return self.answer(self.get_object())

    @command(
        detail=True,
        response=JobSerializer,
        summary="Finish a job",
        description="Its parts are consumed; what is not reserved is reserved first, and 409 `insufficient_stock` when "
        "there is not enough. Its clocks stop. A second time is 409 `invalid_transition`.",
        examples=[JOB],
    )
    @idempotent
    def finish(self, request: Request, pk: int) -> Response:
        jobs.finish_job(job=self.get_object(), actor=self.caller, now=clock.now())
        return self.answer(self.get_object())

    @command(
        detail=True,
        response=TimeEntrySerializer,
        url_path="clock-in",
        summary="Start one's clock on a job",
        description="By a mechanic of the ticket (403 `not_assigned`). The job and its ticket are in progress from "
        "then on. 409: `clock_running` with the job in `meta`, `job_not_authorised`, `ticket_on_hold`.",
        examples=[TIME_ENTRY],
    )
    @idempotent
    def clock_in(self, request: Request, pk: int) -> Response:
        entry = clocks.clock_in(job=self.get_object(), actor=self.caller, now=clock.now())
        return Response(self.represent(entry, TimeEntrySerializer))

    @command(
        detail=True,
        response=TimeEntrySerializer,
        url_path="clock-out",
        summary="Stop one's clock on a job",
        description="409 `clock_not_running` when it does not run on this one.",
        examples=[TIME_ENTRY],
    )
    @idempotent
    def clock_out(self, request: Request, pk: int) -> Response:
        entry = clocks.clock_out(job=self.get_object(), actor=self.caller, now=clock.now())
        return Response(self.represent(entry, TimeEntrySerializer))

    @reading(
        detail=True,
        response=TimeEntrySerializer(many=True),
        url_path="time-entries",
        schema={"summary": "List the time spent on a job", "description": "Newest first.", "examples": [TIME_ENTRY]},
    )
    def time_entries(self, request: Request, pk: int) -> Response:
        entries = TimeEntry.objects.filter(job=self.get_object()).select_related("mechanic")
        return self.listing(entries, TimeEntrySerializer)


class LineViewSet(UnderTicketMixin, ListMixin, RetrieveMixin, CreateMixin, PatchMixin, DestroyMixin, ApiViewSet):
    """The lines of one kind of one job."""

    model: ClassVar[type[LabourLine | PartLine | FeeLine]]
    action_permissions = {"create": WORKS, "partial_update": WORKS, "destroy": WORKS}

    def get_queryset(self) -> QuerySet[Any]:
        return self.model._default_manager.filter(job=self.job()).select_related("job")

    def job(self) -> Job:
        """The job of the path. Raises 404, and 403 for those who may not write to it."""
        visible = Job.objects.visible_to(self.caller).select_related("ticket")
        found: Job = get_object_or_404(visible, pk=self.kwargs["job_pk"])
        self.check_object_permissions(self.request, found)
        return found

    def check_object_permissions(self, request: Request, obj: Any) -> None:
        """Those of the line's job, which `job` has asked."""
        if isinstance(obj, Job):
            super().check_object_permissions(request, obj)

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def location_of(self, instance: Any) -> dict[str, str]:
        return {"Location": self.reverse_action("detail", kwargs={"job_pk": instance.job_id, "pk": instance.pk})}

    def perform_update(self, instance: Any, data: dict[str, Any]) -> Any:
        return lines.update_line(line=instance, data=data, actor=self.caller, now=clock.now())

    def perform_destroy(self, instance: Any) -> None:
        lines.remove_line(line=instance, actor=self.caller, now=clock.now())


_ASKS_AGAIN = (
    "A change of a job that the customer agreed to asks the customer again: the job goes back to "
    "`authorisation_required` and what it has reserved is free. 409 `job_in_progress` once work on it has begun, "
    "`ticket_closed` once the ticket is completed or cancelled."
)


@extend_schema_view(
    list=extend_schema(summary="List a job's labour", examples=[LABOUR_LINE]),
    retrieve=extend_schema(summary="Read a labour line", examples=[LABOUR_LINE]),
    create=extend_schema(
        summary="Add labour to a job",
        description=f"At the mechanic's hourly rate of today. {_ASKS_AGAIN}",
        examples=[NEW_LABOUR_LINE, LABOUR_LINE],
    ),
    partial_update=extend_schema(
        summary="Change a labour line",
        description=f"Another mechanic's hours cost that one's rate of today. {_ASKS_AGAIN}",
        examples=[sent("more hours", {"hours": "2.00"}), LABOUR_LINE],
    ),
    destroy=extend_schema(summary="Take labour off a job", description=_ASKS_AGAIN),
)
class LabourLineViewSet(LineViewSet):
    """Hours of mechanics."""

    model = LabourLine
    queryset = LabourLine.objects.all()
    serializer_class = LabourLineSerializer

    def get_queryset(self) -> QuerySet[Any]:
        return super().get_queryset().select_related("mechanic")

    def perform_create(self, data: dict[str, Any]) -> LabourLine:
        return lines.add_labour_line(job=self.job(), data=data, actor=self.caller, now=clock.now())


@extend_schema_view(
    list=extend_schema(summary="List a job's parts", examples=[PART_LINE]),
    retrieve=extend_schema(summary="Read a part line", examples=[PART_LINE]),
    create=extend_schema(
        summary="Add a part to a job",
        description="With the part's name and price of today; another `price` is staff's to set (403 "
        f"`price_not_allowed`). Nothing is reserved before the job is authorised. {_ASKS_AGAIN}",
        request=NewPartLineSerializer,
        responses={201: PartLineSerializer},
        examples=[NEW_PART_LINE, PART_LINE],
    ),
    partial_update=extend_schema(
        summary="Change a part line",
        description=f"Its quantity, and by staff its price. {_ASKS_AGAIN}",
        request=ChangePartLineSerializer,
        responses={200: PartLineSerializer},
        examples=[sent("two of them", {"quantity": "2"}), PART_LINE],
    ),
    destroy=extend_schema(summary="Take a part off a job", description=_ASKS_AGAIN),
)
class PartLineViewSet(LineViewSet):
    """Parts of the stock."""

    model = PartLine
    queryset = PartLine.objects.all()
    serializer_class = PartLineSerializer
    action_serializers = {"create": NewPartLineSerializer, "partial_update": ChangePartLineSerializer}

    def perform_create(self, data: dict[str, Any]) -> PartLine:
        return lines.add_part_line(job=self.job(), data=data, actor=self.caller, now=clock.now())


@extend_schema_view(
    list=extend_schema(summary="List a job's fees", examples=[FEE_LINE]),
    retrieve=extend_schema(summary="Read a fee line", examples=[FEE_LINE]),
    create=extend_schema(
        summary="Add a fee to a job",
        description=f"By staff (403 `price_not_allowed`). {_ASKS_AGAIN}",
        examples=[NEW_FEE_LINE, FEE_LINE],
    ),
    partial_update=extend_schema(
        summary="Change a fee line",
        description=f"By staff (403 `price_not_allowed`). {_ASKS_AGAIN}",
        examples=[sent("a higher one", {"amount": "7.50"}), FEE_LINE],
    ),
    destroy=extend_schema(
        summary="Take a fee off a job", description=f"By staff (403 `price_not_allowed`). {_ASKS_AGAIN}"
    ),
)
class FeeLineViewSet(LineViewSet):
    """Charges that are neither labour nor parts."""

    model = FeeLine
    queryset = FeeLine.objects.all()
    serializer_class = FeeLineSerializer

    def perform_create(self, data: dict[str, Any]) -> FeeLine:
        return lines.add_fee_line(job=self.job(), data=data, actor=self.caller, now=clock.now())
