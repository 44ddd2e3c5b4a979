"""`./wrenn chaos`: attacks a server of its own for as long as asked."""

import argparse
import json
import random
import sys
from dataclasses import asdict
from pathlib import Path

from chaos.attack import Attack, report


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./wrenn chaos",
        description="Random operations on a server of its own while it, its VMs and its database are"
        " killed and its file operations fail; a model says what each capsule must hold afterwards. The"
        " last line on standard output is the result as JSON; the exit code is 1 for any difference or"
        " leak.",
    )
    parser.add_argument("--minutes", type=float, default=5, help="how long; default 5")
    parser.add_argument("--seed", type=int, help="brings back the decisions of another run")
    parser.add_argument("--log", type=Path, metavar="FILE", help="where to keep the server's log")
    parser.add_argument("--json", action="store_true", help="nothing but the result")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    say = (lambda _: None) if options.json else report
    say(f"seed {seed}")

    tally = Attack(seed, say).run(options.minutes, options.log)
    print(json.dumps(asdict(tally)), flush=True)
    return 1 if tally.differences or tally.leaks else 0


if __name__ == "__main__":
    sys.exit(main())
