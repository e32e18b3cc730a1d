"""Users and what belongs to them across all apps. Writes go through `accounts.services` and its sister modules."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from common.models import TimestampedModel
from common.text import email_key, natural_key


class UserManager(BaseUserManager["User"]):
    """Looks users up by what they sign in with."""

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=email_key(username or ""))

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=email_key(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        fields = {"is_staff": True, "is_superuser": True, "email_verified_at": timezone.now()} | fields
        return self.create_user(email, password, **fields)


class User(AbstractBaseUser, PermissionsMixin, TimestampedModel):
    """A person. Everybody is a customer and buyer; Django groups add roles (see `accounts.roles`)."""

    email = models.EmailField(max_length=254, unique=True, help_text="Stored NFKC and case folded; the sign-in name.")
    username = models.CharField(max_length=64, null=True, blank=True)
    username_key = models.CharField(max_length=128, null=True, blank=True, unique=True, editable=False)
    first_name = models.CharField(max_length=150, blank=True)
    last_name = models.CharField(max_length=150, blank=True)
    phone = models.CharField(max_length=16, blank=True, help_text="E.164.")
    address_line1 = models.CharField(max_length=200, blank=True)
    address_line2 = models.CharField(max_length=200, blank=True)
    address_city = models.CharField(max_length=100, blank=True)
    address_state = models.CharField(max_length=100, blank=True)
    address_zip = models.CharField(max_length=20, blank=True)
    address_country = models.CharField(max_length=2, blank=True, help_text="ISO 3166-1 alpha-2.")
    timezone = models.CharField(max_length=64, blank=True, help_text="IANA name; blank means the deployment's.")
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="May enter the admin; follows staff group membership.")
    email_verified_at = models.DateTimeField(null=True, blank=True)
    identity_requested_at = models.DateTimeField(null=True, blank=True)
    identity_verified_at = models.DateTimeField(null=True, blank=True)
    payment_provider = models.CharField(max_length=32, blank=True)
    payment_reference = models.CharField(max_length=128, blank=True)
    payment_last4 = models.CharField(max_length=4, blank=True)
    clerk_user_id = models.CharField(max_length=64, null=True, blank=True, unique=True)
    bid_limit = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    token_version = models.PositiveIntegerField(default=0, help_text="Raising it ends every session of the user.")
    anonymised_at = models.DateTimeField(null=True, blank=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()
    # Set by `accounts.authentication`: permission codenames (`app.codename`) that came with the user's row.
    loaded_permissions: frozenset[str] | None = None

    class Meta:
        ordering = ["id"]
        permissions = [("verify_identity", "Can confirm who a person is")]
        constraints = [
            models.CheckConstraint(
                condition=Q(bid_limit__isnull=True) | Q(bid_limit__gte=0), name="user_bid_limit_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.email

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the keys in step with what people typed, whoever saves."""
        self.email = email_key(self.email)
        self.username = self.username or None
        self.username_key = natural_key(self.username) if self.username else None
        fields = kwargs.get("update_fields")
        if fields is not None and "username" in fields:
            kwargs["update_fields"] = {*fields, "username_key"}
        super().save(*args, **kwargs)

    def set_password(self, raw_password: str | None) -> None:
        """Whoever sets a password, a service, the admin or `manage.py changepassword`: with the save all tokens end."""
        super().set_password(raw_password)
        self.token_version += 1

    def get_session_auth_hash(self) -> str:
        """Bind browser sessions to the token version as well as to the password: raising it ends them too."""
        secret = f"{self.password}:{self.token_version}"
        return salted_hmac("accounts.session", secret, algorithm="sha256").hexdigest()

    def role_names(self) -> list[str]:
        """The user's roles in alphabetical order; a superuser also is an `administrator`."""
        return ["administrator", *self.group_names] if self.is_superuser else self.group_names

    def get_full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.username or self.email

    @property
    def group_names(self) -> list[str]:
        return sorted(group.name for group in self.groups.all())

    def permission_names(self) -> list[str]:
        """`app.codename` of everything the user may do, in alphabetical order."""
        return sorted(self.get_all_permissions())

    @property
    def payment_profile(self) -> dict[str, str] | None:
        """What may be shown of the means of payment on file."""
        if not self.payment_reference:
            return None
        return {"provider": self.payment_provider, "last4": self.payment_last4}

    @property
    def can_bid(self) -> bool:
        """Active, e-mail and identity verified, and a payment profile on file."""
        return bool(self.is_active and self.email_verified_at and self.identity_verified_at and self.payment_reference)


