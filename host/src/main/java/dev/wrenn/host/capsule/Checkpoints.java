package dev.wrenn.host.capsule;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.CheckpointId;
import dev.wrenn.contract.host.CheckpointAgent;
import dev.wrenn.contract.host.ForkCapsule;
import dev.wrenn.contract.host.ForkResult;
import dev.wrenn.contract.host.ForkResult.Child;
import dev.wrenn.contract.host.History;
import dev.wrenn.contract.host.HostCapsule;
import dev.wrenn.contract.host.HostCheckpoint;
import dev.wrenn.contract.host.Retention;
import dev.wrenn.snapshot.SnapshotId;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;

/** The saved states of this host's capsules, and the capsules that are forked off at them. */
final class Checkpoints implements CheckpointAgent {
    /** Starts beyond the number of processors only wait for each other, and fail together. */
    private static final int STARTS_PER_PROCESSOR = 2;

    private static final Duration FORK_LIMIT = Duration.ofHours(1);

    private final Machinery machinery;
    private final Capsules capsules;
    private final Semaphore starts =
            new Semaphore(STARTS_PER_PROCESSOR * Runtime.getRuntime().availableProcessors());

    Checkpoints(Machinery machinery, Capsules capsules) {
        this.machinery = machinery;
        this.capsules = capsules;
    }

    @Override
    public History history(CapsuleId capsule) {
        return capsules.driver(capsule).history();
    }

    @Override
    public HostCheckpoint checkpoint(CapsuleId capsule, String name) {
        return capsules.driver(capsule).checkpoint(name);
    }

    @Override
    public HostCapsule rollback(CapsuleId capsule, CheckpointId checkpoint) {
        return capsules.driver(capsule).rollback(checkpoint);
    }

    @Override
    public void delete(CapsuleId capsule, CheckpointId checkpoint) {
        capsules.driver(capsule).deleteCheckpoint(checkpoint);
    }

    @Override
    public History retain(CapsuleId capsule, Retention retention) {
        return capsules.driver(capsule).retain(retention);
    }

    @Override
    public ForkResult fork(ForkCapsule order) {
        capsules.requireStarting();
        order.children().forEach(capsules::requireUnknown);
        try (var point = capsules.driver(order.parent()).forkPoint(order.checkpoint());
                var forks = new Forks()) {
            var starting =
                    order.children().stream()
                            .map(child ->
                                    forks.start("fork " + child, () -> child(order, point, child)))
                            .toList();
            var children = new ArrayList<Child>();
            for (var start : starting) {
                children.add(start.take(FORK_LIMIT));
            }
            return new ForkResult(
                    new CheckpointId(point.checkpoint().checkpoint()), List.copyOf(children));
        }
    }

    private Child child(ForkCapsule order, Saves.ForkPoint point, CapsuleId id)
            throws InterruptedException {
        starts.acquire();
        try {
            var record =
                    point.record()
                            .forked(
                                    id.text(),
                                    point.checkpoint(),
                                    order.expiry(),
                                    Capsules.newToken(),
                                    machinery.clock().millis());
            var from =
                    new Templates.Start(
                            new SnapshotId(point.checkpoint().snapshot()),
                            record.vcpus(),
                            record.memoryMb(),
                            0);
            return new Child.Started(capsules.start(record, () -> from));
        } catch (WrennException e) {
            return new Child.Refused(id, e.kind() == Kind.EXHAUSTED, e.shownMessage());
        } finally {
            starts.release();
        }
    }
}
