"""PostgreSQL refuses to change or delete rows of the auctions' log. A demo that is put back says so first
(`SET LOCAL forecourt.rewrite_log = 'on'`); emptying the table, as tests do, is not held up. SQLite has no such guard."""

from django.db import migrations

CREATE = """
CREATE FUNCTION auctions_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('forecourt.rewrite_log', true) = 'on' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    -- The one column that may change is the actor, when an account is deleted.
    IF TG_OP = 'UPDATE' AND NEW.actor_id IS NULL AND to_jsonb(NEW) - 'actor_id' = to_jsonb(OLD) - 'actor_id' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the log of auctions is append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER auctions_log_append_only BEFORE UPDATE OR DELETE ON auctions_auctionlogentry
    FOR EACH ROW EXECUTE FUNCTION auctions_log_is_append_only();
"""
REMOVE = """
DROP TRIGGER auctions_log_append_only ON auctions_auctionlogentry;
DROP FUNCTION auctions_log_is_append_only();
"""


def create(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE)


def remove(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(REMOVE)


class Migration(migrations.Migration):
    dependencies = [("auctions", "0001_initial")]
    operations = [migrations.RunPython(create, remove)]
