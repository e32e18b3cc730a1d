"""What keeps the platform running: replicas, migrations of live data, backups, the connection pooler."""
