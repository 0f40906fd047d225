"""A daemon: the process of one node, from its start to its end. daemon.py wires the parts."""
