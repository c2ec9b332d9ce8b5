"""Judges every frame that a crate sent in a run: rules with clauses, third-party codecs, tshark, the peer's refusal.

Pure from bytes to findings; `batch` reads a run's captures and writes what was found.
"""
