"""
`python -m edge_agent run agent.json`: the agent as a process; `… uplink agent.json` sends what it leaves in the spool.

It ends without a traceback from its first moment: the signals are taken care of before the imports that take long.
"""

import signal
import sys

ENDINGS = {signal.SIGINT: 130, signal.SIGTERM: 0, signal.SIGHUP: 0}
"""Exit codes by signal, the same as those of a run that is stopped."""


def leave(number: int, _frame: object) -> None:
    """End the process; a run has handlers of its own."""
    sys.exit(ENDINGS[signal.Signals(number)])


if __name__ == "__main__":
    for ending in ENDINGS:
        if signal.getsignal(ending) is not signal.SIG_IGN:  # as `nohup` has it
            signal.signal(ending, leave)

    if sys.argv[1:2] == ["uplink"]:  # a process of its own that loads no engine
        from edge_agent.uplink.command import main
    else:
        from edge_agent.command_line import main

    sys.exit(main())
