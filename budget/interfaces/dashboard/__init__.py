"""The dashboard: one page of plain files, which asks REST and listens on the WebSocket as everyone does."""
