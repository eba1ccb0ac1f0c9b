"""The rows: the only part that knows the database."""
