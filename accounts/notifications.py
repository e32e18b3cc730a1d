"""The outbox. `notify` writes a row in the caller's transaction; a worker mails it after the commit, and a
sweep mails what the doorbell missed.

A mail goes out at most once. The row is claimed by a guarded UPDATE with a lease; just before the mail is
handed over, a second guarded UPDATE sets `mail_sent_at`, and only one worker can win that. From there on
the claim is released only when the server answered that it did not accept the mail. A worker that dies
before the hand-over costs a lease; one that dies, or loses its line, during it leaves a row that is marked
failed and never sent again."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.core import signing
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db.models import F, Q, QuerySet
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.models import Notification, NotificationPreference, User
from accounts.registry import MailContent, NotificationKind, notification_kinds
from common.clock import now as clock_now
from common.doorbell import ring_now_and_then, ring_on_commit
from common.errors import NotFound, Unprocessable
from common.text import email_key

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=2)
MOST_ATTEMPTS = 5
MOST_AT_ONCE = 500  # Rows of one INSERT.
# How long after the 1st, 2nd... failed attempt the next one is due.
BACKOFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
# After one of these during the hand-over nobody knows whether the server took the mail.
_OUTCOME_UNKNOWN = (smtplib.SMTPServerDisconnected, ConnectionError, TimeoutError, ssl.SSLError, SoftTimeLimitExceeded)
_UNSUBSCRIBE_SALT = "accounts.notifications.unsubscribe"
Status = Notification.MailStatus


class UnknownKind(Unprocessable):
    """No such kind of notification, or one that cannot be chosen."""

    code = "unknown_kind"
    detail = "There is no such kind of notification to choose."


# --- Writing ----------------------------------------------------------------------------------------------------------


def notify(
    *,
    user: User,
    kind: str,
    title: str,
    body: str = "",
    data: Mapping[str, Any] | None = None,
    dedupe_key: str | None = None,
    now: datetime | None = None,
) -> Notification | None:
    """Tells the user, in the app and by mail as the user prefers; in the caller's transaction, mailed after
    its commit.

    The same `dedupe_key` for the same user and kind tells once; the row of the first time is answered. None
    when the user wants neither. `title` holds at most 200 characters; `data` is JSON for clients (ids to
    link to) and, like the row as a whole, holds no secret. Raises KeyError for a kind that no app
    registered."""
    entry = notification_kinds[kind]
    in_app, email = _wanted(user, kind, entry)
    if not (in_app or email):
        return None
    return _write(
        {"user": user},
        kind=kind,
        dedupe_key=dedupe_key,
        title=title[:200],
        body=body,
        data=dict(data or {}),
        in_app=in_app,
        mail_status=Status.PENDING if email else Status.NONE,
        created_at=now or clock_now(),
    )


class Message(NamedTuple):
    """What `notify` takes for one user, where there are many to tell."""

    user_id: int
    kind: str
    title: str
    body: str = ""
    data: Mapping[str, Any] | None = None
    dedupe_key: str | None = None


def notify_many(messages: Iterable[Message], *, now: datetime) -> None:
    """Each as `notify` would, in the caller's transaction, but by three queries for every 500 of them; users who are
    not active any more are passed over. A sweep mails them soon after the commit. Raises KeyError for a kind that no
    app registered."""
    waiting = iter(messages)
    while batch := list(islice(waiting, MOST_AT_ONCE)):
        rows = _rows_of(batch, now)
        Notification.objects.bulk_create(rows, ignore_conflicts=True)
        if any(row.mail_status == Status.PENDING for row in rows):
            ring_now_and_then("accounts.tasks.sweep_mail")


def _rows_of(messages: Sequence[Message], now: datetime) -> list[Notification]:
    user_ids = {message.user_id for message in messages}
    active = set(User.objects.filter(pk__in=user_ids, is_active=True).values_list("pk", flat=True))
    kinds = {message.kind: notification_kinds[message.kind] for message in messages}
    choices = NotificationPreference.objects.filter(user__in=active, kind__in=kinds)
    chosen = {
        (user_id, kind): (in_app, email)
        for user_id, kind, in_app, email in choices.values_list("user_id", "kind", "in_app", "email")
    }
    rows = []
    for message in messages:
        in_app, email = _preferred(kinds[message.kind], chosen.get((message.user_id, message.kind)))
        if message.user_id not in active or not (in_app or email):
            continue
        fields: dict[str, Any] = message._asdict() | {"title": message.title[:200], "data": dict(message.data or {})}
        mail_status = Status.PENDING if email else Status.NONE
        rows.append(
            Notification(**fields, in_app=in_app, mail_status=mail_status, created_at=now, mail_due_at=now),
        )
    return rows


def notify_address(
    *,
    address: str,
    kind: str,
    title: str,
    body: str = "",
    data: Mapping[str, Any] | None = None,
    dedupe_key: str | None = None,
    now: datetime | None = None,
) -> Notification:
    """Tells somebody without an account, by mail alone; else as `notify`. There is no preference to heed and nothing to
    unsubscribe from, so it is for answers to what the person asked for. Raises KeyError for an unknown kind."""
    _ = notification_kinds[kind]
    return _write(
        {"address": email_key(address)},
        kind=kind,
        dedupe_key=dedupe_key,
        title=title[:200],
        body=body,
        data=dict(data or {}),
        in_app=False,
        mail_status=Status.PENDING,
        created_at=now or clock_now(),
    )


def forget_address(address: str) -> None:
    """Deletes what was mailed, or is still to be, to an address as that of somebody without an account."""
    Notification.objects.filter(address=email_key(address), user=None).delete()


def _write(
    reader: Mapping[str, Any], *, kind: str, dedupe_key: str | None, created_at: datetime, **fields: Any
) -> Notification:
    fields |= {"created_at": created_at, "mail_due_at": created_at}
    if dedupe_key is None:
        row, created = Notification.objects.create(**reader, kind=kind, **fields), True
    else:
        row, created = Notification.objects.get_or_create(**reader, kind=kind, dedupe_key=dedupe_key, defaults=fields)
    if created and row.mail_status == Status.PENDING:
        ring_on_commit("accounts.tasks.deliver_notification", row.pk)
    return row


def _wanted(user: User, kind: str, entry: NotificationKind) -> tuple[bool, bool]:
    if entry.mandatory:
        return _preferred(entry, None)
    chosen = NotificationPreference.objects.filter(user=user, kind=kind).values_list("in_app", "email").first()
    return _preferred(entry, chosen)


def _preferred(entry: NotificationKind, chosen: tuple[bool, bool] | None) -> tuple[bool, bool]:
    """In the app, by mail."""
    if entry.mandatory:
        return entry.in_app, True
    return chosen or (entry.in_app, entry.email)


# --- Reading ----------------------------------------------------------------------------------------------------------


def mark_read(*, notification: Notification, now: datetime) -> Notification:
    """Sets the time of the first reading; reading again changes nothing."""
    Notification.objects.filter(pk=notification.pk, read_at=None).update(read_at=now)
    notification.refresh_from_db(fields=["read_at"])
    return notification


def mark_all_read(*, user: User, now: datetime) -> int:
    """How many were unread."""
    return Notification.objects.filter(user=user, in_app=True, read_at=None).update(read_at=now)


def hide_notification(*, notification: Notification) -> None:
    """Takes it out of the app. The row stays: its mail may still be due, and its dedupe key must go on to
    count."""
    Notification.objects.filter(pk=notification.pk).update(in_app=False)


# --- Preferences ------------------------------------------------------------------------------------------------------


def preferences_of(user: User) -> dict[str, dict[str, bool]]:
    """Every kind that can be chosen, with the user's choice or the kind's default."""
    chosen = {row.kind: row for row in NotificationPreference.objects.filter(user=user)}
    return {
        kind: {"in_app": source.in_app, "email": source.email}
        for kind, entry in notification_kinds.items()
        if not entry.mandatory
        for source in [chosen.get(kind, entry)]
    }


def set_preferences(*, user: User, choices: Mapping[str, Mapping[str, bool]]) -> dict[str, dict[str, bool]]:
    """Stores the choices, all or none; kinds left out keep theirs (nobody who unsubscribed is subscribed
    again by a client that sends one switch). Raises UnknownKind, also for mandatory kinds."""
    for kind in choices:
        entry = notification_kinds.get(kind)
        if entry is None or entry.mandatory:
            raise UnknownKind(attr=kind)
    NotificationPreference.objects.bulk_create(
        [NotificationPreference(user=user, kind=kind, **wanted) for kind, wanted in sorted(choices.items())],
        update_conflicts=True,
        unique_fields=["user", "kind"],
        update_fields=["in_app", "email"],
    )
    return preferences_of(user)


def unsubscribe_token(*, user: User, kind: str) -> str:
    """For the link in a mail. It does not expire: old mails must be answerable too, and it can only
    unsubscribe."""
    return signing.dumps([user.pk, kind], salt=_UNSUBSCRIBE_SALT)


def read_unsubscribe_token(token: str) -> tuple[User, str]:
    """Raises NotFound for a token that we did not sign, a user who is gone, and a kind that is no more."""
    try:
        user_id, kind = signing.loads(token, salt=_UNSUBSCRIBE_SALT)
    except signing.BadSignature:
        raise NotFound from None
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or kind not in notification_kinds or notification_kinds[kind].mandatory:
        raise NotFound
    return user, kind


def unsubscribe(*, user: User, kind: str) -> None:
    """Ends the mails of one kind; what shows in the app stays as it is."""
    in_app = preferences_of(user)[kind]["in_app"]
    set_preferences(user=user, choices={kind: {"in_app": in_app, "email": False}})


# --- Mailing ----------------------------------------------------------------------------------------------------------


def deliver(*, notification_id: int, now: datetime) -> bool:
    """Mails one row if it is due and free. True when the mail server accepted it in this call. `now` is the
    database's (`common.clock.database_now`): a lease that machines with other clocks must respect."""
    claim = _claim(notification_id, now)
    if claim is None:
        return False
    try:
        message = _message(claim)
        if message is None:
            _mine(claim).update(mail_status=Status.NONE)
            return False
        message.connection = connection = get_connection()
        connection.open()
    except Exception as error:  # Whatever it was, nothing has been handed over.
        _release(claim, error, now)
        return _unless_out_of_time(error)
    try:
        return _hand_over(claim, message, now)
    finally:
        connection.close()


