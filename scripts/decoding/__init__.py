"""DSKE version 1 decoded from proto/ alone: shares no code with dsked/, and needs nothing but Python."""
