"""One-time tags and pads: what makes a frame authentic and a share secret."""
