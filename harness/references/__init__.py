"""The Python clients that verify what crates did, one module a protocol, and the control probes made from them."""
