"""The mails that are due, sent as the worker does."""

from __future__ import annotations

from datetime import datetime

from django.core import mail

from accounts.notifications import deliver, due_mail


def send_due(now: datetime) -> list[str]:
    """The addresses that were mailed, in alphabetical order."""
    before = len(mail.outbox)
    for notification_id in due_mail(now=now):
        deliver(notification_id=notification_id, now=now)
    return sorted(message.to[0] for message in mail.outbox[before:])


def parts_of_last_mail() -> tuple[str, str]:
    """Its text and its HTML."""
    message = mail.outbox[-1]
    return str(message.body), str(message.alternatives[0].content)
