"""The jobs of auctions."""

from django.db import migrations

from common.schedules import At, Every, scheduling

JOBS = (
    Every(5, "open_auctions", "Open auctions", "Opens auctions whose start has come."),
    Every(5, "close_auctions", "Close auctions", "Closes auctions whose end has come and makes the orders."),
    Every(5, "tell_events", "Notifications", "Tells bidders and sellers what happened in their auctions."),
    Every(60, "remind_watchers", "Ending soon", "Reminds watchers a day and a quarter of an hour before the end."),
    Every(60, "match_searches", "Saved searches", "Finds the saved searches that new listings meet."),
    Every(900, "send_digests", "Search digests", "Once a day, what the daily searches found."),
    Every(60, "process_images", "Photos", "Strips and shrinks photos that were not processed at once."),
    Every(3600, "sweep_uploads", "Uploads", "Deletes files that were uploaded and never confirmed."),
    At("15", "3", "verify_auctions", "Verification", "Replays the logs of all auctions and compares what they say."),
)
create, remove = scheduling("auctions", JOBS)


class Migration(migrations.Migration):
    dependencies = [
        ("auctions", "0003_roles"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, remove)]
