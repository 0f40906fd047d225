"""A crowd: thousands of clients of one hub in one process, by the product's own engine and dialer."""
