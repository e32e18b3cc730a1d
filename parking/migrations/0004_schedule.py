"""The jobs of parking."""

from django.conf import settings
from django.db import migrations

from common.schedules import At, Every, scheduling

JOBS = (
    Every(60, "sweep_no_shows", "No-shows", "Gives up reservations whose driver did not come."),
    Every(60, "sweep_overstays", "Overstays", "Extends vehicles that stay too long, and makes way for or moves who comes next."),
    Every(900, "send_reminders", "Reminders", "Once a day and person, at 18:00 where they live, to those who did not park lately."),
    At("0", "9", "send_monthly_reports", "Monthly reports", "Mails each driver who parked the report of the month before.", day="1", zone=settings.DEFAULT_USER_TIMEZONE),
    At("30", "9-23", "send_monthly_reports", "Late monthly reports", "Finds whom the first run could not serve, or whose month ends later than here.", day="1,2", zone=settings.DEFAULT_USER_TIMEZONE),
    At("30", "4", "blank_plates", "Plate retention", "Blanks plates PLATE_RETENTION_DAYS after their release, when that is set."),
)
create, remove = scheduling("parking", JOBS)


class Migration(migrations.Migration):
    dependencies = [
        ("parking", "0003_roles"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, remove)]
