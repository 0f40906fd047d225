"""The hub: holds PSRD with its clients, stores shares for a while, knows who serves whom."""
