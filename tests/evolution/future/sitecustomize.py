"""Makes a daemon that starts with FUTURE in its environment one of another version: see later.py."""

import os
import sys

if {"dsked", "dsked.cli.nursery"} & {*sys.orig_argv} and os.environ.get("FUTURE"):
    import later

    for feature in os.environ["FUTURE"].split():
        later.FEATURES[feature]()
