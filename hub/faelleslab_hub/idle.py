"""Stop servers nobody uses: jupyterhub-idle-culler, made to end with the hub.

The hub starts it as a managed service. A hub that is killed would leave it behind and start a second one, so the
kernel is asked to end it when its parent dies.
"""

import ctypes
import os
import signal
import sys

from jupyterhub_idle_culler import main

_PR_SET_PDEATHSIG = 1
_AFTER_S = 2 * 3600
_EVERY_S = 300

if __name__ == "__main__":
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # The hub stops its services by SIGINT, which a hub started in the background has taught its children to ignore.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The parent may have died before the request was made.
    if os.getppid() == parent:
        sys.argv = [sys.argv[0], f"--timeout={_AFTER_S}", f"--cull-every={_EVERY_S}"]
        main()
