#!/bin/sh
# Fills a root disk with Debian packages and whatever its setup script adds, at the speed of this
# machine instead of a guest's.
#
#   stock-disk.sh DISK SCRATCH
#
# SCRATCH/work is what the disk's programs see as /mnt while they are set up:
#   packages      names, one a line        setup          a shell script; may be absent
#   sources.list  where packages come from transport.conf how apt reaches them from here
# The rest happens in a mount and process namespace of its own: neither mounts nor processes
# outlive it, also if it is killed. Lines that begin with "==> " tell how far it is.
# Exit codes: 3 if packages cannot be had, 4 if the setup script fails.
set -eu
disk=$1
scratch=$2
root=$scratch/root

if [ "${3:-}" != inside ]; then
    # Nothing of this machine's environment is for the disk but how the network is reached.
    for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
        case $name in
        PATH | *_proxy | *_PROXY) ;;
        *) unset "$name" ;;
        esac
    done
    unshare --mount --pid --fork --kill-child=KILL -- sh "$0" "$disk" "$scratch" inside &
    inside=$!
    # Whoever asked for the disk may be killed; then nobody wants it any more.
    (
        parent=$PPID
        while [ "$parent" = "$PPID" ]; do
            sleep 1
            read -r _ _ _ parent _ <"/proc/$$/stat"
        done
        kill -KILL "$inside"
    ) </dev/null >/dev/null 2>&1 &
    watcher=$!
    status=0
    wait "$inside" || status=$?
    kill "$watcher" 2>/dev/null || true
    exit "$status"
fi

say() { printf '==> %s\n' "$1"; }

mkdir -p "$root" "$scratch/tmp" "$scratch/work/lists/partial" "$scratch/work/archives/partial"
chmod 1777 "$scratch/tmp"
mount -o loop,noatime "$disk" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755,size=1m tmpfs "$root/dev"
for node in null zero full random urandom; do
    : >"$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir -m 1777 "$root/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount --bind "$scratch/tmp" "$root/tmp"
mount --bind "$scratch/work" "$root/mnt"
for file in resolv.conf hosts; do
    if [ -e "/etc/$file" ]; then mount --bind "/etc/$file" "$root/etc/$file"; fi
done

# apt from this machine downloads, because only it can reach what this machine's settings name.
cat "$scratch/work/transport.conf" - >"$scratch/download.conf" <<END
Dir "$root";
Dir::Etc::SourceList "$scratch/work/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::TrustedParts "/etc/apt/trusted.gpg.d";
Dir::State::Lists "$scratch/work/lists";
Dir::State::status "$root/var/lib/dpkg/status";
Dir::Cache "$scratch/work";
Dir::Cache::Archives "$scratch/work/archives";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Acquire::Languages "none";
END
# apt from the disk installs, without a network.
cat >"$scratch/work/install.conf" <<END
Dir::Etc::SourceList "/mnt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "/mnt/lists";
Dir::Cache "/mnt";
Dir::Cache::Archives "/mnt/archives";
APT::Install-Recommends "false";
DPkg::Options { "--force-unsafe-io"; };
END
packages=$(cat "$scratch/work/packages")
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
say "reading the package lists"
APT_CONFIG=$scratch/download.conf apt-get -q update || exit 3
say "downloading packages"
# shellcheck disable=SC2086 # names, to be split
APT_CONFIG=$scratch/download.conf apt-get -q -y install --download-only $packages || exit 3
say "installing packages"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no services here
chmod 755 "$root/usr/sbin/policy-rc.d"
# shellcheck disable=SC2086
APT_CONFIG=/mnt/install.conf unshare --net chroot "$root" \
    apt-get -q -y --no-download install $packages || exit 3
rm "$root/usr/sbin/policy-rc.d"

if [ -e "$scratch/work/setup" ]; then
    chroot "$root" /bin/sh -eu /mnt/setup || exit 4
fi

say "writing the disk"
find "$root/var/log" -type f -exec truncate --size=0 {} +
rm -f "$root/var/cache/ldconfig/aux-cache" "$root/var/lib/dpkg/"*-old
for mounted in etc/hosts etc/resolv.conf mnt tmp run dev/null dev/zero dev/full dev/random \
    dev/urandom dev proc; do
    umount "$root/$mounted" 2>/dev/null || true
done
fstrim "$root"
umount "$root"
