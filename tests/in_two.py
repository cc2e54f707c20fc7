"""A program in two processes: python -m tests.in_two MODULE ARGUMENT...

They find themselves where torchrun would put them, which imports PyTorch three times for that. It
ends with 1 unless both end with 0.
"""

import importlib
import os
import sys

from hosting.trial import free_port

if __name__ == "__main__":
    module, *arguments = sys.argv[1:]
    main = importlib.import_module(module).main
    os.environ |= {"WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "here"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    for rank in "01":
        if os.fork() == 0:
            os.environ |= {"RANK": rank, "LOCAL_RANK": rank}
            sys.exit(main(arguments))
    sys.exit(max(os.wait()[1] for _ in "01") and 1)
