"""The wire: frames, messages, the handshake and the session, as proto/ specifies them."""