def due_mail(*, now: datetime, limit: int = 500) -> list[int]:
    """The rows to mail now, the longest overdue first: those nobody was rung for, those whose next attempt
    has come, and those whose worker died. Gives up on rows that used up their attempts and on those whose
    worker died while it handed the mail over."""
    lapsed = Notification.objects.filter(mail_status=Status.SENDING, mail_due_at__lte=now)
    lapsed.filter(mail_sent_at__isnull=False).update(
        mail_status=Status.FAILED, mail_error="The worker stopped during the hand-over; not sent again."
    )
    lapsed.filter(mail_attempts__gte=MOST_ATTEMPTS).update(
        mail_status=Status.FAILED, mail_error="The worker stopped at every attempt."
    )
    due = Notification.objects.filter(_due(now)).order_by("mail_due_at", "pk")
    return list(due.values_list("pk", flat=True)[:limit])


def _due(now: datetime) -> Q:
    return Q(
        mail_status__in=[Status.PENDING, Status.SENDING],
        mail_due_at__lte=now,
        mail_sent_at__isnull=True,
        mail_attempts__lt=MOST_ATTEMPTS,
    )


def _claim(notification_id: int, now: datetime) -> Notification | None:
    taken = Notification.objects.filter(_due(now), pk=notification_id).update(
        mail_status=Status.SENDING, mail_due_at=now + LEASE, mail_attempts=F("mail_attempts") + 1
    )
    return Notification.objects.select_related("user").filter(pk=notification_id).first() if taken else None


