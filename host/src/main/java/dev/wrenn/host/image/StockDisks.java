package dev.wrenn.host.image;

import dev.wrenn.base.Command;
import dev.wrenn.base.CommandFailed;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.host.ProcessDefaults;
import dev.wrenn.contract.host.StockTemplate;
import dev.wrenn.disk.Disks;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Root disks that this machine knows how to make: {@code minimal} and something on top, installed
 * in the disk from outside and not by a guest. Named after what they are made of; made once.
 * Several threads and processes take turns.
 *
 * <p>Whoever uses a disk copies it, so these files are needed only to copy from, and the ones that
 * today's recipes would not make any more are needed by nobody.
 */
public final class StockDisks {
    private static final Logger LOG = LoggerFactory.getLogger(StockDisks.class);

    /**
     * On a disk that {@linkplain StockDisk#preparesItself prepares itself}: what to run after a
     * boot, and with the argument {@code again} after a start from what was saved.
     */
    public static final String PREPARE = "/usr/local/lib/wrenn/prepare";

    private static final Duration LIMIT = Duration.ofMinutes(60);

    /** Of another process, with recipes of its own, that may still copy a disk. */
    private static final Duration IN_USE = Duration.ofHours(1);

    private static final String SUFFIX = ".ext4";
    private static final String STEP = "==> ";
    private static final String OWNER_ONLY = "rw-------";

    private final Path folder;
    private final Path minimal;
    private final Disks disks;
    private final InstantSource clock;
    private final String script;

    /** By the recipe's name: the revision of its disk, which does not change while we run. */
    private final Map<String, String> revisions;

    /** Among the threads of this process; see {@link FolderTurn#tryTake}. */
    private final ReentrantLock turn = new ReentrantLock();

    /**
     * In that folder.
     *
     * @param minimal the root disk that they start from
     */
    public StockDisks(Path folder, Path minimal, Disks disks, InstantSource clock) {
        this.folder = folder;
        this.minimal = minimal;
        this.disks = disks;
        this.clock = clock;
        this.script = StockRecipe.read("stock-disk.sh");
        this.revisions =
                StockRecipe.ALL.stream()
                        .collect(
                                Collectors.toUnmodifiableMap(
                                        StockRecipe::name, r -> r.revision(minimal, script)));
    }

    /**
     * A disk that is there.
     *
     * @param file not to be written
     * @param revision names its content
     * @param preparesItself whether {@link #PREPARE} is to run
     * @param defaults what processes get
     */
    public record StockDisk(
            Path file, String revision, boolean preparesItself, ProcessDefaults defaults) {}

    /** What can be made. */
    public List<StockTemplate> all() {
        return StockRecipe.ALL.stream().map(r -> r.describe(revisionOf(r))).toList();
    }

    private String revisionOf(StockRecipe recipe) {
        return Objects.requireNonNull(revisions.get(recipe.name()));
    }

    /**
     * The disk of that name; made if there is none by its recipe as it is now. Interrupting the
     * caller ends it.
     *
     * @param progress told what is done, in words for people
     * @throws WrennException ABSENT if there is no such recipe
     * @throws GuestImageFailed if it cannot be made, such as without the registries
     */
    public StockDisk disk(String name, Consumer<String> progress) {
        var recipe =
                StockRecipe.ALL.stream()
                        .filter(r -> r.name().equals(name))
                        .findFirst()
                        .orElseThrow(() ->
                                new WrennException(
                                        Kind.ABSENT,
                                        "this host does not know how to make the disk " + name));
        var file = fileOf(recipe);
        try {
            if (!use(file)) {
                make(recipe, file, progress);
            }
        } catch (IOException e) {
            throw new GuestImageFailed("cannot write the disk " + name + " to " + folder, e);
        }
        return new StockDisk(file, revisionOf(recipe), recipe.preparesItself(), recipe.defaults());
    }

    private Path fileOf(StockRecipe recipe) {
        return folder.resolve(recipe.name() + "-" + revisionOf(recipe) + SUFFIX);
    }

    /** Marks a disk as in use from now on, so that no other process removes it; false if absent. */
    private boolean use(Path file) throws IOException {
        try {
            Files.setLastModifiedTime(file, FileTime.from(clock.instant()));
            return true;
        } catch (NoSuchFileException _) {
            return false;
        }
    }

