package dev.wrenn.simhost;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.CheckpointId;
import dev.wrenn.contract.host.CheckpointAgent;
import dev.wrenn.contract.host.CreateCapsule;
import dev.wrenn.contract.host.ForkCapsule;
import dev.wrenn.contract.host.ForkResult;
import dev.wrenn.contract.host.ForkResult.Child;
import dev.wrenn.contract.host.History;
import dev.wrenn.contract.host.HostCapsule;
import dev.wrenn.contract.host.HostCheckpoint;
import dev.wrenn.contract.host.Retention;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.function.Function;

/** The saved states of simulated capsules. */
final class SimCheckpoints implements CheckpointAgent {
    private final Function<CapsuleId, SimCapsule> find;
    private final Starter starter;

    /** Starts a capsule on a copy of that disk. */
    interface Starter {
        HostCapsule start(CreateCapsule order, int vcpus, int memoryMb, Path disk);
    }

    /**
     * @param find fails for an unknown capsule
     */
    SimCheckpoints(Function<CapsuleId, SimCapsule> find, Starter starter) {
        this.find = find;
        this.starter = starter;
    }

    @Override
    public History history(CapsuleId capsule) {
        return find.apply(capsule).history();
    }

    @Override
    public HostCheckpoint checkpoint(CapsuleId capsule, String name) {
        var found = find.apply(capsule);
        return Forks.detached("sim-checkpoint", () -> found.checkpoint(name));
    }

    @Override
    public HostCapsule rollback(CapsuleId capsule, CheckpointId checkpoint) {
        var found = find.apply(capsule);
        return Forks.detached("sim-rollback", () -> found.rollback(checkpoint));
    }

    @Override
    public void delete(CapsuleId capsule, CheckpointId checkpoint) {
        find.apply(capsule).deleteCheckpoint(checkpoint);
    }

    @Override
    public History retain(CapsuleId capsule, Retention retention) {
        return find.apply(capsule).retain(retention);
    }

    @Override
    public ForkResult fork(ForkCapsule order) {
        var parent = find.apply(order.parent());
        return Forks.detached(
                "sim-fork",
                () ->
                        parent.atForkPoint(
                                order.checkpoint(),
                                (point, disk) -> {
                                    var children = new ArrayList<Child>();
                                    for (var id : order.children()) {
                                        try {
                                            children.add(
                                                    new Child.Started(
                                                            start(parent, order, id, disk)));
                                        } catch (WrennException e) {
                                            children.add(
                                                    new Child.Refused(
                                                            id,
                                                            e.kind() == Kind.EXHAUSTED,
                                                            e.shownMessage()));
                                        }
                                    }
                                    return new ForkResult(point, children);
                                }));
    }

    private HostCapsule start(SimCapsule parent, ForkCapsule order, CapsuleId id, Path disk) {
        var like = parent.order();
        var shape = parent.report();
        return starter.start(
                new CreateCapsule(
                        id,
                        like.template(),
                        shape.vcpus(),
                        shape.memoryMb(),
                        order.expiry().orElse(like.expiry()),
                        like.defaults()),
                shape.vcpus(),
                shape.memoryMb(),
                disk);
    }
}
