"""Reading what Rhetor and Apollo left on disk: each source copied, checked and translated; nothing is written there."""
