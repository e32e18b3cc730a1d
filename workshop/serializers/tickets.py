"""Service tickets and their history as JSON."""

from __future__ import annotations

from typing import Any

from cars.models import Vehicle
from common.fields import (
    IdField,
    MoneyField,
    NameField,
    RelatedIdField,
    StrictCharField,
    StrictChoiceField,
    StrictDateField,
    StrictDateTimeField,
    StrictIntegerField,
    TextField,
)
from common.serializers import StrictModelSerializer, StrictSerializer
from workshop import pricing
from workshop.models import Customer, Job, Mechanic, ServiceTicket, TicketEvent
from workshop.serializers.jobs import JobSerializer
from workshop.services.tickets import RETURN, WRITE_OFF

MAX_ODOMETER = 9_999_999


class TicketMechanicSerializer(StrictModelSerializer):
    """Who works on a ticket."""

    class Meta:
        model = Mechanic
        fields = ("id", "display_name")
        read_only_fields = fields


class TicketRowSerializer(StrictModelSerializer):
    """A ticket in a list. The totals are of all jobs but those that were declined or cancelled; customers see neither
    jobs nor amounts of what is only proposed. `total` is with tax."""

    number = StrictCharField(max_length=24, read_only=True)
    customer = IdField(source="customer_id", read_only=True)
    customer_name = StrictCharField(source="customer.name", max_length=200, read_only=True)
    vehicle = IdField(source="vehicle_id", read_only=True, allow_null=True)
    odometer_unit = StrictChoiceField(choices=Vehicle.MileageUnit.choices, read_only=True)
    mechanics = TicketMechanicSerializer(many=True, read_only=True)
    subtotal = MoneyField(source="amounts.net", read_only=True)
    tax_total = MoneyField(source="amounts.tax", read_only=True)
    total = MoneyField(source="amounts.gross", read_only=True)

    class Meta:
        model = ServiceTicket
        fields: tuple[str, ...] = (
            "id",
            "number",
            "customer",
            "customer_name",
            "vehicle",
            "vin",
            "service_date",
            "description",
            "promised_at",
            "odometer_in",
            "odometer_out",
            "odometer_unit",
            "status",
            "hold_reason",
            "mechanics",
            "subtotal",
            "tax_total",
            "total",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    def to_representation(self, instance: Any) -> dict[str, Any]:
        viewer = self.context["request"].user
        jobs = list(instance.jobs.all())
        if not instance.shows_all_to(viewer):
            jobs = [job for job in jobs if job.state != Job.State.PROPOSED]
        instance.shown_jobs = jobs
        instance.amounts = pricing.amounts_of_jobs(job for job in jobs if _counts(job, instance))
        return super().to_representation(instance)


def _counts(job: Job, ticket: ServiceTicket) -> bool:
    """Proposals of a ticket that was cancelled stay what they are, but are off too."""
    if ticket.status == ServiceTicket.Status.CANCELLED:
        return False
    return job.state not in (Job.State.DECLINED, Job.State.CANCELLED)


class TicketSerializer(TicketRowSerializer):
    """A ticket with its jobs."""

    jobs = JobSerializer(source="shown_jobs", many=True, read_only=True)

    class Meta(TicketRowSerializer.Meta):
        fields = (*TicketRowSerializer.Meta.fields, "jobs")
        read_only_fields = fields


class NewTicketSerializer(StrictSerializer):
    """A vehicle comes in. Staff name the customer; a customer asks for a service without doing so."""

    customer = RelatedIdField(queryset=Customer.objects.all(), required=False)
    vehicle = RelatedIdField(queryset=Vehicle.objects.live(), required=False)
    vin = NameField(max_length=32, required=False)
    service_date = StrictDateField()
    description = TextField(required=False, allow_blank=True)
    promised_at = StrictDateTimeField(required=False, allow_null=True)
    odometer_in = StrictIntegerField(min_value=0, max_value=MAX_ODOMETER, required=False, allow_null=True)


class ChangeTicketSerializer(StrictSerializer):
    """What may change of a ticket. Another customer's is another ticket."""

    vehicle = RelatedIdField(queryset=Vehicle.objects.live(), required=False)
    vin = NameField(max_length=32, required=False)
    service_date = StrictDateField(required=False)
    description = TextField(required=False, allow_blank=True)
    promised_at = StrictDateTimeField(required=False, allow_null=True)
    odometer_in = StrictIntegerField(min_value=0, max_value=MAX_ODOMETER, required=False, allow_null=True)
    odometer_out = StrictIntegerField(min_value=0, max_value=MAX_ODOMETER, required=False, allow_null=True)


class EditMechanicsSerializer(StrictSerializer):
    """Whom to assign and whom to take off; mechanics who left can only be taken off."""

    add_ids = RelatedIdField(queryset=Mechanic.objects.filter(active=True), many=True, required=False)
    remove_ids = RelatedIdField(queryset=Mechanic.objects.all(), many=True, required=False)


class EditedMechanicsSerializer(StrictModelSerializer):
    """Who works on the ticket now."""

    mechanics = TicketMechanicSerializer(many=True, read_only=True)

    class Meta:
        model = ServiceTicket
        fields = ("id", "mechanics")
        read_only_fields = fields


class HoldTicketSerializer(StrictSerializer):
    """Why the work rests."""

    reason = StrictChoiceField(choices=ServiceTicket.HoldReason.choices)
    note = NameField(max_length=200, required=False, allow_blank=True)


class CancelTicketSerializer(StrictSerializer):
    """Why, and what becomes of parts that were used."""

    reason = NameField(max_length=200, required=False, allow_blank=True)
    consumed_parts = StrictChoiceField(choices=[RETURN, WRITE_OFF], required=False)


class TicketEventSerializer(StrictModelSerializer):
    """An entry of the history. `old` and `new` are statuses or states; `via` tells whether staff, the customer's link
    or the system did it."""

    job = IdField(source="job_id", read_only=True, allow_null=True)
    actor = IdField(source="actor_id", read_only=True, allow_null=True)

    class Meta:
        model = TicketEvent
        fields = ("id", "kind", "job", "old", "new", "note", "via", "actor", "at")
        read_only_fields = fields


class PublicTicketEventSerializer(TicketEventSerializer):
    """As the customer reads it: without who did it and what staff noted."""

    def to_representation(self, instance: TicketEvent) -> dict[str, Any]:
        return super().to_representation(instance) | {"note": "", "actor": None}
