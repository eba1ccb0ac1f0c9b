"""What speaks with the neighbours, each alone."""
