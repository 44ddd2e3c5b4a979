package dev.wrenn.network;

import dev.wrenn.base.Command;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import java.io.IOException;
import java.net.Inet4Address;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;

/**
 * A pool's hold on its prefix and on its block of addresses.
 *
 * <p>The prefix is held by a file lock, which dies with the process. The block is held by a
 * blackhole route, which does not: adding a route that exists fails, so the kernel arbitrates
 * between pools of any folder, and packets to slots that do not exist go nowhere. The locked file
 * remembers block and boot, so the next process with the prefix takes the block over.
 */
final class BlockClaim implements Resource {
    private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");

    private final Path file;
    private final FileChannel lock;
    private final AddressBlock block;
    private boolean isOpen = true; // the pool calls close or detach once, under its own lock

    private BlockClaim(Path file, FileChannel lock, AddressBlock block) {
        this.file = file;
        this.lock = lock;
        this.block = block;
    }

    /**
     * Takes the prefix, and the block of the slots that are there, else the block of the process
     * before, else a free one.
     *
     * @throws NetworkUnusable if another process has the prefix, or no block is free
     */
    static BlockClaim take(NetworkConfig config, Inventory inventory) {
        var file = config.stateFolder().resolve(config.prefix() + ".pool");
        var lock = lock(config, file);
        try {
            var recorded = read(lock);
            var block = existing(inventory).or(() -> recorded);
            if (block.isPresent()) {
                Command.of("ip", "route", "replace", "blackhole", block.get().toString()).run();
            } else {
                block = Optional.of(takeFree(config.slotRange(), inventory.routes()));
            }
            write(lock, block.get());
            return new BlockClaim(file, lock, block.get());
        } catch (RuntimeException | IOException e) {
            unlock(lock);
            throw e instanceof RuntimeException r
                    ? r
                    : new NetworkUnusable(
                            Kind.UNAVAILABLE, "cannot record the addresses of the slots", e);
        }
    }

    AddressBlock block() {
        return block;
    }

    /** Lets go of the prefix and keeps the block for the next process. */
    void detach() {
        if (isOpen) {
            isOpen = false;
            unlock(lock);
        }
    }

    @Override
    public void close() {
        if (!isOpen) {
            return;
        }
        isOpen = false;
        try {
            Command.of("ip", "route", "del", "blackhole", block.toString()).tryRun();
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new NetworkUnusable(Kind.UNAVAILABLE, "cannot remove " + file, e);
        } finally {
            unlock(lock);
        }
    }

    private static FileChannel lock(NetworkConfig config, Path file) {
        FileChannel channel;
        try {
            Files.createDirectories(config.stateFolder());
            channel =
                    FileChannel.open(
                            file,
                            StandardOpenOption.CREATE,
                            StandardOpenOption.READ,
                            StandardOpenOption.WRITE);
        } catch (IOException e) {
            throw new NetworkUnusable(Kind.UNAVAILABLE, "cannot open " + file, e);
        }
        try {
            if (channel.tryLock() != null) {
                return channel;
            }
        } catch (OverlappingFileLockException _) {
            // held by another pool of this very process: the same answer
        } catch (IOException e) {
            unlock(channel);
            throw new NetworkUnusable(Kind.UNAVAILABLE, "cannot lock " + file, e);
        }
        unlock(channel);
        throw new NetworkUnusable(
                Kind.CONFLICT,
                "another running server keeps the network slots named " + config.prefix(),
                null);
    }

    private static void unlock(FileChannel lock) {
        try {
            lock.close();
        } catch (IOException e) {
            throw new NetworkUnusable(Kind.UNAVAILABLE, "cannot release the pool's lock", e);
        }
    }

    private static Optional<AddressBlock> existing(Inventory inventory) {
        return inventory.addresses().entrySet().stream()
                .map(entry -> AddressBlock.around(entry.getValue()))
                .findFirst();
    }

    private static AddressBlock takeFree(Cidr range, List<Cidr> routes) {
        // First where nothing at all is routed to; then also inside a wider route (a company's
        // 10.0.0.0/8, say), of which the block then hides 1024 addresses from this machine.
        return takeFree(range, routes, false)
                .or(() -> takeFree(range, routes, true))
                .orElseThrow(() ->
                        new NetworkUnusable(
                                Kind.EXHAUSTED,
                                "no block of 1024 addresses in %s is free; set another slot-range"
                                        .formatted(range),
                                null));
    }

    private static Optional<AddressBlock> takeFree(
            Cidr range, List<Cidr> routes, boolean insideWiderRoutes) {
        for (int i = 0; i < AddressBlock.countIn(range); i++) {
            var block = AddressBlock.of(range, i);
            var isTaken =
                    routes.stream()
                            .filter(route -> route.overlaps(block.range()))
                            .anyMatch(route -> !insideWiderRoutes || block.range().contains(route));
            if (!isTaken
                    && Command.of("ip", "route", "add", "blackhole", block.toString())
                            .tryRun()
                            .isSuccess()) {
                return Optional.of(block);
            }
        }
        return Optional.empty();
    }

    private static Optional<AddressBlock> read(FileChannel file) throws IOException {
        var bytes = ByteBuffer.allocate(256);
        file.read(bytes, 0);
        var words =
                new String(bytes.array(), 0, bytes.position(), StandardCharsets.US_ASCII)
                        .strip()
                        .split(" ", -1);
        if (words.length != 2 || !words[1].equals(bootId())) {
            return Optional.empty(); // new, half written, or from before a reboot
        }
        try {
            return Optional.of(AddressBlock.around(Inet4Address.ofLiteral(words[0])));
        } catch (IllegalArgumentException _) {
            return Optional.empty();
        }
    }

    private static void write(FileChannel file, AddressBlock block) throws IOException {
        var line = block.range().address().getHostAddress() + " " + bootId() + "\n";
        file.truncate(0);
        file.write(ByteBuffer.wrap(line.getBytes(StandardCharsets.US_ASCII)), 0);
    }

    private static String bootId() throws IOException {
        return Files.readString(BOOT_ID).strip();
    }
}
