package dev.wrenn.testkit;

import dev.wrenn.testkit.HostInventory.Part;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Which part of the machine an inventory is taken of. Other tests run on the same machine, so a
 * test marks its things with a name of its own and looks only at those.
 *
 * <p>Immutable: each method returns a changed copy.
 */
public final class HostView {
    private static final Pattern NUMBERED = Pattern.compile("(socket|pipe|net|mnt):\\[\\d+]");
    private static final Pattern VMM = Pattern.compile("(qemu-system-.*|firecracker.*|jailer.*)");

    private static final Pattern NUMBER = Pattern.compile("^[0-9]+(?= )|(?<=-)[0-9]+(?= |$)");

    private final Set<Part> parts;
    private final List<Path> roots;
    private final String mark;
    private final boolean numbersAlike;

    private HostView(Set<Part> parts, List<Path> roots, String mark, boolean numbersAlike) {
        this.parts = parts;
        this.roots = roots;
        this.mark = mark;
        this.numbersAlike = numbersAlike;
    }

    static HostView ofTheMachine() {
        var parts = EnumSet.allOf(Part.class);
        parts.removeAll(EnumSet.of(Part.FILES, Part.DESCRIPTORS, Part.THREADS));
        return new HostView(parts, List.of(), "", false);
    }

    /** Only what has the mark in its name; descriptors, threads and files are not filtered. */
    public HostView marked(String newMark) {
        return new HostView(parts, roots, newMark, numbersAlike);
    }

    /** It counts how many slots and processes there are, but not which numbers they have. */
    public HostView numbersAlike() {
        return new HostView(parts, roots, mark, true);
    }

    /** Also all files under that folder. */
    public HostView under(Path root) {
        var more = new ArrayList<>(roots);
        more.add(root);
        return new HostView(with(parts, Part.FILES), more, mark, numbersAlike);
    }

    /** Also the descriptors or threads of this process. */
    public HostView and(Part part) {
        return new HostView(with(parts, part), roots, mark, numbersAlike);
    }

    /** Without that part. */
    public HostView except(Part part) {
        var fewer = EnumSet.copyOf(parts);
        fewer.remove(part);
        return new HostView(fewer, roots, mark, numbersAlike);
    }

    private static Set<Part> with(Set<Part> parts, Part part) {
        var more = EnumSet.copyOf(parts);
        more.add(part);
        return more;
    }

    /** What there is now. */
    public HostInventory take() {
        var things = new EnumMap<Part, SortedMap<String, Integer>>(Part.class);
        for (var part : parts) {
            things.put(part, count(part));
        }
        return new HostInventory(things);
    }

    private SortedMap<String, Integer> count(Part part) {
        boolean isOurs =
                switch (part) {
                    case FILES, DESCRIPTORS, THREADS -> true;
                    case NETWORK_NAMESPACES,
                            LINKS,
                            NFT_TABLES,
                            MOUNTS,
                            LOOP_DEVICES,
                            VMM_PROCESSES,
                            CGROUPS ->
                            false;
                };
        var counts = new TreeMap<String, Integer>();
        for (var thing : look(part)) {
            if (isOurs || thing.contains(mark)) {
                counts.merge(
                        numbersAlike && !isOurs ? NUMBER.matcher(thing).replaceAll("N") : thing,
                        1,
                        Integer::sum);
            }
        }
        return counts;
    }

    private Collection<String> look(Part part) {
        try {
            return switch (part) {
                case NETWORK_NAMESPACES -> names(Path.of("/run/netns"));
                case LINKS -> names(Path.of("/sys/class/net"));
                case NFT_TABLES -> nftTables();
                case MOUNTS -> mounts();
                case LOOP_DEVICES -> loopDevices();
                case VMM_PROCESSES -> vmmProcesses();
                case CGROUPS -> folders(Path.of("/sys/fs/cgroup"));
                case FILES -> files();
                case DESCRIPTORS -> descriptors();
                case THREADS ->
                        Thread.getAllStackTraces().keySet().stream().map(Thread::getName).toList();
            };
        } catch (IOException e) {
            throw new UncheckedIOException("cannot look at " + part, e);
        }
    }

