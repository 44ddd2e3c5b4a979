package dev.wrenn.host.capsule;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.host.HostTotals;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.LongSupplier;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What the machine has left for capsules. */
public final class MachineRoom {
    private static final Logger LOG = LoggerFactory.getLogger(MachineRoom.class);
    private static final Path MEMINFO = Path.of("/proc/meminfo");

    private final MemoryRoom memory;
    private final DiskRoom disk;
    private int warned; // by watch() only, which one thread calls

    private MachineRoom(MemoryRoom memory, DiskRoom disk) {
        this.memory = memory;
        this.disk = disk;
    }

    /**
     * Looks at this machine.
     *
     * @param volume where disks and snapshots are
     * @param dataFolder where the image of that volume is, if it is one, which grows as it fills
     * @param unsavedBytes what the VMs that run have changed since they were started
     */
    public static MachineRoom of(
            Capacity capacity, Path volume, Path dataFolder, LongSupplier unsavedBytes) {
        var memory =
                new MemoryRoom(
                        meminfoBytes("MemTotal"),
                        capacity.memoryReserve(),
                        capacity.memoryOvercommit(),
                        () -> meminfoBytes("MemAvailable"),
                        capacity.checkpointMemory());
        var source = new Volume(volume, dataFolder, unsavedBytes, memory);
        return new MachineRoom(memory, new DiskRoom(capacity.diskReserve(), source));
    }

    /** What the kernel says of the volume, and of the file system that an image of it grows on. */
    private record Volume(Path root, Path dataFolder, LongSupplier unsaved, MemoryRoom memory)
            implements DiskRoom.Source {
        @Override
        public long totalBytes() {
            return root.toFile().getTotalSpace();
        }

        @Override
        public long freeBytes() {
            return Math.min(root.toFile().getUsableSpace(), dataFolder.toFile().getUsableSpace());
        }

        @Override
        public boolean isReadOnly() {
            return !Files.isWritable(root) || !Files.isWritable(dataFolder); // EROFS, access(2)
        }

        @Override
        public long unsavedBytes() {
            return unsaved.getAsLong();
        }

        @Override
        public long mostUnsavedBytes() {
            return memory.promisedBytes();
        }
    }

    MemoryRoom memory() {
        return memory;
    }

    DiskRoom disk() {
        return disk;
    }

    /** The numbers of the volume for snapshots and disks. */
    public HostTotals.Disk readDisk() {
        return disk.read();
    }

    /** The numbers of the machine's memory. */
    public HostTotals.Memory readMemory() {
        return memory.read();
    }

    /** What an operator should look after before it hurts; none if all is well. */
    public List<String> warnings() {
        return Stream.of(disk.warning(), memory.warning()).flatMap(Optional::stream).toList();
    }

    /** Tells the log when something begins to need looking after, and when all is well again. */
    void watch() {
        var now = warnings();
        if (now.size() != warned) {
            now.forEach(w -> LOG.atWarn().log(w));
            if (now.isEmpty()) {
                LOG.atInfo().log("there is room on disk and in memory again");
            }
            warned = now.size();
        }
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
