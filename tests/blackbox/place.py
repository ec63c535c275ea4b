"""What test processes beside each other share out: each holds a number of its
own for as long as it lives, and takes its ports and networks by that."""

import fcntl
import os
import tempfile

PLACES = 40
_FOLDER = os.path.join(tempfile.gettempdir(), "postoffice-test-places")


def _take():
    os.makedirs(_FOLDER, exist_ok=True)
    for number in range(PLACES):
        held = os.open(os.path.join(_FOLDER, str(number)), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return number, held
        except BlockingIOError:
            os.close(held)
    raise RuntimeError(f"{PLACES} test processes hold every place of {_FOLDER}")


# The open file is the claim: the kernel lets go of it when this process ends.
# Its descriptor is not inherited by nodes, since Python opens none so.
PLACE, _held = _take()
