"""`python -m dsked`: the daemon."""

from dsked.cli.dsked import main

if __name__ == "__main__":
    main()
