"""asyncio around the engines: sockets, the clock, one write per connection and turn."""
