"""What fuzzing feeds the decoders, and what must hold of each of them."""
