"""Staff pages of people, their sign-ins, and what the system sends and writes for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, Q
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts import api_keys, sellers, services
from accounts.authentication import user_of
from accounts.models import (
    ApiKey,
    Export,
    Heartbeat,
    LoginCounter,
    Notification,
    NotificationPreference,
    SellerProfile,
    TokenFamily,
    User,
)
from common import clock
from common.admin import ReadOnlyAdmin, StaffAdmin, status_column
from common.dashboard import Figure, Queue, Visit, list_url, panel, queues

ACCOUNT_FIELDS = ("is_active", "is_superuser", "bid_limit", "email_verified_at")
VERIFY = "accounts.verify_identity"
IDENTITY_ASKED = Q(identity_requested_at__isnull=False, identity_verified_at=None)
SILENT_AFTER_S = 120  # The schedule ticks every half minute.


IDENTITY_FILTERS = (
    ("identity_requested_at", admin.EmptyFieldListFilter),
    ("identity_verified_at", admin.EmptyFieldListFilter),
)
WHO_ASKED = ("email", "first_name", "last_name", "identity_requested_at", "identity_verified_at")


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
    list_display = ("email", "show_name", "is_active", "show_roles", "show_can_bid", "last_login", "created_at")
    list_filter = (
        "is_active", "is_staff", "is_superuser", "groups", ("email_verified_at", admin.EmptyFieldListFilter),
        *IDENTITY_FILTERS,
    )  # fmt: skip
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
        rows = super().get_queryset(request).prefetch_related("groups")
        return rows if _manages(request) else rows.filter(identity_requested_at__isnull=False)

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return _manages(request) or request.user.has_perm(VERIFY)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_list_display(self, request: HttpRequest) -> Any:
        return super().get_list_display(request) if _manages(request) else WHO_ASKED

    def get_list_filter(self, request: HttpRequest) -> Any:
        return super().get_list_filter(request) if _manages(request) else IDENTITY_FILTERS

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Whoever confirms identities needs to know who it is, and no more."""
        return super().get_fieldsets(request, obj) if _manages(request) else ((None, {"fields": WHO_ASKED}),)

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

    @display(description="name")
    def show_name(self, user: User) -> str:
        return user.get_full_name()

    @display(description="roles", label=True)
    def show_roles(self, user: User) -> list[str]:
        return ["administrator"] * user.is_superuser + [group.name.replace("_", " ") for group in user.groups.all()]

    @display(description="can bid", boolean=True)
    def show_can_bid(self, user: User) -> bool:
        return user.can_bid

    def has_verify_identity_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(VERIFY)

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


def _manages(request: HttpRequest) -> bool:
    """Others come for the people whose identity is to be confirmed."""
    return request.user.has_perm("accounts.view_user")


admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(DjangoGroupAdmin, StaffAdmin):
    """Roles and their permissions. The six that come with the product let their members into the admin."""

    list_display = ("name", "show_members", "show_permissions")

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        return rows.annotate(
            members=Count("user", distinct=True, filter=Q(user__is_active=True)),
            granted=Count("permissions", distinct=True),
        )

    @display(description="members", ordering="members")
    def show_members(self, role: Any) -> int:
        return int(role.members)

    @display(description="permissions", ordering="granted")
    def show_permissions(self, role: Any) -> int:
        return int(role.granted)


@admin.register(SellerProfile)
class SellerProfileAdmin(ReadOnlyAdmin):
    """Dealers who ask for the badge."""

    list_display = ("business_name", "user", "dealer_license_number", "approved_at", "approved_by")
    list_filter = (("approved_at", admin.EmptyFieldListFilter),)
    list_select_related = ("user", "approved_by")
    search_fields = ("business_name", "user__email", "dealer_license_number")
    actions = ["approve"]

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
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "revoked_reason", "created_at")
    list_select_related = ("user",)
    search_fields = ("user__email",)
    ordering = ("-created_at",)
    fields = list_display


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Keys that client programs sign in with. People make them for themselves; the key itself is not kept."""

    list_display = (
        "user", "name", "prefix", "show_permissions", "read_only", "last_used_at", "expires_at", "revoked_at",
        "revoked_reason",
    )  # fmt: skip
    list_filter = (
        ("revoked_at", admin.EmptyFieldListFilter), "read_only", ("last_used_at", admin.EmptyFieldListFilter),
        "expires_at", "revoked_reason",
    )  # fmt: skip
    list_select_related = ("user",)
    search_fields = ("user__email", "name", "prefix")
    fields = (
        "user", "name", "prefix", "permissions", "read_only", "created_at", "expires_at", "last_used_at", "revoked_at",
        "revoked_reason",
    )  # fmt: skip
    actions = ["revoke"]

    @display(description="permissions")
    def show_permissions(self, key: ApiKey) -> int:
        return len(key.permissions)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_apikey")

    @action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        for key in queryset:
            api_keys.revoke_api_key(key=key, reason=api_keys.BY_STAFF, now=clock.now())
        self.message_user(request, "They are refused from now on, and their holders are told.")


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """What was said to whom, and whether the mail went out."""

    list_display = ("recipient", "kind", "title", "created_at", "read_at", "show_mail", "mail_attempts", "mail_error")
    show_mail = status_column({"sent": "success", "failed": "danger", "pending": "info"}, field="mail_status")
    list_filter = ("mail_status", "kind")
    list_select_related = ("user",)
    search_fields = ("user__email", "address", "title")


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin):
    """Files that workers write. Only their owners can download them."""

    list_display = ("kind", "owner", "show_status", "rows", "bytes", "created_at", "finished_at", "error")
    show_status = status_column({"ready": "success", "failed": "danger", "queued": "info", "running": "info"})
    list_filter = ("status", "kind")
    list_select_related = ("owner",)
    search_fields = ("owner__email",)


@admin.register(NotificationPreference)
class NotificationPreferenceAdmin(ReadOnlyAdmin):
    """What people want to be told, where it is not what the kind's default says."""

    list_display = ("user", "kind", "in_app", "email")
    list_filter = ("in_app", "email", "kind")
    list_select_related = ("user",)
    search_fields = ("user__email", "kind")
    ordering = ("-id",)


