"""Builds probes and talks to them."""
