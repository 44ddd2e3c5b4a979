# shellcheck shell=bash
# What developers and CI run: tests, checks, formatting. Sourced by ../wrenn.

failures=()
# attempt LABEL COMMAND...: goes on after a failure and remembers it.
attempt() {
    local label=$1
    shift
    step "$label" "$@" || failures+=("$label")
}

end_with_failures() {
    if [ ${#failures[@]} -gt 0 ]; then die "Failed: $(printf '%s; ' "${failures[@]}")"; fi
}

cargo_in_guest() { (cd "$root/guest" && cargo "$@"); }

# --- fmt

run_fmt() {
    need_linux
    need_jdk
    need_rust
    need_rustfmt
    install_missing
    attempt "Formatting Java" maven -q spotless:apply
    attempt "Formatting Rust" cargo_in_guest fmt --all
    end_with_failures
}

# The formatter and the linter come with cargo, or as packages of their own.
need_rustfmt() { if ! cargo fmt --version >/dev/null 2>&1; then missing+=("$(newest_of rustfmt-web rustfmt)"); fi; }
need_clippy() { if ! cargo clippy --version >/dev/null 2>&1; then missing+=("$(newest_of rust-web-clippy rust-clippy)"); fi; }

# --- check

# Long files have more than one reason to change.
check_file_lengths() {
    local file long=0
    while read -r file; do
        if [ "$(wc -l <"$root/$file")" -gt 500 ]; then
            printf '%s has %s lines, more than 500\n' "$file" "$(wc -l <"$root/$file")"
            long=1
        fi
    done < <(cd "$root" && find . \( -name target -o -name .git -o -name .venv \) -prune -o \
        -type f \( -name '*.java' -o -name '*.rs' -o -name '*.sh' -o -name '*.py' \) -print | sort)
    return $long
}

check_scripts() {
    local scripts
    mapfile -t scripts < <(cd "$root" && find .ci guest e2e -type f \
        \( -name '*.sh' -o -name run \) -not -path '*/target/*' 2>/dev/null | sort)
    # -a: what the first one sources is checked as part of it, not alone.
    (cd "$root" && shellcheck -x -a wrenn && shellcheck -x "${scripts[@]}")
}

check_architecture() {
    maven -pl cli -am test -Dsurefire.failIfNoSpecifiedTests=false -Dtest='ArchitectureTest'
}

run_check() {
    need_linux
    need_jdk
    need_rust
    need_rustfmt
    need_clippy
    need shellcheck shellcheck
    install_missing
    attempt "Checking the format of Java" maven -q spotless:check
    attempt "Compiling with Error Prone and NullAway" maven -q test-compile
    attempt "Checking the architecture rules" check_architecture
    attempt "Checking the format of Rust" cargo_in_guest fmt --all --check
    attempt "Linting Rust" cargo_in_guest clippy --all-targets -- -D warnings
    attempt "Checking file lengths" check_file_lengths
    attempt "Linting scripts" check_scripts
    end_with_failures
    say "All checks passed."
}

# --- test

# The closing lines of a test runner, from its log to standard output.
closing_lines() {
    local log
    log="$build_dir/log/$(slug "$1").log"
    if [ -e "$log" ]; then grep -E 'Tests run:.*[0-9]$|^test result:|^=+ .*(passed|failed|error).*=+$|^Not run: ' "$log" || true; fi
}

run_tests_of() {
    attempt "$@"
    closing_lines "$1"
}

# Runs the tests of all modules, those after a module with failures too.
test_java() {
    rm -rf "$root"/*/target/surefire-reports
    maven -Dmaven.test.failure.ignore=true verify
    local failed
    failed=$(grep -lE '<(failure|error)[ >]' "$root"/*/target/surefire-reports/*.xml || true)
    if [ -n "$failed" ]; then
        printf 'Tests failed, see:\n%s\n' "$failed"
        return 1
    fi
}

run_test() {
    need_linux
    need_root test
    need_jdk
    if [ "${1:-}" = --firecracker ]; then
        shift
        run_firecracker_tests "$@"
        return
    fi
    need_runtime
    need_rust
    # The tests of container images have a registry of their own.
    need docker-registry docker-registry
    install_missing
    build_guest
    export WRENN_GUEST_DIR=$guest_dist
    export WRENN_TEST_CACHE=${WRENN_TEST_CACHE:-/var/cache/wrenn-test}
    run_tests_of "Testing the Java modules" test_java
    run_tests_of "Testing the guest agent" cargo_in_guest test --workspace
    if [ -x "$root/e2e/run" ]; then
        run_tests_of "Testing through the API with the Python SDK" "$root/e2e/run"
        run_tests_of "Testing the API against its description" "$root/e2e/openapi/run"
    fi
    not_run
    end_with_failures
    say "All tests passed."
}

# Tests that this machine cannot run are named, never skipped in silence.
not_run() {
    local report skipped=0
    while read -r report; do
        say "Not run: $report"
        skipped=1
    done < <(cd "$root" && grep -l '<skipped' ./*/target/surefire-reports/*.xml 2>/dev/null |
        while read -r file; do
            grep -B1 '<skipped' "$file" | sed -n 's/.*testcase name="\([^"]*\)" classname="\([^"]*\)".*/\2.\1/p'
        done)
    if [ $skipped -eq 0 ]; then say "Every Java test was run."; fi
}

# Needs no packages of Python; the server that it attacks is built by its own first start.
run_chaos() {
    need_linux
    if ! asks_help "$@"; then need_root chaos; fi
    need python3 python3
    need postgresql /usr/lib/postgresql/*/bin/initdb
    need gcc gcc
    need libc6-dev /usr/include/stdio.h
    install_missing
    cd "$root/e2e"
    PYTHONDONTWRITEBYTECODE=1 exec python3 -m chaos "$@"
}
