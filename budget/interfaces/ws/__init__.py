"""The WebSocket interface: Tekton's frames (wire contract 4), and the events of the journal one by one."""
