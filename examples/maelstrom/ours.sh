#!/bin/sh
# One of our own protocols as a Maelstrom node, raft unless another is named:
#
#   maelstrom test -w lin-kv --bin examples/maelstrom/ours.sh --concurrency 4n -- multi-paxos
#   duress run lin-kv --node examples/maelstrom/ours.sh -- raft:stale-read
#
# Keeps its data in the folder that it is started in, so that it survives being killed.
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
python="$here/../../.venv/bin/python"
[ -x "$python" ] || {
    echo "$0: there is no $python; run ./duress --help once in the checkout" >&2
    exit 1
}
[ $# -gt 0 ] || set -- raft
exec "$python" -c "from duress.fixtures.runtime.node import main; main()" "$@" --data .
