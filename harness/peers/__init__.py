"""Scripted peers: they do what no healthy broker would, or only at moments that nobody can choose."""
