"""PSRD: pools as ordered streams with a position, on the owner's and on the receiver's side."""
