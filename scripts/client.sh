# shellcheck shell=bash
# The Java program as a client: for commands that talk to a server and end, so that what they cost is
# their start. Sourced by ../wrenn.

# Three lines: the JDK, the jar and the AOT cache of the client that was up to date when this file
# was last changed.
client_record="$build_dir/client"

# What a command that ends soon needs of the JVM: little of everything.
client_options=(-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx256m -XX:-UsePerfData
    -Xlog:disable -Xlog:all=error:stderr -XX:+DisplayVMOutputToStderr)

# Sets client_jdk, client_jar and client_cache if no source was changed since they were recorded.
# Looking at their times is a fraction of the work of reading them.
find_client() {
    [ -r "$client_record" ] || return 1
    { read -r client_jdk && read -r client_jar && read -r client_cache; } <"$client_record" || return 1
    if [ -n "${JAVA_HOME:-}" ] && [ "$JAVA_HOME" != "$client_jdk" ]; then return 1; fi
    if ! [ -x "$client_jdk/bin/java" ] || ! [ -e "$client_jar" ]; then return 1; fi
    # The time of the last change of any kind, which no copy and no archive brings along. Of a folder
    # it tells what was removed.
    local changed
    changed=$(cd "$root" && find pom.xml mvnw .mvn ./*/pom.xml ./*/src/main "$client_jdk/release" \
        -cnewer "$client_record" -print -quit 2>&1) || return 1
    [ -z "$changed" ]
}

# Sets the same, and records them where this user may.
build_client() {
    # Rounded down: a source that changes while they are looked at is newer than the record.
    local began=$EPOCHSECONDS new="$client_record.$$"
    build_client_now
    if ! [ -w "$build_dir" ]; then return; fi
    printf '%s\n' "$client_jdk" "$client_jar" "$client_cache" >"$new"
    touch -d "@$began" "$new"
    mv "$new" "$client_record"
}

build_client_now() {
    build_java
    client_jdk=$JAVA_HOME
    client_jar=$(compgen -G "$java_dist/lib/wrenn-cli-*.jar")
    client_cache=$java_dist/client-$(java_runtime_version).aot
    if [ -e "$client_cache" ] || ! [ -w "$java_dist" ]; then return; fi
    exclusively train_client || say "    no AOT cache for the client commands; they start slower"
}

# Keeps the classes that such a command uses as the JVM has them once they are linked (JEP 483, 514).
train_client() {
    if [ -e "$client_cache" ]; then return; fi
    # The cache can only be written with G1; any collector can use it.
    WRENN_API_KEY=none "$client_jdk/bin/java" "${client_options[@]}" -XX:-UseSerialGC -XX:+UseG1GC \
        "-XX:AOTCacheOutput=$client_cache.new" -jar "$client_jar" train >/dev/null 2>&1 8>&- &&
        mv "$client_cache.new" "$client_cache"
}

# Replaces this shell by the client.
exec_client() {
    local options=("${client_options[@]}")
    if [ -e "$client_cache" ]; then options+=("-XX:AOTCache=$client_cache"); fi
    exec "$client_jdk/bin/java" "${options[@]}" -jar "$client_jar" "$@"
}
