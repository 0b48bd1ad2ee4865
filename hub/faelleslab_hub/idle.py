"""Stop servers nobody uses: jupyterhub-idle-culler, made to end with the hub.

The hub starts it as a managed service, with its own process id as the only argument. A hub that is killed would leave
it behind and start a second one, so the kernel is asked to end it when its parent dies.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_AFTER_S = 2 * 3600
_EVERY_S = 300


def main(hub: int) -> None:
    """Stop idle servers until the hub ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # The hub stops its services by SIGINT, which a hub started in the background has taught its children to ignore.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if os.getppid() != hub:
        return  # it died before the kernel was asked
    import jupyterhub_idle_culler

    sys.argv = ["idle", f"--timeout={_AFTER_S}", f"--cull-every={_EVERY_S}"]
    jupyterhub_idle_culler.main()


if __name__ == "__main__":
    main(int(sys.argv[1]))
