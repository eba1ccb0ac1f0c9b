"""The ways in, each thin, none knowing another."""
