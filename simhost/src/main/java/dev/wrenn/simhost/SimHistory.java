package dev.wrenn.simhost;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.CheckpointId;
import dev.wrenn.contract.host.History;
import dev.wrenn.contract.host.HostCheckpoint;
import dev.wrenn.contract.host.HostCheckpoint.Cause;
import dev.wrenn.contract.host.Retention;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * The saved states of a simulated capsule, each a copy of its disk. Written by the operation whose
 * turn it is, read by anyone.
 */
final class SimHistory {
    private static final int MAX_NAMED = 50;

    private final CapsuleId capsule;
    private final Path folder;
    private final InstantSource clock;
    private final Consumer<Path> remove;
    private volatile List<Entry> entries = List.of(); // oldest first
    private volatile Optional<CheckpointId> current = Optional.empty();
    private volatile Retention retention = Retention.DEFAULT;
    private volatile Optional<CheckpointId> held = Optional.empty();

    private record Entry(
            CheckpointId id,
            String name,
            Cause cause,
            String reason,
            Optional<CheckpointId> parent,
            Instant createdAt) {}

    /**
     * @param folder for the copies
     * @param remove removes one of them
     */
    SimHistory(CapsuleId capsule, Path folder, InstantSource clock, Consumer<Path> remove) {
        this.capsule = capsule;
        this.folder = folder;
        this.clock = clock;
        this.remove = remove;
    }

    boolean isEmpty() {
        return current.isEmpty();
    }

    /** Where the copy that a resume starts from is. */
    Path currentDisk() {
        return disk(current.orElseThrow());
    }

    Path disk(CheckpointId id) {
        return folder.resolve(id.text());
    }

    /** Adds a state whose copy is made already. */
    HostCheckpoint add(CheckpointId id, Cause cause, String name, String reason) {
        var more = new ArrayList<>(entries);
        more.add(new Entry(id, name, cause, reason, current, clock.instant()));
        current = Optional.of(id);
        keep(more);
        return shown(find(id));
    }

    HostCheckpoint rename(String name) {
        var id = current.orElseThrow();
        keep(
                entries.stream()
                        .map(e ->
                                e.id().equals(id) && !name.isEmpty()
                                        ? new Entry(
                                                id,
                                                name,
                                                e.cause(),
                                                e.reason(),
                                                e.parent(),
                                                e.createdAt())
                                        : e)
                        .toList());
        return shown(find(id));
    }

    void requireRoomForName() {
        if (entries.stream().filter(e -> !e.name().isEmpty()).count() >= MAX_NAMED) {
            throw new WrennException(
                    Kind.CONFLICT,
                    "capsule %s has %d named checkpoints, which is the limit; delete some first"
                            .formatted(capsule, MAX_NAMED));
        }
    }

    CheckpointId require(CheckpointId id) {
        return find(id).id();
    }

    void goBack(CheckpointId id) {
        current = Optional.of(require(id));
        held = Optional.empty();
    }

    /** Keeps one whatever the retention says, until it is let go by a later change. */
    void hold(CheckpointId id) {
        held = Optional.of(id);
    }

    void delete(CheckpointId id) {
        var found = find(id);
        if (current.equals(Optional.of(id))) {
            throw new WrennException(
                    Kind.WRONG_STATE,
                    "capsule %s goes on from checkpoint %s; roll back to another one first"
                            .formatted(capsule, id));
        }
        keep(entries.stream().filter(e -> !e.equals(found)).toList());
    }

    History retain(Retention wanted) {
        retention = wanted;
        keep(entries);
        return shown();
    }

    History shown() {
        return new History(entries.reversed().stream().map(this::shown).toList(), retention);
    }

    private void keep(List<Entry> all) {
        var kept = new ArrayList<Entry>();
        int newer = 0;
        for (var entry : all.reversed()) {
            boolean isYoung = entry.createdAt().plus(retention.keepFor()).isAfter(clock.instant());
            if (!entry.name().isEmpty()
                    || newer < retention.keepLast()
                    || isYoung
                    || held.equals(Optional.of(entry.id()))
                    || current.equals(Optional.of(entry.id()))) {
                kept.addFirst(entry);
            }
            newer += entry.name().isEmpty() ? 1 : 0;
        }
        var before = entries;
        entries = List.copyOf(kept);
        before.stream()
                .filter(e -> find(kept, e.id()).isEmpty())
                .forEach(e -> remove.accept(disk(e.id())));
    }

    private Entry find(CheckpointId id) {
        return find(entries, id)
                .orElseThrow(() ->
                        new WrennException(
                                Kind.ABSENT,
                                "capsule %s has no checkpoint %s".formatted(capsule, id)));
    }

    private static Optional<Entry> find(List<Entry> among, CheckpointId id) {
        return among.stream().filter(e -> e.id().equals(id)).findFirst();
    }

    private HostCheckpoint shown(Entry entry) {
        return new HostCheckpoint(
                entry.id(),
                entry.name(),
                entry.cause(),
                entry.reason(),
                entry.parent(),
                entry.createdAt(),
                0,
                current.equals(Optional.of(entry.id())));
    }
}
