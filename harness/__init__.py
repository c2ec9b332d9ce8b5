"""Checks Rust crates for IoT protocols against real brokers and reports what works."""
