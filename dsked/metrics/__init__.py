"""What a node tells Prometheus of itself: opt-in, over plain HTTP, without any secret."""
