"""Signing up, signing in, and one's own account."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services
from accounts.authentication import bearer_token, user_of
from accounts.clerk import sign_in_by_clerk
from accounts.models import User
from accounts.permissions import InPerson
from accounts.serializers.auth import (
    AccountSerializer,
    ChangePasswordSerializer,
    ClerkSyncSerializer,
    EmailLoginSerializer,
    IdentityStatusSerializer,
    PasswordResetConfirmSerializer,
    PasswordResetSerializer,
    PaymentProfileSerializer,
    ProfileUpdateSerializer,
    RefreshSerializer,
    RegisterSerializer,
    TokenPairSerializer,
    UsernameLoginSerializer,
    VerifyEmailSerializer,
)
from accounts.tokens import Claims, TokenPair
from accounts.views import examples
from common.clock import now
from common.permissions import Public, SignedIn
from common.serializers import EmptySerializer
from common.views import ApiView, ApiViewSet, body_of, conditional

LOGIN_BODY = PolymorphicProxySerializer(
    component_name="Login",
    serializers=[EmailLoginSerializer, UsernameLoginSerializer],
    resource_type_field_name=None,
)


def address_of(request: Request) -> str:
    """The client's address; behind a trusted proxy, the one it reports."""
    return request.META.get("REMOTE_ADDR", "")


class PublicAuthView(ApiView):
    """Answers without looking at credentials: a client whose token is over must be able to get a new one."""

    authentication_classes = ()
    permission_classes = (Public,)

    def signed_in(self, user: User, pair: TokenPair, *, status: int = 200) -> Response:
        answer = {
            "user": user,
            "access_token": pair.access,
            "refresh_token": pair.refresh,
            "token_type": "Bearer",
            "expires_in": pair.expires_in,
        }
        return Response(self.represent(answer, TokenPairSerializer), status=status)


class RegisterView(PublicAuthView):
    throttle_scope = "register"

    @extend_schema(
        summary="Register",
        request=RegisterSerializer,
        responses={201: TokenPairSerializer},
        examples=[examples.REGISTER, examples.REGISTERED],
    )
    def post(self, request: Request) -> Response:
        """Make an account and sign in. A confirmation is mailed to the address."""
        user, pair = services.register_user(**self.validated(RegisterSerializer), now=now())
        return self.signed_in(user, pair, status=201)


class LoginView(PublicAuthView):
    throttle_scope = "login"

    @extend_schema(
        summary="Log in",
        request=LOGIN_BODY,
        responses={200: TokenPairSerializer},
        examples=[examples.LOGIN, examples.LOGIN_BY_NAME, examples.SIGNED_IN],
    )
    def post(self, request: Request) -> Response:
        """Sign in by `email` or by `username`, exactly one of them. Five failures of an account or twenty from an
        address within 15 minutes lock it for the rest of that time (429)."""
        body = body_of(request)
        by_username = isinstance(body, Mapping) and "username" in body and "email" not in body
        data = self.validated(UsernameLoginSerializer if by_username else EmailLoginSerializer)
        user, pair = services.sign_in(
            identifier=data["username"] if by_username else data["email"],
            password=data["password"],
            address=address_of(request),
            now=now(),
        )
        return self.signed_in(user, pair)


class RefreshView(PublicAuthView):
    @extend_schema(
        summary="Refresh a token",
        request=RefreshSerializer,
        responses={200: TokenPairSerializer},
        examples=[examples.REFRESH, examples.SIGNED_IN],
    )
    def post(self, request: Request) -> Response:
        """Trade a refresh token for a new pair. It is good once: used again, it ends the whole sign-in."""
        user, pair = services.refresh_session(**self.validated(RefreshSerializer), now=now())
        return self.signed_in(user, pair)


class ClerkSyncView(PublicAuthView):
    throttle_scope = "login"

    @extend_schema(
        summary="Sign in with Clerk",
        request=ClerkSyncSerializer,
        responses={200: TokenPairSerializer},
        examples=[examples.CLERK, examples.SIGNED_IN],
    )
    def post(self, request: Request) -> Response:
        """Sign in with a Clerk session token, as `Authorization: Bearer` or as `token`. The rest of the body adds
        nothing: ids and addresses must agree with the token, names fill what is empty."""
        said = self.validated(ClerkSyncSerializer)
        in_body = said.pop("token", "")
        user, pair = sign_in_by_clerk(token=in_body or bearer_token(request) or "", said=said, now=now())
        return self.signed_in(user, pair)


