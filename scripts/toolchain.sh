# shellcheck shell=bash
# Finds or installs what the commands need. Sourced by ../wrenn.

export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export DEBIAN_FRONTEND=noninteractive

need_linux() {
    if [ "$(uname -sm)" != "Linux x86_64" ]; then
        die "Wrenn runs on Linux x86_64; this is $(uname -sm)."
    fi
}

need_root() {
    [ "$(id -u)" -eq 0 ] ||
        die "\"$1\" needs root: it makes network namespaces, mounts and virtual machines." \
            "Run: sudo $0 $1"
}

jdk_version() { sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release" 2>/dev/null; }

is_jdk() { [ -x "$1/bin/javac" ] && [ "$(jdk_version "$1")" -ge 25 ] 2>/dev/null; }

# Sets JAVA_HOME to a JDK 25 or newer.
need_jdk() {
    local candidate
    for candidate in "${JAVA_HOME:-}" /usr/lib/jvm/*25* /usr/lib/jvm/* /opt/*jdk* /opt/*/*jdk*; do
        if [ -n "$candidate" ] && is_jdk "$candidate"; then
            export JAVA_HOME=$candidate
            [ -e "$JAVA_HOME/lib/security/cacerts" ] ||
                die "The JDK in $JAVA_HOME has no certificates, so nothing can be downloaded." \
                    "$(readlink -m "$JAVA_HOME/lib/security/cacerts") is missing; reinstall the JDK."
            return
        fi
    done
    die "Wrenn needs a JDK 25 or newer and found none under JAVA_HOME, /usr/lib/jvm or /opt." \
        "Install one, for example Eclipse Temurin 25, and set JAVA_HOME to its folder."
}

# need PACKAGE PATTERN...: notes the package as missing unless one of the files is there. A bare
# word is looked for as a program.
missing=()
need() {
    local package=$1 file
    shift
    for file in "$@"; do
        case $file in
            /*) if [ -e "$file" ]; then return; fi ;;
            *) if command -v "$file" >/dev/null; then return; fi ;;
        esac
    done
    missing+=("$package")
}

# What runs capsules.
need_runtime() {
    need qemu-system-x86 qemu-system-x86_64
    need mmdebstrap mmdebstrap
    need e2fsprogs mke2fs
    need tar tar
    need xfsprogs mkfs.xfs
    need nftables nft
    need iproute2 ip
    need procps sysctl
    need xz-utils xz
    need ca-certificates /etc/ssl/certs/ca-certificates.crt
}

# What the bench compiles its yardsticks with, and asks with.
need_yardsticks() {
    need gcc gcc
    need libc6-dev /usr/include/stdio.h
    need wrk wrk
}

# What builds the guest agent. Debian 12's own cargo is too old; its cargo-web is kept current.
need_rust() {
    need gcc gcc
    need libc6-dev /usr/include/stdio.h
    PATH="$PATH:$HOME/.cargo/bin"
    if ! is_cargo_new_enough; then
        need_package_lists
        missing+=("$(newest_of cargo-web cargo)" "$(newest_of rustc-web rustc)")
    fi
}

rust_needed() {
    local version
    version=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$root"/guest/Cargo.toml 2>/dev/null)
    printf '%s' "${version:-1.85}"
}

is_cargo_new_enough() {
    local version
    version=$(cargo --version 2>/dev/null | cut -d' ' -f2) || return 1
    [ -n "$version" ] && printf '%s\n%s\n' "$(rust_needed)" "$version" | sort -V -C
}

newest_of() {
    local name
    for name in "$@"; do
        if [ -n "$(apt-cache --quiet=2 show "$name" 2>/dev/null)" ]; then
            printf '%s' "$name"
            return
        fi
    done
    printf '%s' "$1"
}

apt_get() { apt-get -q -y -o DPkg::Lock::Timeout=600 "$@"; }

has_package_lists() {
    local file
    # shellcheck disable=SC2016 # it is apt that replaces it
    while read -r file; do
        if compgen -G "$file*" >/dev/null; then return 0; fi
    done < <(apt-get indextargets --format '$(FILENAME)' 'Created-By: Packages' 2>/dev/null | sed 's/\.[a-z0-9]*$//')
    return 1
}

need_package_lists() {
    command -v apt-get >/dev/null ||
        die "Packages are missing and there is no apt-get to install them: ${missing[*]}"
    if has_package_lists; then return; fi
    [ "$(id -u)" -eq 0 ] || die "The package lists are missing." "Run: sudo apt-get update"
    step "Updating the package lists" apt_get update ||
        die "The package lists cannot be updated; check the network and the apt sources."
}

# A run that was interrupted may have left packages half configured.
repair_dpkg() { if [ -n "$(dpkg --audit 2>/dev/null)" ]; then dpkg --configure -a --force-confold; fi; }

apt_install() {
    repair_dpkg
    apt_get install --no-install-recommends -- "$@" && return
    apt_get update && apt_get install --no-install-recommends -- "$@"
}

# Installs what the need... calls found missing.
install_missing() {
    if [ ${#missing[@]} -eq 0 ]; then return; fi
    [ "$(id -u)" -eq 0 ] || die "These packages are missing: ${missing[*]}" \
        "Run: sudo apt-get install ${missing[*]}"
    need_package_lists
    step "Installing ${missing[*]}" apt_install "${missing[@]}" ||
        die "The packages cannot be installed: ${missing[*]}" \
            "Once 'apt-get install ${missing[*]}' works, run this command again."
    missing=()
    hash -r
}
