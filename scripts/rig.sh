# shellcheck shell=bash
# Firecracker's tests. Where KVM does not work, they run in a Linux under QEMU whose emulated
# processor has AMD's virtualization, so that Firecracker finds a real /dev/kvm. Sourced by ../wrenn.

rig_packages=iproute2,procps,mount,nftables
rig_modules=java.base,java.logging,java.management,java.naming,java.net.http,java.security.jgss,java.sql
rig_modules+=,java.xml,jdk.management,jdk.unsupported,jdk.zipfs

# An emulated processor in an emulated processor is about that much slower than TCG alone.
rig_slowness=6
rig_limit_seconds=${WRENN_RIG_LIMIT:-5400}
rig_silence_seconds=300

# The driver itself, then the host agent and the guest agent on it.
firecracker_tests=(dev.wrenn.vmm.FirecrackerVmTest dev.wrenn.host.CapsuleLifeVmTest
    dev.wrenn.host.HostileGuestVmTest dev.wrenn.host.LossVmTest dev.wrenn.host.HostKillVmTest
    dev.wrenn.host.StepFailureVmTest)

# Compiles the tests of drivers and host agent and writes their class path.
compile_rig_tests() {
    local part parts=""
    rm -f "$build_dir/rig/class-path"
    maven -q -pl host -am test-compile dependency:build-classpath \
        -Dmdep.outputFile="$build_dir/rig/class-path" -Dmdep.includeScope=test || return 1
    for part in host/target/test-classes host/target/classes vmm/target/test-classes; do
        [ -d "$root/$part" ] || return 1
        parts+=$root/$part:
    done
    printf '%s%s' "$parts" "$(cat "$build_dir/rig/class-path")" >"$build_dir/rig/class-path.new"
    mv "$build_dir/rig/class-path.new" "$build_dir/rig/class-path"
}

# The system of the rig: Debian, a Java runtime. Kept, because nothing in it is ours.
build_rig_system() {
    local tree
    tree=$(mktemp -d)
    mmdebstrap --quiet --variant=minbase --include="$rig_packages" bookworm "$tree/root" || return 1
    mkdir -p "$tree/root/rig" "$tree/root/opt"
    "$JAVA_HOME/bin/jlink" --add-modules "$rig_modules" --strip-java-debug-attributes \
        --no-header-files --no-man-pages --generate-cds-archive --output "$tree/root/opt/java" || return 1
    truncate -s 1G "$1.new"
    mke2fs -q -F -t ext4 -O ^has_journal -d "$tree/root" "$1.new" || return 1
    mv "$1.new" "$1"
    rm -rf "$tree"
}

# What is tested: class path, Firecracker, kernels, guest, and the script that the rig runs.
build_rig_load() {
    local tree=$build_dir/rig/load part entry index=0 class_path=""
    rm -rf "$tree" "$build_dir/rig/images"
    mkdir -p "$tree"
    rig_java dev.wrenn.vmm.RigImages "$build_dir/rig/images" || return 1
    rig_java dev.wrenn.host.RigGuest "$rig_cache" "$guest_dist/wrenn-guest-agent" "$tree/images" ||
        return 1
    cp -r "$build_dir/rig/images/guest" "$tree/guest"
    cp "$guest_dist"/* "$tree/guest"
    cp -L "$FIRECRACKER_BIN" "$tree/firecracker"
    cp -L "$(dirname "$FIRECRACKER_BIN")/jailer" "$tree/jailer"
    while IFS= read -r -d : entry; do
        part=$((index += 1))
        case $entry in
            *.jar) cp "$entry" "$tree/$part.jar" && class_path+=:/rig/$part.jar ;;
            *) cp -r "$entry" "$tree/$part" && class_path+=:/rig/$part ;;
        esac
    done < <(tr -d '\n' <"$build_dir/rig/class-path" && printf ':')
    cat >"$tree/run" <<END
export FIRECRACKER_BIN=/rig/firecracker WRENN_TEST_VMM=Firecracker WRENN_TEST_GUEST=/rig/guest
export WRENN_GUEST_DIR=/rig/guest WRENN_TEST_CACHE=/tmp/cache
export WRENN_TEST_SLOWNESS=$rig_slowness WRENN_TEST_RETRIES=1
ip link set lo up
ip route add default dev lo # as a machine has one: what guests send is routed, and refused by rules
(while sleep 60; do echo "rig: up for \$(cut -d. -f1 /proc/uptime) s"; done) &
mkdir /tmp/cache
cp --archive --sparse=always /rig/images /tmp/cache/images
exec /opt/java/bin/java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Xmx384m -Dstdout.encoding=UTF-8 \\
    -Djunit.jupiter.execution.timeout.default=15m \\
    -Djunit.jupiter.execution.timeout.threaddump.enabled=true \\
    --enable-native-access=ALL-UNNAMED -cp "${class_path#:}" \\
    dev.wrenn.testkit.TestRun "\$(sed -n 's/.*rig.test=\\([^ ]*\\).*/\\1/p' /proc/cmdline)"
END
    rm -f "$build_dir/rig/load.ext4"
    truncate -s 2G "$build_dir/rig/load.ext4"
    mke2fs -q -F -t ext4 -O ^has_journal -d "$tree" "$build_dir/rig/load.ext4" || return 1
    rm -rf "$tree"
}

rig_java() {
    "$JAVA_HOME/bin/java" --enable-native-access=ALL-UNNAMED -cp "$(cat "$build_dir/rig/class-path")" "$@"
}

