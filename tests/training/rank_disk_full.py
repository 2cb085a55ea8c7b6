"""One rank of a training whose first rank may write only small files; run as a script by test_ranks.py.

    python rank_disk_full.py BYTES ARGUMENT...

The arguments are those of the command line.
"""

import os
import resource
import sys

from zerosum.cli import main

if __name__ == "__main__":
    limit, sys.argv = int(sys.argv[1]), ["zerosum", *sys.argv[2:]]
    if os.environ["RANK"] == "0":
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    main()
