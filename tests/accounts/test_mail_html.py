"""A kind may bring its own HTML part."""

from __future__ import annotations

import pytest
from django.core import mail
from django.utils import timezone
from django.utils.safestring import mark_safe

from accounts.models import Notification
from accounts.notifications import deliver, notify
from accounts.registry import MailContent, NotificationKind, notification_kinds

pytestmark = pytest.mark.django_db


def _own_html(notification: Notification) -> MailContent:
    html = "<p>Three <b>stays</b></p>"
    return MailContent("Stays", "Three stays", html=mark_safe(html) if notification.data["safe"] else html)


notification_kinds.register("test_html", NotificationKind(label="HTML of the tests", build_mail=_own_html))


@pytest.mark.parametrize(
    ("safe", "shown"),
    [(True, "<p>Three <b>stays</b></p>"), (False, "&lt;p&gt;Three &lt;b&gt;stays&lt;/b&gt;&lt;/p&gt;")],
)
def test_what_is_marked_as_safe_stands_in_the_html_part_and_all_else_is_escaped(safe, shown, user):
    row = notify(user=user, kind="test_html", title="Stays", data={"safe": safe})
    assert row is not None
    assert deliver(notification_id=row.pk, now=timezone.now())
    (message,) = mail.outbox
    assert message.body.startswith("Three stays\n")
    html = message.alternatives[0].content
    assert shown in html
    assert message.extra_headers["List-Unsubscribe"].strip("<>") in html
