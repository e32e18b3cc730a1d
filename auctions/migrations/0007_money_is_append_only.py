"""PostgreSQL refuses to delete rows of money, and to change the columns that say how much, of what and for whom. A demo
that is put back says so first, as with the log of bids (`SET LOCAL forecourt.rewrite_log = 'on'`); emptying a table, as
tests do, is not held up. SQLite has no such guard."""

from django.db import migrations

FROZEN = {
    "order": "order_number listing_id auction_id offer_id buyer_id seller_id hammer_price currency fee_schedule",
    "offer": "kind listing_id auction_id buyer_id seller_id made_by amount currency parent_id round",
    "invoice": "number year sequence order_id currency subtotal tax_total total issued_at",
    "invoiceline": "invoice_id position kind description amount",
    "creditnote": "number year sequence invoice_id refund_id amount reason issued_at",
    "payment": "order_id provider amount currency",
    "refund": "payment_id order_id amount currency",
    "payout": "order_id price fee amount currency",
    "settlementevent": "subject subject_id order_id old new reason details at",
    "webhookevent": "provider event_id kind body received_at",
}
CREATE = """
CREATE FUNCTION auctions_money_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    frozen text;
BEGIN
    IF current_setting('forecourt.rewrite_log', true) = 'on' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    FOREACH frozen IN ARRAY TG_ARGV LOOP
        IF to_jsonb(NEW) -> frozen IS DISTINCT FROM to_jsonb(OLD) -> frozen THEN
            RAISE EXCEPTION '%.% never changes', TG_TABLE_NAME, frozen USING ERRCODE = 'restrict_violation';
        END IF;
    END LOOP;
    RETURN NEW;
END $$;
"""
GUARD = """
CREATE TRIGGER auctions_{table}_append_only BEFORE UPDATE OR DELETE ON auctions_{table}
    FOR EACH ROW EXECUTE FUNCTION auctions_money_is_append_only({columns});
"""


def create(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE, params=None)  # Its percent signs are RAISE's.
        for table, columns in FROZEN.items():
            quoted = ", ".join(f"'{column}'" for column in columns.split())
            schema_editor.execute(GUARD.format(table=table, columns=quoted))


def remove(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for table in FROZEN:
            schema_editor.execute(f"DROP TRIGGER auctions_{table}_append_only ON auctions_{table}")
        schema_editor.execute("DROP FUNCTION auctions_money_is_append_only()")


class Migration(migrations.Migration):
    dependencies = [("auctions", "0006_settlement")]
    operations = [migrations.RunPython(create, remove)]
