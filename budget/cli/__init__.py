"""Where Tekton's scripts look for the command line."""
