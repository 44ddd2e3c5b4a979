package dev.wrenn.host.journal;

import dev.wrenn.contract.host.ProcessDefaults;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

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
 * @param snapshot what it can be resumed from; empty while it never was paused
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
        Stage stage,
        long generation,
        long createdAtMillis,
        long startedAtMillis,
        String hostAddress,
        String reason) {
    /** Layout written by this code. */
    public static final int VERSION = 1;

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

    /** Copies the map; a record of before there were users and directories has none. */
    public CapsuleRecord {
        environment = Map.copyOf(environment);
        user = Objects.requireNonNullElse(user, "");
        directory = Objects.requireNonNullElse(directory, "");
    }

    /** What its processes get. */
    public ProcessDefaults defaults() {
        return new ProcessDefaults(
                environment,
                Optional.of(user).filter(u -> !u.isEmpty()),
                Optional.of(directory).filter(d -> !d.isEmpty()));
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
                stage,
                generation,
                createdAtMillis,
                startedAtMillis,
                hostAddress,
                reason);
    }

    /** The next generation in another stage. */
    public CapsuleRecord to(Stage newStage, String why) {
        return copy(snapshot, newStage, startedAtMillis, hostAddress, why);
    }

    /** The next generation, started at that time at that address. */
    public CapsuleRecord started(long atMillis, String address) {
        return copy(snapshot, Stage.RUNNING, atMillis, address, "");
    }

    /** The next generation, saved in that snapshot. */
    public CapsuleRecord saved(String newSnapshot, String why) {
        return copy(newSnapshot, Stage.PAUSED, startedAtMillis, hostAddress, why);
    }

    private CapsuleRecord copy(
            String newSnapshot, Stage newStage, long startedAt, String address, String why) {
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
                newStage,
                generation + 1,
                createdAtMillis,
                startedAt,
                address,
                why);
    }
}
