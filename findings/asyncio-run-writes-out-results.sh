#!/usr/bin/env bash
# Guess:   asyncio.run hands a coroutine's result over as it is.
# Happens: in the main thread it asks at the end whether SIGINT's handler is still its own, and puts the old one back.
#          Both look the handler up among the enum Handlers, and the ValueError of that writes it out: a partial with
#          the finished task, and so all of its result (repr), twice. The text of one screen took 45 ms.
# For us:  tui/session/one_frame.py keeps the frame out of what its coroutine returns.
set -euo pipefail
python3 - <<'PY'
import asyncio

class Result:
    written = 0

    def __repr__(self):
        Result.written += 1
        return "Result()"

async def main():
    return Result()

asyncio.run(main())
assert Result.written == 2, Result.written
PY
