package dev.wrenn.vmm;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Pause;
import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The control group of one VMM process (Linux Documentation/admin-guide/cgroup-v2.rst): what a
 * guest that takes over its VMM could use up at most.
 *
 * <p>Groups lie beside those of the system, not below our own: a VM outlives the host agent, and a
 * group that has processes cannot have groups with limits. Where the unified hierarchy does not
 * have the controllers, as on machines that still use the older one, there is no group.
 *
 * @param root of the hierarchy
 * @param vm whose group it is
 */
public record ControlGroup(Path root, String vm) {
    private static final Logger LOG = LoggerFactory.getLogger(ControlGroup.class);
    private static final String PARENT = "wrenn";
    private static final List<String> NEEDED = List.of("cpu", "memory", "pids");
    private static final Duration EMPTY_LIMIT = Duration.ofSeconds(5);
    private static final Duration LOOK_INTERVAL = Duration.ofMillis(2);
    private static final int PERIOD_MICROS = 100_000;

    /**
     * What a VMM may use.
     *
     * @param memory guest memory and all that the VMM needs itself; page cache counts, and is given
     *     back first
     * @param processors of the machine
     * @param threads of the process
     */
    public record Limits(ByteSize memory, int processors, int threads) {
        /**
         * For a VM of that shape.
         *
         * @param overhead what the VMM needs beside the guest's memory
         */
        public static Limits of(VmSpec spec, ByteSize overhead) {
            return new Limits(
                    new ByteSize(spec.memory().bytes() + overhead.bytes()),
                    spec.vcpus() + 1, // one for the devices
                    4 * spec.vcpus() + 32);
        }
    }

    /** The root of a hierarchy that has what is needed; empty if this machine has none. */
    private static Optional<Path> hierarchy() {
        try {
            for (var line : Files.readAllLines(Path.of("/proc/self/mounts"))) {
                var fields = line.split(" ", -1);
                if (fields[2].equals("cgroup2")) {
                    var root = Path.of(fields[1]);
                    var controllers = Files.readString(root.resolve("cgroup.controllers")).strip();
                    if (Arrays.asList(controllers.split(" ", -1)).containsAll(NEEDED)) {
                        return Optional.of(root);
                    }
                }
            }
            return Optional.empty();
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "looking for control groups", e);
        }
    }

    /** The group of that VM, whether it is there or not. */
    public static Optional<ControlGroup> of(VmSpec spec) {
        return hierarchy().map(root -> new ControlGroup(root, spec.name()));
    }

    /** Makes it, empty. */
    public void create(Limits limits) {
        try {
            var parent = root.resolve(PARENT);
            Files.createDirectories(parent);
            enable(root);
            enable(parent);
            Files.createDirectories(folder());
            set("memory.max", Long.toString(limits.memory().bytes()));
            set("memory.swap.max", "0");
            set("pids.max", Integer.toString(limits.threads()));
            set("cpu.max", limits.processors() * PERIOD_MICROS + " " + PERIOD_MICROS);
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "making the control group of a VM", e);
        }
    }

    /** Takes a process in, with all its threads. */
    public void admit(long pid) {
        try {
            set("cgroup.procs", Long.toString(pid));
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "moving a VMM into its control group", e);
        }
    }

    /** Its path below the root. */
    public String name() {
        return PARENT + "/" + vm;
    }

    /** Its own folder. */
    public Path folder() {
        return root.resolve(name());
    }

    /** Removes it once its process is gone; one that is not there is fine. */
    public void remove() {
        boolean isGone =
                Pause.until(
                        () -> {
                            try {
                                Files.deleteIfExists(folder());
                                return true;
                            } catch (DirectoryNotEmptyException _) {
                                return false;
                            } catch (FileSystemException e) {
                                if (String.valueOf(e.getReason()).contains("busy")) {
                                    return false; // its process is still being taken apart
                                }
                                throw failed(e);
                            } catch (IOException e) {
                                throw failed(e);
                            }
                        },
                        LOOK_INTERVAL,
                        Deadline.after(EMPTY_LIMIT));
        if (!isGone) {
            LOG.atWarn().addKeyValue("group", folder()).log("a control group keeps a process");
        }
    }

    private static VmmFailed failed(IOException cause) {
        return new VmmFailed(Kind.UNAVAILABLE, "removing the control group of a VM", cause);
    }

    private void set(String file, String value) throws IOException {
        var path = folder().resolve(file);
        if (Files.exists(path)) { // a kernel without swap accounting has no memory.swap.max
            Files.writeString(path, value);
        }
    }

    private static void enable(Path group) throws IOException {
        for (var controller : NEEDED) {
            Files.writeString(group.resolve("cgroup.subtree_control"), "+" + controller);
        }
    }
}
