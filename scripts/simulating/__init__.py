"""Whole topologies of pure engines in one process: network, clocks, disks and enemies, all from one seed."""
