"""`make oci-walk`: every row by the stock command line, then what rows the SDKs have, by today's and by 2.160.0.

Exit status: 0 when every row held, 1 when one did not, 2 when a part cannot be had.
"""

import sys
import tempfile
import time
from pathlib import Path

from oci_walk import more, rows
from oci_walk.play import play
from oci_walk.stage import Failed, Missing, Stage, client_program, sdk_before


def main() -> int:
    """Play everything."""
    try:
        program, python_before = client_program(), sdk_before()
    except Missing as fault:
        print(f"oci-walk: WANTS {fault}")
        return 2
    whole = True
    with tempfile.TemporaryDirectory(prefix="assay-oci-walk-") as folder:
        began = time.monotonic()
        with Stage(Path(folder) / "cli", program) as stage:
            walk = rows.Walk(stage)
            held = play("oci", walk, rows.ROWS)
            print(f"{held} of {len(rows.ROWS)} rows", flush=True)
            whole = held == len(rows.ROWS)
            if whole:
                held = play("also", walk, more.ROWS)
                print(f"{held} of {len(more.ROWS)} rows more", flush=True)
                whole = held == len(more.ROWS)
        for python in (program.parent / "python", python_before):
            with Stage(Path(folder) / python.parts[-3], program) as stage:
                try:
                    print(stage.sdk(python), end="", flush=True)
                except Failed as fault:
                    print(fault)
                    whole = False
        print(f"in {time.monotonic() - began:.0f} s")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
