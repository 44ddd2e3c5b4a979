package dev.wrenn.host.capsule;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.host.DiskSource;
import dev.wrenn.contract.host.HostTemplate;
import dev.wrenn.contract.host.ImportedDisk;
import dev.wrenn.contract.host.StockTemplate;
import dev.wrenn.host.image.BaseDisks;
import dev.wrenn.host.journal.TemplateRecord;
import dev.wrenn.host.oci.ImageRegistry;
import dev.wrenn.host.oci.PulledImage;
import dev.wrenn.snapshot.Snapshot;
import dev.wrenn.snapshot.SnapshotId;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * The templates of this host.
 *
 * <p>A disk template is booted once per shape (processors, memory, kernel and agent) and the result
 * kept; a snapshot template brings its shape. Thread-safe; two callers who need the same new shape
 * share one boot.
 */
public final class Templates {
    private final Machinery machinery;
    private final ColdBoot coldBoot;
    private final ImageRegistry registry;
    private final Map<String, ReentrantLock> building = new ConcurrentHashMap<>();
    private final ReentrantLock recording = new ReentrantLock();
    private final Set<String> disksBeingAdded = ConcurrentHashMap.newKeySet();

    /** Works with these mechanisms and knows the built-in template from the start. */
    public Templates(Machinery machinery) {
        this.machinery = machinery;
        this.coldBoot = new ColdBoot(machinery);
        this.registry =
                new ImageRegistry(
                        machinery.config().dataFolder().resolve("layers"),
                        machinery.config().privateRegistries());
        var minimal = TemplateId.MINIMAL.toString();
        if (machinery.journal().template(minimal).isEmpty()) {
            machinery.journal().write(TemplateRecord.disk(minimal, ""));
        }
    }

    /**
     * What a capsule starts from.
     *
     * @param snapshot its id
     * @param vcpus shape in effect
     * @param memoryMb shape in effect
     * @param bootMillis how long the boot behind it took, 0 if it was not booted
     */
    public record Start(SnapshotId snapshot, int vcpus, int memoryMb, long bootMillis) {}

    /**
     * The snapshot to start from; boots the shape first if it is new, which takes seconds.
     *
     * @throws WrennException ABSENT if this host has no such template
     */
    public Start startOf(TemplateId template, int vcpus, int memoryMb) {
        var record = require(template);
        return start(
                record.holdsMemory()
                        ? machinery.store().open(new SnapshotId(record.snapshot()))
                        : shape(template, vcpus, memoryMb));
    }

    /** Whether that shape starts without a boot. */
    public boolean isWarm(TemplateId template, int vcpus, int memoryMb) {
        var record = require(template);
        return record.holdsMemory()
                || record.shapes().containsKey(shapeKey(record, vcpus, memoryMb));
    }