class SellerProfile(TimestampedModel):
    """A dealer's business; an approved one earns the dealer badge."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="seller_profile")
    business_name = models.CharField(max_length=200)
    dealer_license_number = models.CharField(max_length=64)
    tax_id = models.CharField(max_length=64)
    approved_at = models.DateTimeField(null=True, blank=True)
    approved_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["id"]
        permissions = [("approve_sellerprofile", "Can approve seller profiles")]

    def __str__(self) -> str:
        return self.business_name

    @property
    def status(self) -> str:
        return "approved" if self.approved_at else "pending"


class TokenFamily(models.Model):
    """One sign-in: the chain of refresh tokens that descend from it. Only the newest token of the chain is good;
    presenting an older one revokes the family, and with it every access token that carries its id."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="token_families")
    current_jti = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_reason = models.CharField(max_length=32, blank=True)

    class Meta:
        verbose_name_plural = "token families"
        indexes = [models.Index(fields=["expires_at"], name="token_family_expires")]

    def __str__(self) -> str:
        return str(self.id)


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Keys by what they are still good for."""

    def live(self, *, now: datetime) -> ApiKeyQuerySet:
        """Those that a request may come with: as `accounts.authentication` asks, but for the holder's being active."""
        return self.filter(
            Q(expires_at__isnull=True) | Q(expires_at__gt=now),
            revoked_at__isnull=True,
            token_version=F("user__token_version"),
        )


