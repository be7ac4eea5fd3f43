"""What one gateway process can carry, measured against the same load without it."""
