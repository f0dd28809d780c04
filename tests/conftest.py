"""What holds for all tests."""

import signal

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in the background of a script
    # What tests start inherits it, and would not hear Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
