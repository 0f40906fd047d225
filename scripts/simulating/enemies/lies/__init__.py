"""What lying hubs do, kind by kind; `hub.py` is what they have in common."""
