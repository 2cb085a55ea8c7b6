"""Run the command line with `python -m zerosum` or `torchrun -m zerosum`."""

from zerosum.cli import main

if __name__ == "__main__":
    main()
