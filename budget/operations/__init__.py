"""What Budget can be asked to do, and how requests and answers look: shared by all interfaces."""
