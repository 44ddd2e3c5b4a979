# shellcheck shell=bash
# Firecracker's tests. Where KVM does not work, they run in a Linux under QEMU whose emulated
# processor has AMD's virtualization, so that Firecracker finds a real /dev/kvm. Sourced by ../wrenn.

rig_packages=iproute2,kmod,procps,mount,nftables
rig_modules=java.base,java.logging,java.management,java.naming,java.xml,jdk.management,jdk.unsupported

# An emulated processor in an emulated processor is about that much slower than TCG alone.
rig_slowness=6
rig_limit_seconds=${WRENN_RIG_LIMIT:-3000}

# Compiles the tests of the VMM drivers and writes their class path.
compile_rig_tests() {
    rm -f "$build_dir/rig/class-path"
    maven -q -pl vmm -am test-compile dependency:build-classpath \
        -Dmdep.outputFile="$build_dir/rig/class-path" -Dmdep.includeScope=test
}

# The system of the rig: Debian, a Java runtime. Kept, because nothing in it is ours.
build_rig_system() {
    local tree
    tree=$(mktemp -d)
    mmdebstrap --quiet --variant=minbase --include="$rig_packages" bookworm "$tree/root"
    mkdir -p "$tree/root/rig" "$tree/root/opt"
    "$JAVA_HOME/bin/jlink" --add-modules "$rig_modules" --strip-java-debug-attributes \
        --no-header-files --no-man-pages --output "$tree/root/opt/java"
    truncate -s 1G "$1.new"
    mke2fs -q -F -t ext4 -O ^has_journal -d "$tree/root" "$1.new"
    mv "$1.new" "$1"
    rm -rf "$tree"
}

# What is tested: class path, Firecracker, kernels, and the script that the rig runs.
build_rig_load() {
    local tree=$build_dir/rig/load part entry index=0 class_path=""
    rm -rf "$tree" "$build_dir/rig/images"
    mkdir -p "$tree"
    "$JAVA_HOME/bin/java" -cp "$(cat "$build_dir/rig/class-path")" dev.wrenn.vmm.RigImages \
        "$build_dir/rig/images"
    cp -r "$build_dir/rig/images/guest" "$tree/guest"
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
export FIRECRACKER_BIN=/rig/firecracker WRENN_TEST_GUEST=/rig/guest WRENN_TEST_SLOWNESS=$rig_slowness
ip link set lo up
exec /opt/java/bin/java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Xmx384m \
    --enable-native-access=ALL-UNNAMED -cp "${class_path#:}" dev.wrenn.testkit.TestRun $*
END
    truncate -s 512M "$build_dir/rig/load.ext4"
    mke2fs -q -F -t ext4 -O ^has_journal -d "$tree" "$build_dir/rig/load.ext4"
}

# One run of the rig, ended in every case; its serial log goes to standard output.
boot_rig() {
    timeout --kill-after=10 "$rig_limit_seconds" \
        qemu-system-x86_64 -M q35 -accel tcg,thread=multi,tb-size=512 -cpu EPYC -smp 2 -m 1472 \
        -nodefaults -no-user-config -display none -no-reboot -serial stdio \
        -drive "if=virtio,format=raw,readonly=on,file=$1" \
        -drive "if=virtio,format=raw,readonly=on,file=$build_dir/rig/load.ext4" \
        -kernel "$build_dir/rig/images/rig/vmlinuz" -initrd "$build_dir/rig/images/rig/initrd" \
        -append "console=ttyS0 panic=-1 quiet" </dev/null |
        sed -u 's/\r$//'
}

rig_log() { printf '%s' "$build_dir/log/$(slug "Testing the Firecracker driver").log"; }

# The tests in the rig; once again if the rig itself did not come up.
test_in_rig() {
    local system=$1 attempt
    for attempt in 1 2; do
        boot_rig "$system"
        if grep -qE '^(ok|FAILED|SKIPPED) ' "$(rig_log)"; then break; fi
        printf 'The rig did not come to its tests (attempt %s).\n' "$attempt"
    done
    grep -q '^rig: ended with 0$' "$(rig_log)"
}

test_natively() {
    WRENN_TEST_CACHE=${WRENN_TEST_CACHE:-/var/cache/wrenn-test} "$JAVA_HOME/bin/java" \
        --enable-native-access=ALL-UNNAMED -cp "$(cat "$build_dir/rig/class-path")" \
        dev.wrenn.testkit.TestRun "$@"
}

# A guest of a few instructions tells whether KVM works; that /dev/kvm exists says nothing.
kvm_works() {
    "$JAVA_HOME/bin/java" --enable-native-access=ALL-UNNAMED \
        -cp "$(cat "$build_dir/rig/class-path")" dev.wrenn.vmm.NativeKvm "$FIRECRACKER_BIN"
}

run_firecracker_tests() {
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
    step "Compiling the tests" compile_rig_tests || die "The tests do not compile."
    local tests=("${@:-dev.wrenn.vmm.FirecrackerVmTest}")
    if kvm_works; then
        run_tests_of "Testing the Firecracker driver" test_natively "${tests[@]}"
    else
        need_rig
        local system
        system=${WRENN_TEST_CACHE:-/var/cache/wrenn-test}/rig
        mkdir -p "$system"
        system+=/$(printf '%s' "$rig_packages$rig_modules$(cat "$JAVA_HOME/release")" |
            sha256sum | cut -c1-16).ext4
        if [ ! -e "$system" ]; then
            step "Building the system of the rig" build_rig_system "$system" ||
                die "The system of the rig cannot be built."
        fi
        step "Building the load of the rig" build_rig_load "${tests[@]}" ||
            die "The load of the rig cannot be built."
        run_tests_of "Testing the Firecracker driver" test_in_rig "$system"
    fi
    end_with_failures
    say "All tests of the Firecracker driver passed."
}

need_rig() {
    need mmdebstrap mmdebstrap
    need e2fsprogs mke2fs
    need qemu-system-x86 qemu-system-x86_64
    need gcc gcc
    install_missing
}
