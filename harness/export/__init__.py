"""One cell as a folder of its own, which needs nothing of this project: cargo, Python, and Docker for the broker."""