# One run of the rig for one class or method, ended in every case; its serial log goes to standard
# output. Its own disk is new each time and takes what is written to it.
# Without PCLMULQDQ: cksum(1), which uses it, dies of an illegal instruction in a guest of this machine.
boot_rig() {
    local disk=$build_dir/rig/disk.xfs line machine silence=0
    rm -f "$disk"
    truncate -s 12G "$disk"
    mkfs.xfs -q -m reflink=1 "$disk"
    # --foreground: in our process group, so that an interruption ends it too.
    exec 9< <(exec timeout --foreground --kill-after=10 "$rig_limit_seconds" \
        qemu-system-x86_64 -M q35 -accel tcg,thread=multi,tb-size=512 \
        -cpu EPYC,-pclmulqdq -smp 2 -m 1792 \
        -nodefaults -no-user-config -display none -no-reboot -serial stdio \
        -drive "if=virtio,format=raw,readonly=on,file=$1" \
        -drive "if=virtio,format=raw,readonly=on,file=$build_dir/rig/load.ext4" \
        -drive "if=virtio,format=raw,cache=unsafe,discard=unmap,file=$disk" \
        -kernel "$build_dir/rig/images/rig/vmlinuz" -initrd "$build_dir/rig/images/rig/initrd" \
        -append "console=ttyS0 panic=-1 quiet nohz=off highres=off rig.test=$2" </dev/null 2>/dev/null)
    machine=$!
    # An emulated processor now and then loses an interrupt, it seems while it enters or leaves a guest, and
    # what waits for it waits until another one comes. So each processor has a tick that the timer repeats by
    # itself, also when it is idle (nohz, highres): a timer that is set anew after each interrupt would stand
    # still. Should the machine stand still for all that, it is silent; otherwise it says every minute how
    # long it is up. See rig-init.c for the other way in which it could.
    while IFS= read -r -t "$rig_silence_seconds" -u 9 line || ! silence=$?; do
        printf '%s\n' "${line%$'\r'}"
    done
    if [ "$silence" -gt 128 ]; then # read ran out of time, not of input
        printf 'The rig was silent for %s s.\n' "$rig_silence_seconds"
        kill "$machine"
    fi
    exec 9<&-
    rm -f "$disk"
}

# The tests in the rig, each class in one of its own; once again if the rig did not come to its end.
test_in_rig() {
    local system=$1 log=$build_dir/rig/log test attempt failed=0
    shift
    for test in "$@"; do
        for attempt in 1 2; do
            printf '== %s\n' "$test"
            boot_rig "$system" "$test" | tee "$log"
            if grep -q '^rig: ended with ' "$log"; then break; fi
            printf 'The rig did not come to its end (attempt %s).\n' "$attempt"
        done
        if ! grep -q '^rig: ended with 0$' "$log"; then failed=1; fi
    done
    return $failed
}

test_natively() {
    WRENN_TEST_VMM=Firecracker WRENN_TEST_CACHE=$rig_cache WRENN_GUEST_DIR=$guest_dist \
        rig_java dev.wrenn.testkit.TestRun "$@"
}

# A guest of a few instructions tells whether KVM works; that /dev/kvm exists says nothing.
kvm_works() { rig_java dev.wrenn.vmm.NativeKvm "$FIRECRACKER_BIN"; }

run_firecracker_tests() {
    local tests=("$@")
    if [ $# -eq 0 ]; then tests=("${firecracker_tests[@]}"); fi
    run_on_firecracker "Testing on Firecracker" "${tests[@]}"
    end_with_failures
    say "All tests on Firecracker passed."
}

# Measures the rows that SPECIFICATION.md has of Firecracker and prints them.
run_firecracker_bench() {
    run_on_firecracker "Measuring on Firecracker" dev.wrenn.vmm.firecracker.FirecrackerRatios \
        dev.wrenn.host.CapsuleRatios
    sed -n 's/^measured: //p' "$build_dir/log/$(slug "Measuring on Firecracker").log"
    end_with_failures
}

# run_on_firecracker LABEL TEST...: classes or methods, natively where KVM works, else in the rig.
run_on_firecracker() {
    local label=$1
    shift
    if [ -z "${FIRECRACKER_BIN:-}" ]; then
        die "Not run: the tests of the Firecracker driver, because FIRECRACKER_BIN is not set." \
            "Set it to a statically linked firecracker that has its jailer beside it."
    fi
    FIRECRACKER_BIN=$(readlink -f "$FIRECRACKER_BIN")
    export FIRECRACKER_BIN
    [ -x "$FIRECRACKER_BIN" ] || die "FIRECRACKER_BIN names no program: $FIRECRACKER_BIN"
    [ -x "$(dirname "$FIRECRACKER_BIN")/jailer" ] ||
        die "There is no jailer beside $FIRECRACKER_BIN; a release of Firecracker has both."
    mkdir -p "$build_dir/rig"
    rig_cache=${WRENN_TEST_CACHE:-/var/cache/wrenn-test}
    need_runtime
    need gcc gcc
    install_missing
    build_guest
    step "Compiling the tests" compile_rig_tests || die "The tests do not compile."
    if kvm_works; then
        run_tests_of "$label" test_natively "$@"
    else
        local system
        mkdir -p "$rig_cache/rig"
        system=$rig_cache/rig/$(printf '%s' "$rig_packages$rig_modules$(cat "$JAVA_HOME/release")" |
            sha256sum | cut -c1-16).ext4
        if [ ! -e "$system" ]; then
            step "Building the system of the rig" build_rig_system "$system" ||
                die "The system of the rig cannot be built."
        fi
        step "Building the load of the rig" build_rig_load ||
            die "The load of the rig cannot be built."
        run_tests_of "$label" test_in_rig "$system" "$@"
    fi
}
