package dev.wrenn.host.journal;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.contract.Ids;
import dev.wrenn.contract.host.HostCheckpoint.Cause;
import dev.wrenn.contract.host.ProcessDefaults;
import dev.wrenn.contract.host.Retention;
import java.math.BigInteger;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;

/**
 * What must survive the machine: the promise this host has made for one capsule.
 *
 * @param version of this file's layout
 * @param capsule its id
 * @param template id of the template it was made from
 * @param vcpus virtual processors
 * @param memoryMb guest memory, MiB
 * @param expirySeconds inactivity limit, 0 for none
 * @param environment variables of its processes
 * @param user who runs its processes; empty for the superuser
 * @param directory where its processes start; empty for the user's home
 * @param agentAccess what its guest agent demands of callers
 * @param snapshot what it can be resumed from; empty while it never was saved
 * @param history what it was saved as, oldest first; the one of {@code snapshot} is among it
 * @param keepLast how many checkpoints without a name stay; 0 for what the host does by default
 * @param keepSeconds how long each stays at least, if {@code keepLast} is not 0
 * @param stage what was promised last
 * @param generation number of changes so far
 * @param createdAtMillis since the epoch
 * @param startedAtMillis last start or resume since the epoch, 0 if none
 * @param hostAddress last address of its slot, may be empty
 * @param reason why it is where it is, for people
 */
