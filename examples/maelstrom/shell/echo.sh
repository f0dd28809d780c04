#!/bin/sh
# Says back what it is told, with nothing but a shell and sed. With the argument --wrong it makes a
# mistake: it replies to the request that will come next.

field() { # the value of a field, as it stands there; good enough for this one task
    printf '%s\n' "$line" | sed -n "s/.*\"$1\":\(\"[^\"]*\"\|[0-9]*\).*/\1/p"
}

while read -r line; do
    id=$(field msg_id)
    case $line in
    *'"type":"init"'*)
        node=$(field node_id)
        reply="\"type\":\"init_ok\",\"in_reply_to\":$id"
        ;;
    *)
        if [ "$1" = --wrong ]; then id=$((id + 1)); fi
        reply="\"type\":\"echo_ok\",\"in_reply_to\":$id,\"echo\":$(field echo)"
        ;;
    esac
    printf '{"src":%s,"dest":%s,"body":{%s}}\n' "$node" "$(field src)" "$reply"
done
