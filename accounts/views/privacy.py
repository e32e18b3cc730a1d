"""A copy of one's data, and the end of one's account."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import user_of
from accounts.permissions import InPerson
from accounts.privacy import delete_account, export_personal_data
from accounts.serializers.privacy import PersonalDataSerializer
from accounts.views import examples
from accounts.views.auth import MeViewSet
from common.clock import now
from common.views import ApiView


class PersonalDataView(ApiView):
    permission_classes = (InPerson,)
    throttle_scope = "exports"

    @extend_schema(
        summary="Export one's personal data",
        responses={200: PersonalDataSerializer},
        examples=[examples.PERSONAL_DATA],
    )
    def get(self, request: Request) -> Response:
        """All that is stored about the caller, by app, as a file."""
        data = export_personal_data(user=user_of(request), now=now())
        return Response(data, headers={"Content-Disposition": 'attachment; filename="personal-data.json"'})


class AccountViewSet(MeViewSet):
    """The caller's own account, which its owner may end."""

    @extend_schema(summary="Delete one's account", request=None, responses={204: None})
    def destroy(self, request: Request) -> Response:
        """Delete the account. Where money, bids or tickets refer to it, they stay and the person is taken
        out of them. All sessions end. The last administrator is refused (409)."""
        delete_account(user=user_of(request), now=now())
        return Response(status=204)
