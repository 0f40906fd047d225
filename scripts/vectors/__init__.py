"""What the vectors of proto/vectors are made of."""
