"""The guide's own page: which crates it links, and what a run would have it say. Pure: text in, text out."""
