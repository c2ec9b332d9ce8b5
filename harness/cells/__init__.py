"""What scenarios hold in their hands: one module a protocol."""
