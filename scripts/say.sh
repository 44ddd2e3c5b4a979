# shellcheck shell=bash
# How the commands talk: everything for people goes to stderr, steps that take long show how far
# they are, and a step that fails shows the end of its log. Sourced by ../wrenn.

say() { printf '%s\n' "$*" >&2; }

# Ends the command: what failed, then what to do.
die() {
    say "wrenn: $1"
    shift
    local line
    for line in "$@"; do say "       $line"; done
    exit 1
}

slug() { printf '%s' "$1" | tr -cs 'A-Za-z0-9' '-' | tr '[:upper:]' '[:lower:]'; }

# The process group of the step that runs, so that an interruption ends all of it.
step_group=""
interrupted() {
    if [ -n "$step_group" ]; then
        kill -TERM -- "-$step_group" 2>/dev/null || true
        wait "$step_group" 2>/dev/null || true
    fi
    say ""
    say "wrenn: interrupted; run the same command again to go on"
    exit 130
}

last_line() {
    tail -c 2000 "$1" 2>/dev/null | tr '\r' '\n' | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c1-"$2" || true
}

# step LABEL COMMAND...: runs it quietly with a log of its own.
step() {
    local label=$1 began=$SECONDS shown=-1 took log code=0
    shift
    mkdir -p "$build_dir/log"
    log="$build_dir/log/$(slug "$label").log"
    trap interrupted INT TERM HUP
    set -m
    "$@" >"$log" 2>&1 </dev/null &
    step_group=$!
    set +m
    [ -t 2 ] || say "==> $label"
    while kill -0 "$step_group" 2>/dev/null; do
        took=$((SECONDS - began))
        if [ -t 2 ]; then
            printf '\r\033[K==> %s (%d s) %s' "$label" "$took" "$(last_line "$log" 60)" >&2
        elif [ "$took" -ge $((shown + 20)) ] && [ "$took" -gt 0 ]; then
            shown=$took
            say "    $took s: $(last_line "$log" 100)"
        fi
        sleep 0.2
    done
    wait "$step_group" || code=$?
    step_group=""
    trap - INT TERM HUP
    took=$((SECONDS - began))
    if [ -t 2 ]; then printf '\r\033[K' >&2; fi
    if [ "$code" -ne 0 ]; then
        say "wrenn: \"$label\" failed with exit code $code after $took s; the end of $log:"
        tail -n 30 "$log" | sed 's/^/    | /' >&2
        return "$code"
    fi
    if [ -t 2 ]; then say "==> $label: $took s"; else say "    done in $took s"; fi
}
