"""What Budget does: load, decide, save, and answer questions."""
