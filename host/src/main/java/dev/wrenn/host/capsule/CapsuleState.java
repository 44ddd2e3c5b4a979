package dev.wrenn.host.capsule;

import dev.wrenn.contract.host.HostState;
import java.util.Optional;

/**
 * What a capsule is on this host; changed by its driver only.
 *
 * <pre>
 *   Creating ──► Running ◄──► Pausing ──► Paused ◄──► Resuming ──► Running
 *      │            │ VM lost: Paused if a snapshot exists, else Failed
 *      └─► (gone)   └─► any state: Destroying ──► (gone)
 * </pre>
 */
sealed interface CapsuleState {
    /** Comes from its template. */
    record Creating() implements CapsuleState {}

    /** Its VM runs. */
    record Running(RunningCapsule run) implements CapsuleState {}

    /** Its VM is being saved; the VM is still whole. */
    record Pausing(RunningCapsule run) implements CapsuleState {}

    /** Saved; the journal names the snapshot. */
    record Paused() implements CapsuleState {}

    /** Comes from its snapshot, which stays untouched. */
    record Resuming() implements CapsuleState {}

    /** Is being given up; what is left of its run, if it had one. */
    record Destroying(Optional<RunningCapsule> run) implements CapsuleState {}

    /** Gone for good. */
    record Destroyed() implements CapsuleState {}

    /** Lost its VM, with nothing saved. */
    record Failed() implements CapsuleState {}

    /** The name the seam has for it. */
    default HostState toHostState() {
        return switch (this) {
            case Creating _ -> HostState.CREATING;
            case Running _ -> HostState.RUNNING;
            case Pausing _ -> HostState.PAUSING;
            case Paused _ -> HostState.PAUSED;
            case Resuming _ -> HostState.RESUMING;
            case Destroying _ -> HostState.DESTROYING;
            case Destroyed _ -> HostState.DESTROYED;
            case Failed _ -> HostState.FAILED;
        };
    }
}
