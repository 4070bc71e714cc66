"""What holds for all tests."""

import signal

# A shell starts what it sends to the background deaf to Ctrl-C, and all below inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