    private Snapshot shape(TemplateId template, int vcpus, int memoryMb) {
        var key = shapeKey(require(template), vcpus, memoryMb);
        var lock = building.computeIfAbsent(template + "/" + key, _ -> new ReentrantLock());
        lock.lock(); // held across the boot on purpose: the others wait for its result
        try {
            var known = require(template).shapes().get(key);
            if (known != null) {
                return machinery.store().open(new SnapshotId(known));
            }
            var record = require(template);
            var snapshot =
                    coldBoot.build(
                            template.toString(),
                            new ColdBoot.Disk(diskOf(record), record.preparesItself()),
                            vcpus,
                            ByteSize.mib(memoryMb));
            try {
                record(template, key, snapshot.id());
            } finally {
                machinery.store().settled(snapshot.id());
            }
            return snapshot;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Two shapes that were booted at the same time would each write the record without the other.
     */
    private void record(TemplateId template, String key, SnapshotId snapshot) {
        recording.lock(); // held across a small write on purpose
        try {
            machinery.journal().write(require(template).with(key, snapshot.toString()));
        } finally {
            recording.unlock();
        }
    }

    /** Makes a snapshot template out of a sealed snapshot, which must not be used otherwise. */
    public HostTemplate add(TemplateId template, Snapshot snapshot) {
        var record = TemplateRecord.snapshot(template.toString(), snapshot.id().toString());
        machinery.journal().write(record);
        return describe(record);
    }

    /**
     * Makes a template of the disk of a guest that has shut down.
     *
     * @throws WrennException CORRUPT if the disk was not put at rest
     */
    public HostTemplate addDisk(TemplateId template, Path disk) {
        var name = template + ".ext4";
        disksBeingAdded.add(name);
        try {
            machinery.baseDisks().keepClean(name, disk);
            var record = TemplateRecord.disk(template.toString(), name);
            machinery.journal().write(record);
            return describe(record);
        } finally {
            disksBeingAdded.remove(name);
        }
    }

    /** See {@code HostAgent.importDisk}. */
    public ImportedDisk importDisk(
            TemplateId template, DiskSource source, Consumer<String> progress) {
        return switch (source) {
            case DiskSource.ContainerImage(var reference) -> {
                var image = registry.pull(reference, progress);
                progress.accept("writing a root disk of " + image.pinned());
                var made = keep(template, image);
                yield new ImportedDisk(made, image.defaults(), image.start(), image.pinned());
            }
            case DiskSource.Stock(var name) -> keep(template, name, progress);
        };
    }

    /** Templates that this host knows how to make. */
    public List<StockTemplate> stock() {
        return machinery.stockDisks().all();
    }

    private ImportedDisk keep(TemplateId template, String stock, Consumer<String> progress) {
        var made = machinery.stockDisks().disk(stock, progress);
        var name = String.valueOf(made.file().getFileName());
        var lock = building.computeIfAbsent(name, _ -> new ReentrantLock());
        disksBeingAdded.add(name + "/" + template);
        lock.lock(); // held while the disk is copied on purpose: the others wait for its result
        try {
            machinery.baseDisks().keep(name, made.file());
            var disk = TemplateRecord.disk(template.toString(), name);
            var record = made.preparesItself() ? disk.preparingItself() : disk;
            machinery.journal().write(record);
            return new ImportedDisk(describe(record), made.defaults(), List.of(), made.revision());
        } finally {
            lock.unlock();
            disksBeingAdded.remove(name + "/" + template);
        }
    }

    private HostTemplate keep(TemplateId template, PulledImage image) {
        var name = BaseDisks.nameOf(image);
        var lock = building.computeIfAbsent(name, _ -> new ReentrantLock());
        disksBeingAdded.add(name + "/" + template);
        lock.lock(); // held while the disk is made on purpose: the others wait for its result
        try {
            machinery.baseDisks().keep(image);
            var record = TemplateRecord.disk(template.toString(), name);
            machinery.journal().write(record);
            return describe(record);
        } finally {
            lock.unlock();
            disksBeingAdded.remove(name + "/" + template);
        }
    }

    /** Forgets a template; its files go with the next collection unless capsules use them. */
    public void remove(TemplateId template) {
        if (template.equals(TemplateId.MINIMAL)) {
            throw new WrennException(Kind.INVALID, "the built-in template cannot be removed");
        }
        machinery.journal().forgetTemplate(template.toString());
    }

    /** Removes the root disks that no template is booted from any more. */
    public void removeUnusedDisks() {
        machinery.baseDisks().retainOnly(this::namedDisks);
    }

    /** In this order: a disk that has just been added is in one of the two. */
    private Set<String> namedDisks() {
        var named = new HashSet<String>();
        disksBeingAdded.forEach(disk -> named.add(disk.replaceFirst("/.*", "")));
        for (var record : machinery.journal().templates()) {
            named.add(diskOf(record).getFileName().toString());
        }
        return named;
    }

    /**
     * The disk that capsules of that shape start with: the one that the shape's boot left, else the
     * one that it was booted from. Empty if the template is gone.
     */
    Optional<Path> diskOf(String template, int vcpus, int memoryMb) {
        return machinery
                .journal()
                .template(template)
                .map(record ->
                        Optional.ofNullable(
                                        record.holdsMemory()
                                                ? record.snapshot()
                                                : record.shapes()
                                                        .get(shapeKey(record, vcpus, memoryMb)))
                                .map(s -> machinery.store().diskOf(new SnapshotId(s)))
                                .orElseGet(() -> diskOf(record)))
                .filter(Files::exists);
    }

    private Path diskOf(TemplateRecord record) {
        return record.disk().isEmpty()
                ? machinery.images().minimalRootFs()
                : machinery.baseDisks().path(record.disk());
    }

    /** All of them. */
    public List<HostTemplate> all() {
        return machinery.journal().templates().stream().map(this::describe).toList();
    }

    /** Every snapshot a template needs. */
    public Set<SnapshotId> roots() {
        var roots = new HashSet<SnapshotId>();
        for (var record : machinery.journal().templates()) {
            record.snapshots().forEach(s -> roots.add(new SnapshotId(s)));
        }
        return roots;
    }

    private HostTemplate describe(TemplateRecord record) {
        var id = new TemplateId(java.util.UUID.fromString(record.template()));
        if (!record.holdsMemory()) {
            return new HostTemplate(
                    id,
                    false,
                    0,
                    0,
                    record.disk().isEmpty()
                            ? 0
                            : machinery.baseDisks().allocatedBytes(record.disk()));
        }
        var manifest = machinery.store().open(new SnapshotId(record.snapshot())).manifest();
        return new HostTemplate(
                id,
                true,
                manifest.vcpus(),
                (int) manifest.memory().toMib(),
                machinery.store().allocatedBytes(manifest.id()));
    }

    private static Start start(Snapshot snapshot) {
        var manifest = snapshot.manifest();
        return new Start(
                snapshot.id(),
                manifest.vcpus(),
                (int) manifest.memory().toMib(),
                Long.parseLong(manifest.attributes().getOrDefault(ColdBoot.BOOT_MS, "0")));
    }

    /**
     * A new kernel, agent, root disk or VMM makes new shapes; what was booted from the old ones
     * stays usable.
     */
    private String shapeKey(TemplateRecord record, int vcpus, int memoryMb) {
        return "%dx%d@%s+%s+%s"
                .formatted(
                        vcpus,
                        memoryMb,
                        machinery.imagesName(),
                        diskOf(record).getFileName(),
                        machinery.vmm().stateFormat());
    }

    private TemplateRecord require(TemplateId template) {
        return machinery
                .journal()
                .template(template.toString())
                .orElseThrow(() ->
                        new WrennException(Kind.ABSENT, "this host has no template " + template));
    }
}
