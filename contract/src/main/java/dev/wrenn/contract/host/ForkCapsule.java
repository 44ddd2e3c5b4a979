package dev.wrenn.contract.host;

import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.CheckpointId;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * Order for new capsules that go on from a state of another one. The control plane has checked
 * limits and rights already.
 *
 * @param parent whose state it is; it goes on whatever comes of this
 * @param checkpoint which state; if absent the present one, and a running capsule is saved for that
 * @param children ids of the new capsules; the host refuses one that it knows
 * @param expiry their inactivity limit, zero for never; if absent the parent's
 */
public record ForkCapsule(
        CapsuleId parent,
        Optional<CheckpointId> checkpoint,
        List<CapsuleId> children,
        Optional<Duration> expiry) {
    /** Copies the list. */
    public ForkCapsule {
        children = List.copyOf(children);
        if (children.isEmpty()) {
            throw new IllegalArgumentException("a fork has at least one child");
        }
    }
}
