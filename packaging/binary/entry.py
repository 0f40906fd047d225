"""What the executable runs: the program under whose name it was called.

`dskectl` and `dsked-nursery` (which `dskectl start` calls, dsked/cli/launching.py) are links to `dsked`.
"""

import sys
from pathlib import Path


def _run(name: str) -> None:
    if name == "dskectl":
        from dsked.cli.dskectl import main
    elif name == "dsked-nursery":
        from dsked.cli.nursery import main
    else:
        from dsked.cli.dsked import main
    main()


_run(Path(sys.argv[0]).name)
