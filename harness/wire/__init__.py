"""The wire contract between harness and probes: one JSON object a line, defined once, here.

`rust-probes/WIRE.md` and `docs/wire.schema.json` are generated from these types (`python -m harness.wire.document`).
"""
