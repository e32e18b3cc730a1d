"""The app's routes: `routes` go on the project's one router, `urlpatterns` are the plain views beside it."""

from __future__ import annotations

from django.urls import include, path

from accounts.views import auth, preferences, privacy, session
from accounts.views.api_keys import ApiKeyViewSet
from accounts.views.exports import ExportViewSet
from accounts.views.notifications import NotificationViewSet
from accounts.views.sellers import OwnSellerProfileViewSet, SellerProfileViewSet
from accounts.views.users import UserViewSet

routes: list[tuple[str, type, str]] = [
    ("users", UserViewSet, "user"),
    ("seller-profiles", SellerProfileViewSet, "seller-profile"),
    ("notifications", NotificationViewSet, "notification"),
    ("exports", ExportViewSet, "export"),
    ("auth/keys", ApiKeyViewSet, "api-key"),
]
urlpatterns: list = [
    path("auth/register", auth.RegisterView.as_view(), name="register"),
    path("auth/signup", auth.RegisterView.as_view(), name="signup"),
    path("auth/login", auth.LoginView.as_view(), name="login"),
    path("auth/refresh", auth.RefreshView.as_view(), name="refresh"),
    path("auth/clerk-sync", auth.ClerkSyncView.as_view(), name="clerk-sync"),
    path("auth/logout", auth.LogoutView.as_view(), name="logout"),
    path(
        "auth/me",
        privacy.AccountViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="me",
    ),
    path("auth/me/export", privacy.PersonalDataView.as_view(), name="personal-data"),
    path(
        "auth/me/notification-preferences",
        preferences.PreferencesView.as_view(),
        name="notification-preferences",
    ),
    path(
        "seller-profile",
        OwnSellerProfileViewSet.as_view({"get": "retrieve", "put": "update"}),
        name="own-seller-profile",
    ),
    path("notifications/unsubscribe/<str:token>", preferences.UnsubscribeView.as_view(), name="unsubscribe"),
    path("auth/me/payment-profile", auth.PaymentProfileView.as_view(), name="payment-profile"),
    path("auth/me/identity-request", auth.IdentityRequestView.as_view(), name="identity-request"),
    path("auth/change-password", auth.ChangePasswordView.as_view(), name="change-password"),
    path("auth/password-reset", auth.PasswordResetView.as_view(), name="password-reset"),
    path("auth/password-reset/confirm", auth.PasswordResetConfirmView.as_view(), name="password-reset-confirm"),
    path("auth/verify-email", auth.VerifyEmailView.as_view(), name="verify-email"),
    path("session/", include((session.urlpatterns, "rest_framework"), namespace="rest_framework")),
]
