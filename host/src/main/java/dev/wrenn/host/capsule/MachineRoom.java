package dev.wrenn.host.capsule;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** What the machine has left for capsules. */
public final class MachineRoom {
    private static final Path MEMINFO = Path.of("/proc/meminfo");

    private final MemoryRoom memory;
    private final DiskRoom disk;

    private MachineRoom(MemoryRoom memory, DiskRoom disk) {
        this.memory = memory;
        this.disk = disk;
    }

    /**
     * Looks at this machine.
     *
     * @param volume where disks and snapshots are
     * @param dataFolder where the image of that volume is, if it is one, which grows as it fills
     */
    public static MachineRoom of(Capacity capacity, Path volume, Path dataFolder) {
        return new MachineRoom(
                new MemoryRoom(
                        meminfoBytes("MemTotal"),
                        capacity.memoryReserve(),
                        capacity.memoryOvercommit(),
                        () -> meminfoBytes("MemAvailable"),
                        capacity.checkpointMemory()),
                new DiskRoom(
                        capacity.diskReserve(),
                        () ->
                                Math.min(
                                        volume.toFile().getUsableSpace(),
                                        dataFolder.toFile().getUsableSpace())));
    }

    MemoryRoom memory() {
        return memory;
    }

    DiskRoom disk() {
        return disk;
    }

    /** Free for snapshots and disks. */
    public long freeDiskBytes() {
        return disk.freeBytes();
    }

    /** What an operator should look after before it hurts; none if all is well. */
    public List<String> warnings() {
        return Stream.of(disk.warning(), memory.warning()).flatMap(Optional::stream).toList();
    }

    /** A line of proc_meminfo(5), whose unit is always kB. */
    private static long meminfoBytes(String name) {
        try {
            var matcher =
                    Pattern.compile("(?m)^" + name + ": +([0-9]+) kB$")
                            .matcher(Files.readString(MEMINFO));
            if (!matcher.find()) {
                throw new WrennException(Kind.UNAVAILABLE, "the kernel does not tell " + name);
            }
            return Long.parseLong(matcher.group(1)) << 10;
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "cannot read the machine's memory", e);
        }
    }
}
