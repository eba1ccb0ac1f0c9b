"""A seeded simulator that drives the real ledger through trouble, and holds it against a naive model of itself."""
