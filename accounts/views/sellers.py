"""Dealers, and their approval."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import sellers
from accounts.authentication import user_of
from accounts.models import SellerProfile
from accounts.permissions import InPerson
from accounts.serializers.sellers import STATUSES, SellerProfileSerializer, SellerProfileUpdateSerializer
from accounts.services import lock_user
from accounts.views import examples
from common.clock import now
from common.errors import NotFound
from common.filters import ChoiceFilter, StrictFilterSet
from common.permissions import HasPerm
from common.views import ApiViewSet, ListMixin, RetrieveMixin, command


class StatusFilter(ChoiceFilter):
    """A profile is approved when it carries the time of its approval."""

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return qs.filter(approved_at__isnull=value == "pending")


class SellerProfileFilterSet(StrictFilterSet):
    status = StatusFilter(choices=STATUSES)

    class Meta:
        model = SellerProfile
        fields: list[str] = []


@extend_schema_view(retrieve=extend_schema(summary="Read one's seller profile", examples=[examples.SELLER]))
class OwnSellerProfileViewSet(RetrieveMixin, ApiViewSet):
    """The caller's own profile, at a path without an id; 404 until one is put."""

    queryset = SellerProfile.objects.all()
    serializer_class = SellerProfileSerializer
    filterset_class = None
    action_permissions = {"update": [InPerson]}  # Whose business it is, is part of the account.

    def get_object(self) -> SellerProfile:
        profile = self.get_queryset().filter(user=user_of(self.request)).first()
        if profile is None:
            raise NotFound
        return profile

    @extend_schema(
        summary="Make or replace one's seller profile",
        request=SellerProfileUpdateSerializer,
        responses={200: SellerProfileSerializer, 201: SellerProfileSerializer},
        examples=[examples.SELL, examples.SELLER],
    )
    def update(self, request: Request) -> Response:
        """Make or replace it. What was approved needs approval again once it says something else."""
        values = self.validated(SellerProfileUpdateSerializer)
        with transaction.atomic():
            user = lock_user(user_of(request).pk)
            if "If-Match" in request.headers:
                self.locked_if_matched()
            profile, created = sellers.save_seller_profile(user=user, values=values)
        return self.answer(profile, status=201 if created else 200)


@extend_schema_view(
    list=extend_schema(summary="List seller profiles", examples=[examples.SELLER]),
    retrieve=extend_schema(summary="Read a seller profile", examples=[examples.SELLER]),
)
class SellerProfileViewSet(ListMixin, RetrieveMixin, ApiViewSet):
    """All profiles, for moderators."""

    queryset = SellerProfile.objects.order_by("id")
    serializer_class = SellerProfileSerializer
    filterset_class = SellerProfileFilterSet
    permission_classes = [HasPerm.of("accounts.approve_sellerprofile")]

    @command(
        detail=True, response=SellerProfileSerializer, summary="Approve a seller profile", examples=[examples.SELLER]
    )
    def approve(self, request: Request, pk: int) -> Response:
        """Approve what the profile says now; its owner is told."""
        profile = sellers.approve_seller_profile(profile_id=pk, approver=user_of(request), now=now())
        return Response(self.represent(profile, SellerProfileSerializer))
