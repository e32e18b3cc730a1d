"""Staff pages of people, their sign-ins, and what the system sends and writes for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts import sellers, services
from accounts.authentication import user_of
from accounts.models import Export, Notification, SellerProfile, TokenFamily, User
from common import clock
from common.admin import ReadOnlyAdmin, StaffAdmin
from common.dashboard import Figure, panel

ACCOUNT_FIELDS = ("is_active", "is_superuser", "bid_limit", "email_verified_at")


class NewUserForm(UserCreationForm):
    """An account that staff make; the person may change the password later."""

    class Meta:
        model = User
        fields = ("email",)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, StaffAdmin):
    """People. Roles decide who enters here: `is_staff` follows them and cannot be set by hand."""

    form = UserChangeForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "get_full_name", "is_active", "show_roles", "show_can_bid", "last_login", "created_at")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups", ("email_verified_at", admin.EmptyFieldListFilter))
    search_fields = ("email", "username", "first_name", "last_name", "phone")
    ordering = ("email",)
    filter_horizontal = ("groups",)
    fieldsets = (
        (None, {"fields": ("email", "username", "password", *ACCOUNT_FIELDS, "is_staff", "groups")}),
        ("Person", {"fields": ("first_name", "last_name", "phone", "timezone")}),
        ("Bidding", {"fields": ("identity_requested_at", "identity_verified_at", "payment_provider", "payment_last4")}),
        ("Record", {"fields": ("last_login", "created_at", "updated_at", "anonymised_at")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "usable_password", "password1", "password2")}),)
    readonly_fields = (
        "email", "username", "is_staff", "first_name", "last_name", "phone", "timezone", "identity_requested_at",
        "identity_verified_at", "payment_provider", "payment_last4", "last_login", "created_at", "updated_at",
        "anonymised_at",
    )  # fmt: skip
    actions = ["verify_identity", "end_sessions"]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Only administrators hand out rights: whoever may merely edit accounts could make themselves one."""
        if obj is None:
            return ()
        return self.readonly_fields if request.user.is_superuser else (*self.readonly_fields, "is_superuser", "groups")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # A person is erased through their own account, which keeps what others' records refer to.

    def perform_update(self, request: HttpRequest, user: User, data: dict[str, Any]) -> User:
        """The service guards the last administrator."""
        changes = {name: value for name, value in data.items() if name in ACCOUNT_FIELDS}
        if "groups" in data:
            changes["groups"] = [group.name for group in data["groups"]]
        return services.update_account(user_id=user.pk, changes=changes, now=clock.now())

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: list[Any], change: bool) -> None:
        """`perform_update` has written the groups already."""

    @display(description="roles", label=True)
    def show_roles(self, user: User) -> list[str]:
        return ["administrator"] * user.is_superuser + [group.name for group in user.groups.all()]

    @display(description="can bid", boolean=True)
    def show_can_bid(self, user: User) -> bool:
        return user.can_bid

    def has_verify_identity_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.verify_identity")

    @action(description="Confirm identity", permissions=["verify_identity"])
    def verify_identity(self, request: HttpRequest, queryset: Any) -> None:
        for user in queryset:
            self.run(
                request,
                lambda user=user: services.verify_identity(user_id=user.pk, now=clock.now()),
                done=f"{user} is who they say.",
            )

    @action(description="End all sessions", permissions=["change"])
    def end_sessions(self, request: HttpRequest, queryset: Any) -> None:
        for user in queryset:
            services.end_sessions(user_id=user.pk, now=clock.now())
        self.message_user(request, "They must sign in again.")


admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(DjangoGroupAdmin, StaffAdmin):
    """Roles and their permissions. The six that come with the product let their members into the admin."""

    list_display = ("name",)


@admin.register(SellerProfile)
class SellerProfileAdmin(StaffAdmin):
    """Dealers who ask for the badge."""

    list_display = ("business_name", "user", "dealer_license_number", "approved_at", "approved_by")
    list_filter = (("approved_at", admin.EmptyFieldListFilter),)
    list_select_related = ("user", "approved_by")
    search_fields = ("business_name", "user__email", "dealer_license_number")
    readonly_fields = ("user", "business_name", "dealer_license_number", "tax_id", "approved_at", "approved_by")
    actions = ["approve"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: SellerProfile | None = None) -> bool:
        return False

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.approve_sellerprofile")

    @action(description="Approve", permissions=["approve"])
    def approve(self, request: HttpRequest, queryset: Any) -> None:
        for profile in queryset:
            self.run(
                request,
                lambda profile=profile: sellers.approve_seller_profile(
                    profile_id=profile.pk, approver=user_of(request), now=clock.now()
                ),
                done=f"{profile} is approved.",
            )


@admin.register(TokenFamily)
class TokenFamilyAdmin(ReadOnlyAdmin):
    """Sign-ins: since when, and why they ended. The token itself is not kept."""

    list_display = ("user", "created_at", "expires_at", "revoked_at", "revoked_reason")
    list_filter = ("revoked_reason",)
    list_select_related = ("user",)
    search_fields = ("user__email",)
    fields = list_display


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """What was said to whom, and whether the mail went out."""

    list_display = ("recipient", "kind", "title", "created_at", "read_at", "mail_status", "mail_attempts", "mail_error")
    list_filter = ("mail_status", "kind")
    list_select_related = ("user",)
    search_fields = ("user__email", "address", "title")


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin):
    """Files that workers write. Only their owners can download them."""

    list_display = ("id", "owner", "kind", "status", "rows", "bytes", "created_at", "finished_at", "error")
    list_filter = ("status", "kind")
    list_select_related = ("owner",)
    search_fields = ("owner__email",)


@panel("accounts.view_user")
def people_panel(now: datetime) -> Iterator[Figure]:
    """Who is here, and who is new."""
    active = User.objects.filter(is_active=True)
    fresh = active.filter(created_at__gte=now - timedelta(days=7)).count()
    yield Figure("Users", active.count(), f"{fresh} of them new this week", reverse("admin:accounts_user_changelist"))


@panel("accounts.view_sellerprofile")
def seller_panel(now: datetime) -> Iterator[Figure]:
    """The queue of dealers to approve."""
    waiting = SellerProfile.objects.filter(approved_at__isnull=True).count()
    url = reverse("admin:accounts_sellerprofile_changelist") + "?approved_at__isempty=1"
    yield Figure("Sellers to approve", waiting, "ask for the dealer badge", url, alarm=waiting > 0)


@panel("accounts.view_notification")
def mail_panel(now: datetime) -> Iterator[Figure]:
    """Mails that could not be sent."""
    failed = Notification.objects.filter(mail_status=Notification.MailStatus.FAILED).count()
    url = reverse("admin:accounts_notification_changelist") + "?mail_status__exact=failed"
    yield Figure("Mails failed", failed, "given up after repeated attempts", url, alarm=failed > 0)