class LogoutView(ApiView):
    permission_classes = (InPerson,)

    @extend_schema(summary="Log out", request=EmptySerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """End this sign-in: its refresh token and its access tokens are refused from now on."""
        self.validated(EmptySerializer)
        claims = request.auth
        if isinstance(claims, Claims):  # A browser session signs out at /api/session/logout.
            services.sign_out(user=user_of(request), family_id=claims.family, now=now())
        return Response(status=204)


class ChangePasswordView(ApiView):
    permission_classes = (InPerson,)

    @extend_schema(
        summary="Change one's password",
        request=ChangePasswordSerializer,
        responses={204: None},
        examples=[examples.CHANGE_PASSWORD],
    )
    def post(self, request: Request) -> Response:
        """Set a new password. Every session ends, this one included."""
        data = self.validated(ChangePasswordSerializer)
        services.change_password(user=user_of(request), address=address_of(request), now=now(), **data)
        return Response(status=204)


class PasswordResetView(PublicAuthView):
    throttle_scope = "password_reset"

    @extend_schema(
        summary="Ask for a new password",
        request=PasswordResetSerializer,
        responses={202: EmptySerializer},
        examples=[examples.RESET, examples.RESET_ASKED],
    )
    def post(self, request: Request) -> Response:
        """Have a token mailed, if the address belongs to an active account. The answer is the same if not."""
        services.request_password_reset(**self.validated(PasswordResetSerializer), now=now())
        return Response({}, status=202)


class PasswordResetConfirmView(PublicAuthView):
    throttle_scope = "login"

    @extend_schema(
        summary="Set a new password",
        request=PasswordResetConfirmSerializer,
        responses={204: None},
        examples=[examples.RESET_CONFIRM],
    )
    def post(self, request: Request) -> Response:
        """Set a new password by a mailed token. Every session ends."""
        services.confirm_password_reset(**self.validated(PasswordResetConfirmSerializer), now=now())
        return Response(status=204)


class VerifyEmailView(PublicAuthView):
    throttle_scope = "login"

    @extend_schema(
        summary="Confirm one's address",
        request=VerifyEmailSerializer,
        responses={204: None},
        examples=[examples.VERIFY],
    )
    def post(self, request: Request) -> Response:
        """Confirm an address by a mailed token."""
        services.verify_email(**self.validated(VerifyEmailSerializer), now=now())
        return Response(status=204)


class MeViewSet(ApiViewSet):
    """The caller's own account. An API key reads it, and no more."""

    permission_classes = (InPerson,)
    action_permissions = {"retrieve": [SignedIn]}
    serializer_class = AccountSerializer

    def get_object(self) -> User:
        """The whole row, with the rights that the caller came with; `request.user` holds only what authentication
        loaded."""
        known = user_of(self.request)
        user = User.objects.prefetch_related("groups").get(pk=known.pk)
        user.loaded_permissions, user.is_superuser = known.loaded_permissions, known.is_superuser
        return user

    @extend_schema(summary="Read one's account", examples=[examples.ACCOUNT])
    def retrieve(self, request: Request) -> Response:
        """One's own account."""
        return conditional(request, self.represent(self.get_object(), AccountSerializer))

    @extend_schema(
        summary="Change one's profile",
        request=ProfileUpdateSerializer,
        responses={200: AccountSerializer},
        examples=[examples.PROFILE, examples.PROFILE_EMAIL, examples.ACCOUNT],
    )
    def partial_update(self, request: Request) -> Response:
        """Change one's profile. Another `email` needs `current_password` and has to be confirmed anew."""
        moment = now()
        data = self.validated(ProfileUpdateSerializer, partial=True)
        confirmed = self._confirm(data.pop("current_password", None), moment)
        with transaction.atomic():
            self.locked_if_matched()
            services.update_profile(user=user_of(request), changes=data, confirmed=confirmed, now=moment)
            return self.answer(self.get_object())

    def _confirm(self, password: str | None, moment: datetime) -> bool:
        if password is None:
            return False
        user, address = user_of(self.request), address_of(self.request)
        services.confirm_password(user=user, password=password, address=address, now=moment)
        return True


class PaymentProfileView(ApiView):
    permission_classes = (InPerson,)

    @extend_schema(
        summary="Put a means of payment on file",
        request=PaymentProfileSerializer,
        responses={200: PaymentProfileSerializer},
        examples=[examples.PAYMENT_PROFILE, examples.CARD],
    )
    def put(self, request: Request) -> Response:
        """Put a means of payment on file. `reference` is the provider's, never a card number."""
        data = self.validated(PaymentProfileSerializer)
        user = services.set_payment_profile(user=user_of(request), **data)
        return Response(self.represent(user.payment_profile, PaymentProfileSerializer))


class IdentityRequestView(ApiView):
    permission_classes = (InPerson,)

    @extend_schema(
        summary="Ask for one's identity to be confirmed",
        request=EmptySerializer,
        responses={200: IdentityStatusSerializer},
        examples=[examples.IDENTITY],
    )
    def post(self, request: Request) -> Response:
        """Ask for one's identity to be confirmed. The sandbox confirms it at once, else a moderator does."""
        self.validated(EmptySerializer)
        user = services.request_identity_check(user=user_of(request), now=now())
        return Response(self.represent(user, IdentityStatusSerializer))
