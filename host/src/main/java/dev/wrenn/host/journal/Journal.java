package dev.wrenn.host.journal;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.FileTrouble;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The host agent's memory of its capsules.
 *
 * <p>Two kinds of record: the durable one (a file per capsule in the data folder, written aside,
 * synced, renamed) and the one of the present run (in the capsule's run folder, renamed but not
 * synced: a run does not survive the machine). Each capsule's records have one writer, its driver;
 * different capsules may be written at the same time.
 */
public final class Journal implements Resource {
    private static final Logger LOG = LoggerFactory.getLogger(Journal.class);
    private static final String SUFFIX = ".json";
    private static final String ASIDE = ".new";
    private static final String RUN_FILE = "run.json";

    private final ObjectMapper json =
            new ObjectMapper()
                    .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                    // A later version may add fields.
                    .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);
    private final Path capsules;
    private final Path templates;
    private final Path runs;

    /**
     * @param durable folder of the durable records
     * @param runs folder with one run folder per capsule
     */
    public Journal(Path durable, Path runs) {
        this.capsules = durable.resolve("capsules");
        this.templates = durable.resolve("templates");
        this.runs = runs;
        try {
            Files.createDirectories(capsules);
            Files.createDirectories(templates);
            Files.createDirectories(runs);
            var ownerOnly = PosixFilePermissions.fromString("rwx------");
            Files.setPosixFilePermissions(durable, ownerOnly);
            Files.setPosixFilePermissions(runs, ownerOnly);
            removeCutWrites(capsules);
            removeCutWrites(templates);
        } catch (IOException e) {
            throw failed("prepare the journal's folders", e);
        }
    }

    /** What a process that was killed had not renamed yet was never promised. */
    private static void removeCutWrites(Path folder) throws IOException {
        try (var files = Files.newDirectoryStream(folder, "*" + SUFFIX + ASIDE)) {
            for (var file : files) {
                Files.delete(file);
            }
        }
    }

    /**
     * Whether a write must outlast the machine or only this process: what follows from a run record
     * anyway need not hold up a caller.
     */
    public enum Durability {
        /** Is on disk when the call returns. */
        SYNCED,
        /** Survives the process; must only be used where no synced file is replaced. */
        BUFFERED
    }

    /** Stores a capsule's record. */
    public void write(CapsuleRecord record, Durability durability) {
        store(capsules.resolve(record.capsule() + SUFFIX), record, durability == Durability.SYNCED);
    }

    /** Forgets a capsule durably. */
    public void forget(String capsule) {
        try {
            Files.deleteIfExists(capsules.resolve(capsule + SUFFIX));
            syncFolder(capsules);
        } catch (IOException e) {
            throw failed("forget " + capsule, e);
        }
    }

    /** The durable record of a capsule, if it has one. */
    public Optional<CapsuleRecord> capsule(String capsule) {
        return readDurable(
                        capsules.resolve(capsule + SUFFIX),
                        CapsuleRecord.class,
                        CapsuleRecord::upgrade)
                .map(r -> readable(r, r.version(), CapsuleRecord.VERSION));
    }

    /** Whether a capsule's record as it is stored names that snapshot. */
    public boolean names(String capsule, String snapshot) {
        return capsule(capsule)
                .filter(r -> r.history().stream().anyMatch(c -> c.snapshot().equals(snapshot)))
                .isPresent();
    }

    /** Every durable record. */
    public List<CapsuleRecord> capsules() {
        return readAll(capsules, CapsuleRecord.class, CapsuleRecord::upgrade).stream()
                .map(r -> readable(r, r.version(), CapsuleRecord.VERSION))
                .toList();
    }

    /** Stores a template's record durably. */
    public void write(TemplateRecord record) {
        store(templates.resolve(record.template() + SUFFIX), record, true);
    }

    /** Forgets a template durably. */
    public void forgetTemplate(String template) {
        try {
            Files.deleteIfExists(templates.resolve(template + SUFFIX));
            syncFolder(templates);
        } catch (IOException e) {
            throw failed("forget template " + template, e);
        }
    }

    /** Every template. */
    public List<TemplateRecord> templates() {
        return readAll(templates, TemplateRecord.class, TemplateRecord::complete).stream()
                .map(r -> readable(r, r.version(), TemplateRecord.VERSION))
                .toList();
    }

    /** A template, if this host has it. */
    public Optional<TemplateRecord> template(String template) {
        return readDurable(
                        templates.resolve(template + SUFFIX),
                        TemplateRecord.class,
                        TemplateRecord::complete)
                .map(r -> readable(r, r.version(), TemplateRecord.VERSION));
    }

    private <T> List<T> readAll(Path folder, Class<T> type, Consumer<ObjectNode> upgrade) {
        var records = new ArrayList<T>();
        try (var files = Files.list(folder)) {
            for (var file : files.filter(f -> f.toString().endsWith(SUFFIX)).toList()) {
                // Empty if it was forgotten since the list.
                readDurable(file, type, upgrade).ifPresent(records::add);
            }
        } catch (IOException e) {
            throw failed("list the journal", e);
        }
        return records;
    }

    /**
     * @param upgrade brings what an earlier version wrote to the present layout
     * @throws WrennException CORRUPT if the record is damaged: going on without it would take its
     *     capsule for unknown and free what is all that is left of it
     */
    private <T> Optional<T> readDurable(Path file, Class<T> type, Consumer<ObjectNode> upgrade) {
        try {
            var object = json.readValue(Files.readAllBytes(file), ObjectNode.class);
            upgrade.accept(object);
            return Optional.of(json.treeToValue(object, type));
        } catch (NoSuchFileException _) {
            return Optional.empty();
        } catch (JsonProcessingException e) {
            throw new WrennException(
                    Kind.CORRUPT,
                    file
                            + " is damaged; put it back from a backup, or remove it to give up"
                            + " what it describes",
                    e);
        } catch (IOException e) {
            throw failed("read " + file.getFileName(), e);
        }
    }

    /** A record that a later version wrote must not be taken for absent either. */
    private static <T> T readable(T record, int version, int known) {
        if (version != known) {
            throw new WrennException(
                    Kind.INVALID,
                    "the journal was written by another version of Wrenn (layout %d, this one reads %d)"
                            .formatted(version, known));
        }
        return record;
    }

    /** Stores what a run holds. */
    public void write(RunRecord record) {
        store(runFolder(record.capsule()).resolve(RUN_FILE), record, false);
    }

    /** What a capsule's run holds, if it has one. */
    public Optional<RunRecord> run(String capsule) {
        return read(runFolder(capsule).resolve(RUN_FILE), RunRecord.class)
                .filter(r -> r.version() == RunRecord.VERSION);
    }

    /** Names of all run folders, those without a readable record included. */
    public List<String> runFolders() {
        try (var folders = Files.list(runs)) {
            return folders.map(f -> f.getFileName().toString()).toList();
        } catch (IOException e) {
            throw failed("list the run folders", e);
        }
    }

    /** Folder for the sockets and small files of a capsule's run. */
    public Path runFolder(String capsule) {
        return runs.resolve(capsule);
    }

    /** A damaged run record counts as none: its VM is found by its command line and ended. */
    private <T> Optional<T> read(Path file, Class<T> type) {
        try {
            return Optional.of(json.readValue(Files.readAllBytes(file), type));
        } catch (NoSuchFileException _) {
            return Optional.empty();
        } catch (JsonProcessingException e) {
            LOG.atWarn().setCause(e).addKeyValue("file", file).log("journal file is damaged");
            return Optional.empty();
        } catch (IOException e) {
            throw failed("read " + file.getFileName(), e);
        }
    }

    private void store(Path file, Object record, boolean durable) {
        var aside = file.resolveSibling(file.getFileName() + ASIDE);
        try {
            try (var channel =
                    FileChannel.open(
                            aside,
                            StandardOpenOption.CREATE,
                            StandardOpenOption.WRITE,
                            StandardOpenOption.TRUNCATE_EXISTING)) {
                var bytes = java.nio.ByteBuffer.wrap(json.writeValueAsBytes(record));
                while (bytes.hasRemaining()) {
                    channel.write(bytes);
                }
                if (durable) {
                    channel.force(true);
                }
            }
            Files.move(aside, file, StandardCopyOption.ATOMIC_MOVE);
            if (durable) {
                syncFolder(java.util.Objects.requireNonNull(file.getParent()));
            }
        } catch (IOException e) {
            throw failed("write " + file.getFileName(), e);
        }
    }

    /** A rename lasts once its folder is on disk (fsync(2), NOTES). */
    private static void syncFolder(Path folder) throws IOException {
        try (var channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    private static WrennException failed(String attempt, IOException cause) {
        var trouble = FileTrouble.of(cause);
        return new WrennException(trouble.kind(), "cannot " + attempt + trouble.words(), cause);
    }

    /** Takes the folders of runs away, if no run is left; the durable records stay. */
    @Override
    public void close() {
        try {
            Files.deleteIfExists(runs);
            Files.deleteIfExists(runs.toAbsolutePath().getParent());
        } catch (DirectoryNotEmptyException _) {
            // Something of a run is left; the next process finds it there.
        } catch (IOException e) {
            throw failed("remove the folder of runs", e);
        }
    }
}