    /**
     * Removes the disks that today's recipes would not make, unless somebody used them in the last
     * hour, and what interrupted makings left. Does nothing while a disk is being made.
     */
    public void removeSuperseded() {
        if (!turn.tryLock()) {
            return;
        }
        try {
            if (!removable().isEmpty()) {
                FolderTurn.tryTake(folder).ifPresent(this::remove);
            }
        } catch (IOException e) {
            throw new GuestImageFailed("cannot look for superseded disks in " + folder, e);
        } finally {
            turn.unlock();
        }
    }

    private void remove(FolderTurn ours) {
        try (ours) {
            for (var file : removable()) {
                Aside.remove(file);
                LOG.atInfo().addKeyValue("file", file).log("removed a disk of no use");
            }
        } catch (IOException e) {
            throw new GuestImageFailed("cannot remove superseded disks from " + folder, e);
        }
    }

    private List<Path> removable() throws IOException {
        var current = StockRecipe.ALL.stream().map(this::fileOf).collect(Collectors.toSet());
        var before = FileTime.from(clock.instant().minus(IN_USE));
        var removable = new ArrayList<Path>();
        try (var all = Files.newDirectoryStream(folder)) {
            for (var file : all) {
                boolean isSuperseded =
                        file.toString().endsWith(SUFFIX)
                                && !current.contains(file)
                                && Files.getLastModifiedTime(file).compareTo(before) < 0;
                if (isSuperseded || Aside.isUnfinished(file)) {
                    removable.add(file);
                }
            }
        }
        return removable;
    }

    private void make(StockRecipe recipe, Path file, Consumer<String> progress) throws IOException {
        try {
            turn.lockInterruptibly(); // held while it is made on purpose
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new GuestImageFailed("making the disk " + recipe.name() + " was interrupted");
        }
        try {
            makeInTurn(recipe, file, progress);
        } finally {
            turn.unlock();
        }
    }

    private void makeInTurn(StockRecipe recipe, Path file, Consumer<String> progress)
            throws IOException {
        var aside = new Aside(folder);
        try (var _ = FolderTurn.take(folder)) {
            if (use(file)) {
                return; // somebody else made it while we waited
            }
            aside.clear();
            aside.make(
                    String.valueOf(file.getFileName()),
                    into -> fill(recipe, aside, into, progress));
        }
    }

    private void fill(StockRecipe recipe, Aside aside, Path into, Consumer<String> progress)
            throws IOException {
        // A name of its own: what a killed process started may still write for a moment.
        var scratch = aside.scratch(recipe.name() + "-" + UUID.randomUUID());
        try {
            Files.createDirectory(
                    scratch,
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rwx------")));
            var work = Files.createDirectory(scratch.resolve("work"));
            recipe.writeTo(work);
            if (recipe.needsPython()) {
                PipSettings.ofThisMachine().writeTo(work);
            }
            var sources = AptSources.ofThisMachine();
            secret(work.resolve("sources.list"), sources.lines());
            secret(work.resolve("transport.conf"), sources.transport());
            var run = Files.writeString(scratch.resolve("run"), script);
            disks.cloneDisk(minimal, into);
            run(
                    recipe,
                    List.of("sh", run.toString(), into.toString(), scratch.toString()),
                    progress);
        } finally {
            Aside.remove(scratch);
        }
    }

    private static void run(StockRecipe recipe, List<String> command, Consumer<String> progress) {
        try {
            Command.of(command)
                    .within(LIMIT)
                    .eachLine(line -> {
                        if (line.startsWith(STEP)) {
                            progress.accept(line.substring(STEP.length()));
                        }
                    })
                    .run();
        } catch (CommandFailed e) {
            var what =
                    recipe.needsPython()
                            ? "Debian's package mirror and the Python registry (pip.conf,"
                                    + " PIP_INDEX_URL, proxy)"
                            : "Debian's package mirror (apt-get update)";
            throw new GuestImageFailed(
                    "cannot make the disk %s, which needs %s: %s"
                            .formatted(recipe.name(), what, e.shownMessage()),
                    e);
        }
    }

    private static void secret(Path file, List<String> lines) throws IOException {
        Files.createFile(
                file,
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(OWNER_ONLY)));
        Files.write(file, lines);
    }
}
