"""What scripts/attacks.py runs: one module per attack, and the seam between them."""
