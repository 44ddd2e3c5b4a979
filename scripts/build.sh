# shellcheck shell=bash
# Builds what changed. A build is kept in a folder named after the content of its sources, complete
# or not there at all, so a server that runs keeps its own files. Sourced by ../wrenn.

# One line that changes with any of those files.
content_of() {
    (cd "$root" && find "$@" \( -name target -o -name .git \) -prune -o -type f -print0 |
        LC_ALL=C sort -z | xargs -0 -r sha256sum) | sha256sum | cut -c1-16
}

java_sources() {
    local module
    printf '%s\n' pom.xml mvnw .mvn
    for module in "$root"/*/pom.xml; do
        module=$(basename "$(dirname "$module")")
        printf '%s\n' "$module/pom.xml"
        if [ -d "$root/$module/src/main" ]; then printf '%s\n' "$module/src/main"; fi
    done
}

maven() { (cd "$root" && ./mvnw -B -ntp "$@"); }

# Waits for other builds of this checkout, then calls the function.
exclusively() {
    mkdir -p "$build_dir"
    exec 8>"$build_dir/build.lock"
    if ! flock -n 8; then
        say "==> Waiting for another build of this checkout"
        flock 8
    fi
    "$@"
    exec 8>&-
}

# Removes builds of other sources that no process uses.
remove_old_builds() {
    local old
    for old in "$build_dir/$1"/*; do
        if [ -d "$old" ] && [ "$old" != "$2" ] &&
            ! grep -qaF -- "$old" /proc/[0-9]*/cmdline /proc/[0-9]*/maps 2>/dev/null; then
            rm -rf -- "$old"
        fi
    done
}

package_java() {
    rm -rf "$root/cli/target/dist"
    # 8>&-: the lock must not outlive us in a child.
    maven -Dmaven.test.skip=true -pl cli -am package 8>&-
}

build_java_now() {
    if [ -d "$java_dist" ]; then return; fi
    step "Building the Java modules" package_java ||
        die "The Java modules do not build." "The log is $build_dir/log/building-the-java-modules.log"
    local new="$java_dist.new"
    rm -rf "$new"
    mkdir -p "$(dirname "$java_dist")"
    cp -r "$root/cli/target/dist" "$new"
    mv -T "$new" "$java_dist"
    remove_old_builds java "$java_dist"
}

java_runtime_version() { sed -n 's/^JAVA_RUNTIME_VERSION="\(.*\)"/\1/p' "$JAVA_HOME/release"; }

# Sets java_dist, a folder with lib/*.jar.
build_java() {
    local sources
    mapfile -t sources < <(java_sources)
    java_dist="$build_dir/java/$(content_of "${sources[@]}")"
    if [ ! -d "$java_dist" ]; then exclusively build_java_now; fi
}

compile_guest() { (cd "$root" && guest/build.sh "$1") 8>&-; }

build_guest_now() {
    if [ -d "$guest_dist" ]; then return; fi
    local new="$guest_dist.new"
    rm -rf "$new"
    mkdir -p "$new"
    step "Building the guest agent" compile_guest "$new" ||
        die "The guest agent does not build." "The log is $build_dir/log/building-the-guest-agent.log"
    mv -T "$new" "$guest_dist"
    remove_old_builds guest "$guest_dist"
}

# Sets guest_dist, a folder with wrenn-guest-agent and libwrenn_uffd_shim.so.
build_guest() {
    guest_dist="$build_dir/guest/$(content_of guest)"
    if [ ! -d "$guest_dist" ]; then
        need_rust
        install_missing
        exclusively build_guest_now
    fi
}

# Replaces this shell by the Java program.
exec_java() {
    # Classes as the JVM had them after its first start: halves the time of the next ones.
    local archive jar
    archive=$java_dist/classes-$(java_runtime_version).jsa
    jar=$(compgen -G "$java_dist/lib/wrenn-cli-*.jar")
    local options=(
        # The heap is small and mostly short-lived; serial collection costs the least memory and
        # CPU beside the guests, whose memory is not on this heap.
        -XX:+UseSerialGC -Xms48m -Xmx640m
        -XX:+ExitOnOutOfMemoryError
        # Standard output is for results.
        -XX:+DisplayVMOutputToStderr -Xlog:disable -Xlog:all=error:stderr
        "-Dwrenn.guest-files=${guest_dist:-}" "-Dwrenn.checkout=$root"
    )
    if [ -e "$archive" ]; then
        options+=("-XX:SharedArchiveFile=$archive")
    elif [ "$1" = up ]; then
        # Written when this run ends. A JVM that dumps while it goes on working crashes later: JDK
        # 25.0.3 did, in find_lambda_proxy_class. Its header comes last, so half a file is none.
        options+=("-XX:ArchiveClassesAtExit=$archive")
    fi
    # Each capsule needs a handful of descriptors.
    ulimit -Sn "$(ulimit -Hn)" 2>/dev/null || true
    exec "$JAVA_HOME/bin/java" "${options[@]}" -jar "$jar" "$@"
}
