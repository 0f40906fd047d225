"""The faults of scripts/mutants.py, by subject; `mutant.py` says what one is."""