    private static List<String> names(Path folder) throws IOException {
        var names = new ArrayList<String>();
        for (var entry : entries(folder)) {
            names.add(entry.getFileName().toString());
        }
        return names;
    }

    private static List<Path> entries(Path folder) throws IOException {
        try (var entries = Files.list(folder)) {
            return entries.toList();
        } catch (NoSuchFileException _) {
            return List.of(); // such a folder comes with its first entry
        }
    }

    private static List<String> nftTables() throws IOException {
        var process =
                new ProcessBuilder("nft", "list", "tables")
                        .redirectError(ProcessBuilder.Redirect.DISCARD)
                        .start();
        try (var output = process.getInputStream()) {
            return new String(output.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
        }
    }

    /** Mount point, type and source; proc_pid_mountinfo(5). */
    private static List<String> mounts() throws IOException {
        var mounts = new ArrayList<String>();
        for (var line : Files.readAllLines(Path.of("/proc/self/mountinfo"))) {
            var fields = line.split(" ");
            var separator = List.of(fields).indexOf("-");
            mounts.add(
                    "%s %s %s".formatted(fields[4], fields[separator + 1], fields[separator + 2]));
        }
        return mounts;
    }

    private static List<String> loopDevices() throws IOException {
        var devices = new ArrayList<String>();
        for (var device : entries(Path.of("/sys/block"))) {
            var backing = device.resolve("loop/backing_file");
            var file = readIfThere(backing);
            if (!file.isEmpty()) {
                devices.add(device.getFileName() + " " + file.strip());
            }
        }
        return devices;
    }

    private static List<String> vmmProcesses() throws IOException {
        var processes = new ArrayList<String>();
        for (var process : entries(Path.of("/proc"))) {
            var commandLine = readIfThere(process.resolve("cmdline")).replace('\0', ' ').strip();
            var program = commandLine.split(" ", 2)[0];
            if (VMM.matcher(program.substring(program.lastIndexOf('/') + 1)).matches()) {
                processes.add(process.getFileName() + " " + commandLine);
            }
        }
        return processes;
    }

    /** Empty if it is gone, which happens to processes and devices while one looks. */
    private static String readIfThere(Path file) throws IOException {
        if (!Files.exists(file)) {
            return "";
        }
        try {
            return Files.readString(file, StandardCharsets.ISO_8859_1);
        } catch (NoSuchFileException _) {
            return "";
        } catch (IOException e) {
            if (!Files.exists(file) || "No such process".equals(e.getMessage())) {
                return "";
            }
            throw e;
        }
    }

    private static List<String> folders(Path root) throws IOException {
        var found = new ArrayList<String>();
        for (var entry : entries(root)) {
            if (Files.isDirectory(entry)) {
                found.add(entry.toString());
                found.addAll(folders(entry));
            }
        }
        return found;
    }

    private List<String> files() throws IOException {
        var found = new ArrayList<String>();
        for (var root : roots) {
            try (Stream<Path> files = Files.walk(root)) {
                files.map(Path::toString).forEach(found::add);
            } catch (NoSuchFileException _) {
                // No root, no files.
            }
        }
        return found;
    }

    private static List<String> descriptors() throws IOException {
        var found = new ArrayList<String>();
        for (var descriptor : entries(Path.of("/proc/self/fd"))) {
            try {
                var target = Files.readSymbolicLink(descriptor).toString();
                // The class path is opened as it is needed, and our own look is open right now.
                if (!target.endsWith(".jar")
                        && !target.endsWith("/modules")
                        && !target.matches("/proc/\\d+/fd")) {
                    found.add(NUMBERED.matcher(target).replaceAll("$1"));
                }
            } catch (NoSuchFileException _) {
                // Closed in the meantime.
            }
        }
        return found;
    }
}
