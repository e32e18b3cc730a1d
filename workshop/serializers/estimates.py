"""Estimates as their customers read them and answer them."""

from __future__ import annotations

from rest_framework import serializers

from common.fields import (
    IdField,
    MoneyField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDateField,
    StrictDateTimeField,
    StrictDecimalField,
    StrictIntegerField,
)
from common.serializers import StrictSerializer
from workshop.models import EstimateLink, InvoiceLine, Job, ServiceTicket
from workshop.serializers.tickets import TicketSerializer
from workshop.services import estimates
from workshop.services.estimates import Decision
from workshop.services.jobs import MAX_JOBS


class EstimateLineSerializer(StrictSerializer):
    """A line. `net` is quantity times unit price; `tax` comes on top."""

    kind = StrictChoiceField(choices=InvoiceLine.Kind.choices, read_only=True)
    description = StrictCharField(max_length=300, read_only=True)
    quantity = StrictDecimalField(max_digits=12, decimal_places=3, read_only=True)
    unit = StrictCharField(max_length=16, read_only=True)
    unit_price = MoneyField(read_only=True)
    net = MoneyField(source="amounts.net", read_only=True)
    tax = MoneyField(source="amounts.tax", read_only=True)


class EstimateJobSerializer(StrictSerializer):
    """A job that the customer was asked about; one in state `authorisation_required` waits for an answer."""

    id = IdField(read_only=True)
    title = StrictCharField(max_length=MAX_JOBS, read_only=True)
    state = StrictChoiceField(choices=Job.State.choices, read_only=True)
    lines = EstimateLineSerializer(many=True, read_only=True)
    tax_rate = StrictDecimalField(max_digits=5, decimal_places=2, read_only=True)
    subtotal = MoneyField(source="amounts.net", read_only=True)
    tax_total = MoneyField(source="amounts.tax", read_only=True)
    total = MoneyField(source="amounts.gross", read_only=True)


class EstimateSerializer(StrictSerializer):
    """A ticket as its customer sees it. The totals are of all that is authorised or still can be; declined jobs cost
    nothing."""

    ticket = IdField(source="ticket.pk", read_only=True)
    number = StrictCharField(source="ticket.number", max_length=20, read_only=True)
    status = StrictChoiceField(source="ticket.status", choices=ServiceTicket.Status.choices, read_only=True)
    customer_name = StrictCharField(source="ticket.customer.name", max_length=MAX_JOBS, read_only=True)
    vehicle = StrictCharField(max_length=300, read_only=True)
    vin = StrictCharField(source="ticket.vin", max_length=17, read_only=True)
    description = StrictCharField(source="ticket.description", max_length=10_000, read_only=True)
    service_date = StrictDateField(source="ticket.service_date", read_only=True)
    promised_at = StrictDateTimeField(source="ticket.promised_at", read_only=True, allow_null=True)
    version = StrictIntegerField(source="link.version", read_only=True)
    expires_at = StrictDateTimeField(source="link.expires_at", read_only=True)
    can_decide = StrictBooleanField(read_only=True)
    currency = StrictCharField(max_length=3, read_only=True)
    jobs = EstimateJobSerializer(many=True, read_only=True)
    subtotal = MoneyField(source="amounts.net", read_only=True)
    tax_total = MoneyField(source="amounts.tax", read_only=True)
    total = MoneyField(source="amounts.gross", read_only=True)
    authorised_total = MoneyField(source="agreed_amounts.gross", read_only=True)


class EstimateDecisionSerializer(StrictSerializer):
    """What the customer says to one job."""

    job = IdField()
    decision = StrictChoiceField(choices=Decision.choices)


class DecideEstimateSerializer(StrictSerializer):
    """An answer to some or all of the jobs that wait for one."""

    decisions = EstimateDecisionSerializer(many=True, allow_empty=False, max_length=MAX_JOBS)  # type: ignore[call-arg]


class SentEstimateSerializer(StrictSerializer):
    """The link that was sent. Whoever has the token can decide for the customer."""

    token = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField()
    expires_at = StrictDateTimeField(read_only=True)

    def get_token(self, link: EstimateLink) -> str:
        return estimates.token_of(link)

    def get_url(self, link: EstimateLink) -> str:
        return estimates.url_of(link)


class SentTicketSerializer(TicketSerializer):
    """The ticket, with the link to its estimate."""

    estimate = SentEstimateSerializer(read_only=True)

    class Meta(TicketSerializer.Meta):
        fields = (*TicketSerializer.Meta.fields, "estimate")
        read_only_fields = fields
