package dev.wrenn.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.wrenn.base.Command;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.UndoStack;
import dev.wrenn.host.guest.GuestAgent;
import dev.wrenn.network.Slot;
import dev.wrenn.snapshot.PageSource;
import dev.wrenn.snapshot.PageSource.Run;
import dev.wrenn.snapshot.Snapshot;
import dev.wrenn.vmm.VmmKind;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * The program of src/main/c/floor.c: a resume with QEMU, the shim and a page server in C, and none
 * of Wrenn. It gets the memory of a snapshot as one plain file that is in the page cache already.
 */
final class Floor {
    private static final Duration LIMIT = Duration.ofMinutes(2);
    private static final int CHUNK_PAGES = 256;

    private final Path program;
    private final Path shim;
    private final VmmKind kind;
    private final Path sockets;
    private final Path scratch;

    private Floor(Path program, Path shim, VmmKind kind, Path sockets, Path scratch) {
        this.program = program;
        this.shim = shim;
        this.kind = kind;
        this.sockets = sockets;
        this.scratch = scratch;
    }

    /** What one start took. */
    record Start(double runningMillis, double readyMillis, long faults) {}

    /**
     * Compiles it.
     *
     * @param sockets folder for sockets; its path is short
     * @param scratch folder for the program and for memory
     */
    static Floor compile(Path checkout, Path shim, VmmKind kind, Path sockets, Path scratch) {
        return new Floor(
                CPrograms.compile(checkout.resolve("bench/src/main/c/floor.c"), scratch),
                shim,
                kind,
                sockets,
                scratch);
    }

    /** Starts from a snapshot; what is copied for it before is not part of the time. */
    Start measure(Snapshot snapshot, BareVms vms) {
        try (var undo = new UndoStack()) {
            var slot = vms.lease(undo, Deadline.after(LIMIT));
            var disk = vms.cloneDisk(undo, snapshot.disk());
            var memory = flatten(snapshot);
            undo.undo(() -> CPrograms.delete(memory));
            var clusters = scratch.resolve("clusters");
            Files.writeString(
                    clusters,
                    Arrays.stream(snapshot.workingSet().toArray())
                            .mapToObj(Integer::toString)
                            .collect(Collectors.joining("\n")));
            var arguments =
                    new ArrayList<>(
                            List.of(
                                    program.toString(),
                                    sockets.toString(),
                                    slot.namespacePath().toString(),
                                    slot.hostAddress().getHostAddress(),
                                    Integer.toString(GuestAgent.PORT),
                                    memory.toString(),
                                    clusters.toString(),
                                    snapshot.vmState().toString(),
                                    shim.toString()));
            arguments.addAll(qemu(snapshot, slot, disk));
            var answer =
                    new ObjectMapper().readTree(Command.of(arguments).within(LIMIT).run().stdout());
            return new Start(
                    answer.path("running_nanos").asLong() / 1e6,
                    answer.path("ready_nanos").asLong() / 1e6,
                    answer.path("faults").asLong());
        } catch (IOException e) {
            throw BenchFailed.because("cannot measure the VMM floor", e);
        }
    }

    /** The same devices in the same order as the VMM that saved the state. */
    private List<String> qemu(Snapshot snapshot, Slot slot, Path disk) {
        var memory = snapshot.manifest().memory().toMib() + "M";
        var accelerator =
                switch (kind) {
                    case FIRECRACKER ->
                            throw BenchFailed.because("the floor is known for QEMU only");
                    case QEMU_KVM -> "-accel kvm -cpu host";
                    case QEMU_TCG -> "-accel tcg,tb-size=256 -cpu max";
                };
        var line =
                "/usr/bin/qemu-system-x86_64 -no-user-config -nodefaults -display none"
                        + " -machine microvm,memory-backend=mem "
                        + accelerator
                        + " -smp "
                        + snapshot.manifest().vcpus()
                        + " -m "
                        + memory
                        + " -object memory-backend-memfd,id=mem,share=on,size="
                        + memory
                        + " -chardev ringbuf,id=console,size=65536 -serial chardev:console"
                        + " -chardev socket,id=monitor,fd=3,server=on,wait=off"
                        + " -mon chardev=monitor,mode=control -device virtio-rng-device"
                        + " -drive if=none,id=disk,format=raw,cache=unsafe,discard=unmap,"
                        + "file.locking=off,file="
                        + disk
                        + " -device virtio-blk-device,drive=disk"
                        + " -netdev tap,id=net,ifname="
                        + slot.tap()
                        + ",script=no,downscript=no,vhost=off"
                        + " -device virtio-net-device,netdev=net,mac="
                        + slot.macAddress()
                        + " -S -incoming defer";
        return List.of(line.split(" ", -1));
    }

    /** The snapshot's memory as one file, with holes where it is zero. */
    private Path flatten(Snapshot snapshot) throws IOException {
        var file = scratch.resolve("memory");
        Files.deleteIfExists(file);
        try (var image = snapshot.image();
                var channel =
                        FileChannel.open(
                                file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            long page = 0;
            while (page < image.pageCount()) {
                int wanted = (int) Math.min(CHUNK_PAGES, image.pageCount() - page);
                var run = image.run(page, wanted);
                if (run instanceof Run.Stored(int _, var bytes)) {
                    var buffer = bytes.asByteBuffer();
                    long at = page * PageSource.PAGE_BYTES;
                    while (buffer.hasRemaining()) {
                        at += channel.write(buffer, at);
                    }
                }
                page += run.pages();
            }
            long size = image.pageCount() * PageSource.PAGE_BYTES;
            if (channel.size() < size) {
                channel.write(java.nio.ByteBuffer.allocate(1), size - 1);
            }
        }
        return file;
    }
}