public record CapsuleRecord(
        int version,
        String capsule,
        String template,
        int vcpus,
        int memoryMb,
        long expirySeconds,
        Map<String, String> environment,
        String user,
        String directory,
        String agentAccess,
        String snapshot,
        List<CheckpointRecord> history,
        int keepLast,
        long keepSeconds,
        Stage stage,
        long generation,
        long createdAtMillis,
        long startedAtMillis,
        String hostAddress,
        String reason) {
    /** Layout written by this code. */
    public static final int VERSION = 2;

    private static final int HEX = 16;

    /** How far the capsule has come. */
    public enum Stage {
        /** Is being created: if we die now, nothing of it remains. */
        CREATING,
        /** Has or should have a VM. */
        RUNNING,
        /** Is saved. */
        PAUSED,
        /** Is being given up: if we die now, the next start finishes it. */
        DESTROYING,
        /** Lost its VM with nothing saved. */
        FAILED
    }

    /** Copies the collections; a record of before there were users and directories has none. */
    public CapsuleRecord {
        environment = Map.copyOf(environment);
        user = Objects.requireNonNullElse(user, "");
        directory = Objects.requireNonNullElse(directory, "");
        history = List.copyOf(history);
    }

    /** What its processes get. */
    public ProcessDefaults defaults() {
        return new ProcessDefaults(
                environment,
                Optional.of(user).filter(u -> !u.isEmpty()),
                Optional.of(directory).filter(d -> !d.isEmpty()));
    }

    /** A capsule that is about to be made from a template. */
    public static CapsuleRecord begin(
            String capsule,
            String template,
            int vcpus,
            int memoryMb,
            Duration expiry,
            ProcessDefaults defaults,
            String agentAccess,
            long nowMillis) {
        return new CapsuleRecord(
                VERSION,
                capsule,
                template,
                vcpus,
                memoryMb,
                expiry.toSeconds(),
                defaults.environment(),
                defaults.user().orElse(""),
                defaults.directory().orElse(""),
                agentAccess,
                "",
                List.of(),
                0,
                0,
                Stage.CREATING,
                0,
                nowMillis,
                0,
                "",
                "");
    }

    /** A capsule that is about to go on from a state of this one. */
    public CapsuleRecord forked(
            String child,
            CheckpointRecord from,
            Optional<Duration> expiry,
            String access,
            long nowMillis) {
        return new CapsuleRecord(
                VERSION,
                child,
                template,
                vcpus,
                memoryMb,
                expiry.map(Duration::toSeconds).orElse(expirySeconds),
                environment,
                user,
                directory,
                access,
                from.snapshot(),
                List.of(from.asOrigin()),
                keepLast,
                keepSeconds,
                Stage.CREATING,
                0,
                nowMillis,
                0,
                "",
                "");
    }

    /** In the shape that its template has; before it is made. */
    public CapsuleRecord shaped(int newVcpus, int newMemoryMb) {
        return new CapsuleRecord(
                version,
                capsule,
                template,
                newVcpus,
                newMemoryMb,
                expirySeconds,
                environment,
                user,
                directory,
                agentAccess,
                snapshot,
                history,
                keepLast,
                keepSeconds,
                stage,
                generation,
                createdAtMillis,
                startedAtMillis,
                hostAddress,
                reason);
    }

    /** The next generation in another stage. */
    public CapsuleRecord to(Stage newStage, String why) {
        return copy(snapshot, history, newStage, startedAtMillis, hostAddress, why);
    }

    /** The next generation, started at that time at that address. */
    public CapsuleRecord started(long atMillis, String address) {
        return copy(snapshot, history, Stage.RUNNING, atMillis, address, "");
    }

    /** The next generation, saved as that checkpoint, and in that stage from now on. */
    public CapsuleRecord saved(CheckpointRecord checkpoint, Stage newStage, String why) {
        var longer = new ArrayList<>(history);
        longer.add(checkpoint);
        return copy(checkpoint.snapshot(), longer, newStage, startedAtMillis, hostAddress, why);
    }

    /** The next generation, paused as that checkpoint of its history. */
    public CapsuleRecord backTo(CheckpointRecord checkpoint) {
        return copy(checkpoint.snapshot(), history, Stage.PAUSED, startedAtMillis, hostAddress, "");
    }

    /** The same capsule, with a checkpoint put back at its place in time. */
    public CapsuleRecord returning(CheckpointRecord checkpoint) {
        var longer = new ArrayList<>(history);
        longer.add(checkpoint);
        longer.sort(Comparator.comparingLong(CheckpointRecord::createdAtMillis));
        return with(longer);
    }

    /** The same capsule with these checkpoints. */
    public CapsuleRecord with(List<CheckpointRecord> newHistory) {
        return copy(snapshot, newHistory, stage, startedAtMillis, hostAddress, reason);
    }

    /** The same capsule, which keeps its checkpoints like that. */
    public CapsuleRecord keeping(Retention retention) {
        return new CapsuleRecord(
                version,
                capsule,
                template,
                vcpus,
                memoryMb,
                expirySeconds,
                environment,
                user,
                directory,
                agentAccess,
                snapshot,
                history,
                retention.keepLast(),
                retention.keepFor().toSeconds(),
                stage,
                generation + 1,
                createdAtMillis,
                startedAtMillis,
                hostAddress,
                reason);
    }

    /** Which checkpoints stay; empty if the host decides. */
    public Optional<Retention> retention() {
        return keepLast == 0
                ? Optional.empty()
                : Optional.of(new Retention(keepLast, Duration.ofSeconds(keepSeconds)));
    }

    /** The checkpoint that a resume starts from; empty while it never was saved. */
    public Optional<CheckpointRecord> current() {
        return history.reversed().stream().filter(c -> c.snapshot().equals(snapshot)).findFirst();
    }

    private CapsuleRecord copy(
            String newSnapshot,
            List<CheckpointRecord> newHistory,
            Stage newStage,
            long startedAt,
            String address,
            String why) {
        return new CapsuleRecord(
                version,
                capsule,
                template,
                vcpus,
                memoryMb,
                expirySeconds,
                environment,
                user,
                directory,
                agentAccess,
                newSnapshot,
                newHistory,
                keepLast,
                keepSeconds,
                newStage,
                generation + 1,
                createdAtMillis,
                startedAt,
                address,
                why);
    }

    /** Brings a file of version 1, which knew one snapshot and no history, to this layout. */
    static void upgrade(ObjectNode file) {
        if (file.path("version").asInt() != 1) {
            return;
        }
        file.put("version", VERSION).put("keepLast", 0).put("keepSeconds", 0);
        var history = file.putArray("history");
        var snapshot = file.path("snapshot").asText();
        if (!snapshot.isEmpty()) {
            history.addObject()
                    .put("checkpoint", checkpointOf(snapshot))
                    .put("snapshot", snapshot)
                    .put("parent", "")
                    .put("name", "")
                    .put("cause", Cause.PAUSE.name())
                    .put("reason", file.path("reason").asText())
                    .put("createdAtMillis", file.path("startedAtMillis").asLong())
                    .put("writtenBytes", 0);
        }
    }

    /** The same id however often the file is read before it is written anew. */
    private static String checkpointOf(String snapshot) {
        var digits = new BigInteger(snapshot.substring(snapshot.indexOf('-') + 1), HEX);
        return Ids.of(
                "cp-", new UUID(digits.shiftRight(Long.SIZE).longValue(), digits.longValue()));
    }
}
