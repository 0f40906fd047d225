"""Manual pages out of the commands' own help and of docs/: nothing is written in two places."""
