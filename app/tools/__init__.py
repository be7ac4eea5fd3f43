"""What a model may use: one port, and the sources of tools behind it."""