@admin.register(LoginCounter)
class LoginCounterAdmin(ReadOnlyAdmin):
    """Failed sign-ins of the running windows. Keys are hashes, so that the table names nobody."""

    list_display = ("scope", "failures", "window_started_at")
    list_filter = ("scope", "window_started_at")
    search_fields = ("=key",)
    ordering = ("-failures",)


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    """When each part of the machinery was last heard of."""

    list_display = ("name", "beat_at")
    ordering = ("name",)


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """Who changed what in these pages."""

    list_display = ("action_time", "user", "content_type", "object_repr", "show_action", "get_change_message")
    list_filter = ("action_flag", "action_time", "content_type")
    list_select_related = ("user", "content_type")
    search_fields = ("object_repr", "user__email")
    ordering = ("-action_time",)

    @display(description="action", label={"Deletion": "danger", "Addition": "success"})
    def show_action(self, entry: LogEntry) -> str:
        return str(entry.get_action_flag_display())


@panel("People", "accounts.view_user")
def people_panel(visit: Visit) -> Iterator[Figure]:
    """Who is here, and who is new."""
    active = {"is_active__exact": True}
    week = {"created_at__gte": visit.now - timedelta(days=7)}
    yield from queues(
        User.objects.all(),
        Queue("Users", "who may sign in", active),
        Queue("New users", "within seven days", active | week),
    )


@panel("People", VERIFY)
def identity_panel(visit: Visit) -> Iterator[Figure]:
    """Who wants to bid and has to be looked at."""
    link = {"identity_requested_at__isempty": "0", "identity_verified_at__isempty": "1"}
    asked = Queue("Identities to confirm", "asked for, to bid", where=IDENTITY_ASKED, link=link, alarm=True)
    yield from queues(User.objects.all(), asked)


@panel("People", "accounts.view_sellerprofile")
def seller_panel(visit: Visit) -> Iterator[Figure]:
    """The queue of dealers to approve."""
    link = {"approved_at__isempty": "1"}
    waiting = Queue("Sellers to approve", "ask for the dealer badge", where=Q(approved_at=None), link=link, alarm=True)
    yield from queues(SellerProfile.objects.all(), waiting)


@panel("People", "accounts.view_apikey")
def keys_panel(visit: Visit) -> Iterator[Figure]:
    """What client programs sign in with."""
    week = {"expires_at__gte": visit.now, "expires_at__lt": visit.now + timedelta(days=7)}
    good, link = Q(revoked_at=None), {"revoked_at__isempty": "1"}
    yield from queues(
        ApiKey.objects.all(),
        Queue("API keys", "not revoked", where=good, link=link),
        Queue("API keys expiring", "within seven days", week, where=good, link=link),
    )


@panel("Operations", "accounts.view_notification")
def mail_panel(visit: Visit) -> Iterator[Figure]:
    """Mails that could not be sent, and those that wait."""
    status = Notification.MailStatus
    yield from queues(
        Notification.objects.all(),
        Queue("Mails failed", "given up after repeated attempts", {"mail_status__exact": status.FAILED}, alarm=True),
        Queue("Mails waiting", "to be sent, also again", {"mail_status__in": [status.PENDING, status.SENDING]}),
    )


@panel("Operations", "accounts.view_export")
def export_panel(visit: Visit) -> Iterator[Figure]:
    """Files that are being written, and those that could not be."""
    yield from queues(
        Export.objects.all(),
        Queue("Exports failed", "of their owners' files", {"status__exact": Export.Status.FAILED}, alarm=True),
        Queue("Exports under way", "queued or running", {"status__in": list(Export.ACTIVE)}),
    )


@panel("Operations", "accounts.view_heartbeat")
def heartbeat_panel(visit: Visit) -> Iterator[Figure]:
    """Whether the schedule is alive."""
    beat, url = Heartbeat.objects.filter(name="beat").first(), list_url(Heartbeat)
    if beat is None:
        yield Figure("Schedule", "silent", "no worker has run yet", url, alarm=True)
    else:
        age = beat.age_seconds(now=visit.now)
        alive = age <= SILENT_AFTER_S
        yield Figure("Schedule", "alive" if alive else "silent", f"last tick {age:.0f} s ago", url, alarm=not alive)
