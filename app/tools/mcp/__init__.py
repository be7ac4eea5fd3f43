"""MCP servers as sources of tools, over streamable HTTP."""