class ApiKey(models.Model):
    """What a client program signs in with in place of its holder. It may do what `permissions` names as long as the
    holder may, and what needs no permission: the holder's own data and assignments; never what changes the account (see
    `accounts.permissions.InPerson`). The key itself is not kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16, unique=True, help_text="The public part of the key.")
    secret_hash = models.CharField(max_length=64)
    permissions = models.JSONField(default=list, blank=True)
    read_only = models.BooleanField(default=False)
    token_version = models.PositiveIntegerField(
        help_text="The holder's when the key was made. What ends the holder's sessions raises that and so ends the key."
    )
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_reason = models.CharField(max_length=32, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = "API key"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "name"], condition=Q(revoked_at__isnull=True), name="api_key_name_unique"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="api_key_has_a_name"),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("created_at")), name="api_key_expires_later"
            ),
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True, revoked_reason="")
                | Q(revoked_at__isnull=False) & ~Q(revoked_reason=""),
                name="api_key_revoked_for_a_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(revoked_at__isnull=True), name="api_key_expires"),
        ]

    def __str__(self) -> str:
        return self.name


class LoginCounter(models.Model):
    """Failed sign-ins of one account or one address in the running window. In the database so that it holds with the
    cache down; the key is a hash, so that the table names nobody."""

    class Scope(models.TextChoices):
        ACCOUNT = "account"
        ADDRESS = "address"

    scope = models.CharField(max_length=8, choices=Scope)
    key = models.CharField(max_length=64)
    window_started_at = models.DateTimeField()
    failures = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "key"], name="login_counter_unique")]

    def __str__(self) -> str:
        return f"{self.scope}: {self.failures}"


class Notification(models.Model):
    """The outbox: a row in the caller's transaction is read in the app and mailed by a task that claims it. It is for a
    user, or by mail alone for the `address` of somebody without an account."""

    class MailStatus(models.TextChoices):
        PENDING = "pending"
        SENDING = "sending"
        SENT = "sent"
        FAILED = "failed"
        NONE = "none"

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="notifications")
    address = models.EmailField(
        max_length=254,
        blank=True,
        default="",
        db_default="",
        help_text="Of somebody without an account, who is mailed.",
    )
    kind = models.CharField(max_length=64)
    title = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    data = models.JSONField(default=dict, blank=True)
    dedupe_key = models.CharField(max_length=128, null=True, blank=True)
    in_app = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True, blank=True)
    mail_status = models.CharField(max_length=8, choices=MailStatus, default=MailStatus.PENDING)
    mail_due_at = models.DateTimeField(default=timezone.now, help_text="Next attempt, or the end of the running claim.")
    mail_attempts = models.PositiveSmallIntegerField(default=0)
    mail_sent_at = models.DateTimeField(null=True, blank=True)
    mail_error = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["user", "kind", "dedupe_key"], name="notification_once"),
            models.UniqueConstraint(
                fields=["address", "kind", "dedupe_key"], condition=~Q(address=""), name="notification_once_by_address"
            ),
            models.CheckConstraint(
                condition=Q(user__isnull=False, address="") | Q(user__isnull=True) & ~Q(address=""),
                name="notification_has_one_reader",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-id"], condition=Q(in_app=True), name="notification_inbox"),
            models.Index(fields=["user"], condition=Q(in_app=True, read_at__isnull=True), name="notification_unread"),
            models.Index(
                fields=["mail_due_at"],
                condition=Q(mail_status__in=["pending", "sending"]),
                name="notification_mail_due",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def recipient(self) -> str:
        """Whom it is mailed to."""
        return self.user.email if self.user is not None else self.address


class NotificationPreference(models.Model):
    """What a user wants of one kind; no row means the kind's defaults."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notification_preferences")
    kind = models.CharField(max_length=64)
    in_app = models.BooleanField(default=True)
    email = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "kind"], name="notification_preference_unique")]

    def __str__(self) -> str:
        return self.kind


class IdempotencyRecord(models.Model):
    """The stored answer of one keyed POST, written in the transaction of its effect."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=500)
    key = models.CharField(max_length=255)
    body_sha256 = models.CharField(max_length=64)
    status_code = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "method", "path", "key"], name="idempotency_record_unique"),
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_created")]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Export(models.Model):
    """A file that a worker writes for one owner. The row is the truth of the job, the broker only its doorbell."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        READY = "ready"
        FAILED = "failed"
        EXPIRED = "expired"

    ACTIVE = (Status.QUEUED, Status.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="exports")
    kind = models.CharField(max_length=64)
    params = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=8, choices=Status, default=Status.QUEUED)
    rows = models.PositiveBigIntegerField(default=0)
    total_rows = models.PositiveBigIntegerField(null=True, blank=True)
    bytes = models.PositiveBigIntegerField(default=0)
    file_name = models.CharField(max_length=200, blank=True)
    error = models.CharField(max_length=200, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "kind"],
                condition=Q(status__in=["queued", "running"]),
                name="export_one_active",
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at"], name="export_owner"),
            models.Index(
                fields=["lease_until"],
                condition=Q(status__in=["queued", "running"]),
                name="export_active_lease",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def percent(self) -> int:
        """Whole percent written; 100 only when the file is there."""
        if self.status == self.Status.READY:
            return 100
        return min(99, self.rows * 100 // self.total_rows) if self.total_rows else 0


class Heartbeat(models.Model):
    """The last time a named part of the machinery proved to be alive (`beat`: a task sent by beat ran in a worker)."""

    name = models.CharField(max_length=32, primary_key=True)
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name

    def age_seconds(self, *, now: datetime) -> float:
        return (now - self.beat_at).total_seconds()
