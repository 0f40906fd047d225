"""What must always hold, checked as things happen."""
