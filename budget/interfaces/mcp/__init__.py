"""MCP: Tekton's message protocol and tools, and the Model Context Protocol."""
