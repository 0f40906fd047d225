"""What hostile clients do, kind by kind; `client.py` is what they have in common."""
