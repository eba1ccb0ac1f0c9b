"""The `budget` command."""