def _mine(claim: Notification) -> QuerySet[Notification]:
    """The row as long as this worker's claim holds: each claim has a number of attempts of its own."""
    return Notification.objects.filter(pk=claim.pk, mail_status=Status.SENDING, mail_attempts=claim.mail_attempts)


def _hand_over(claim: Notification, message: EmailMultiAlternatives, now: datetime) -> bool:
    if not _mine(claim).filter(mail_sent_at__isnull=True).update(mail_sent_at=now):
        return False  # The lease ran out while we connected, and another worker has the row.
    try:
        message.send()
    except _OUTCOME_UNKNOWN as error:
        _mine(claim).update(mail_status=Status.FAILED, mail_error=_text(error))
        return _unless_out_of_time(error)
    except Exception as error:  # The server said no, or the message could not be written down.
        _release(claim, error, now)
        return False
    _mine(claim).update(mail_status=Status.SENT, mail_error="")
    return True


def _unless_out_of_time(error: Exception) -> bool:
    """False: the mail did not go. But a job whose time is over has to end and must not begin with another mail."""
    if isinstance(error, SoftTimeLimitExceeded):
        raise error
    return False


def _release(claim: Notification, error: Exception, now: datetime) -> None:
    log.warning("mail_failed", notification=claim.pk, kind=claim.kind, attempt=claim.mail_attempts, error=_text(error))
    if claim.mail_attempts >= MOST_ATTEMPTS:
        _mine(claim).update(mail_status=Status.FAILED, mail_error=_text(error), mail_sent_at=None)
        return
    _mine(claim).update(
        mail_status=Status.PENDING,
        mail_due_at=now + BACKOFF[claim.mail_attempts - 1],
        mail_error=_text(error),
        mail_sent_at=None,
    )


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200].replace("\0", "")


def _message(notification: Notification) -> EmailMultiAlternatives | None:
    """None when there is nobody to write to, or nothing to say, any more."""
    user, kind = notification.user, notification.kind
    entry = notification_kinds[kind]
    if user is not None and not (user.is_active and _wanted(user, kind, entry)[1]):
        return None
    content = entry.build_mail(notification) if entry.build_mail else MailContent(notification.title, notification.body)
    if content is None:
        return None
    context: dict[str, Any] = {"content": content, "site": settings.BACKEND_URL}
    headers = {}
    if user is not None and not entry.mandatory:
        token = unsubscribe_token(user=user, kind=kind)
        context |= {"unsubscribe_url": settings.BACKEND_URL + reverse("unsubscribe", args=[token])}
        headers["List-Unsubscribe"] = f"<{context['unsubscribe_url']}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    subject = " ".join(content.subject.split())
    text = render_to_string("accounts/mail/message.txt", context)
    message = EmailMultiAlternatives(subject, text, to=[notification.recipient], headers=headers)
    message.attach_alternative(render_to_string("accounts/mail/message.html", context), "text/html")
    return message
