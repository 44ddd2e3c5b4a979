package dev.wrenn.host.capsule;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.CheckpointId;
import dev.wrenn.vmm.VmEnd;
import java.util.Locale;

/** An operation that this host refuses because of what a capsule is. */
public final class CapsuleRefusal extends WrennException {
    private static final long serialVersionUID = 1L;

    private CapsuleRefusal(Kind kind, String shownMessage) {
        super(kind, shownMessage);
    }

    static CapsuleRefusal unknown(String capsule) {
        return new CapsuleRefusal(Kind.ABSENT, "this host has no capsule " + capsule);
    }

    static CapsuleRefusal unknown(CapsuleId capsule, CheckpointId checkpoint) {
        return new CapsuleRefusal(
                Kind.ABSENT, "capsule %s has no checkpoint %s".formatted(capsule, checkpoint));
    }

    static CapsuleRefusal current(CapsuleId capsule, CheckpointId checkpoint) {
        return new CapsuleRefusal(
                Kind.WRONG_STATE,
                "capsule %s goes on from checkpoint %s; roll back to another one, or save it anew, first"
                        .formatted(capsule, checkpoint));
    }

    static CapsuleRefusal tooManyNamed(CapsuleId capsule, int limit) {
        return new CapsuleRefusal(
                Kind.CONFLICT,
                "capsule %s has %d named checkpoints, which is the limit; delete some first"
                        .formatted(capsule, limit));
    }

    static CapsuleRefusal notEnded(CapsuleId capsule) {
        return new CapsuleRefusal(
                Kind.UNAVAILABLE,
                "the VM of capsule %s cannot be ended; the capsule is paused as it was, roll it back once the machine is well"
                        .formatted(capsule));
    }

    static CapsuleRefusal taken(CapsuleId capsule) {
        return new CapsuleRefusal(Kind.CONFLICT, "this host already has capsule " + capsule);
    }

    static CapsuleRefusal wrongState(CapsuleId capsule, CapsuleState state, String operation) {
        return new CapsuleRefusal(
                Kind.WRONG_STATE,
                "cannot %s capsule %s: it is %s"
                        .formatted(
                                operation,
                                capsule,
                                state.toHostState().name().toLowerCase(Locale.ROOT)));
    }

    static CapsuleRefusal gone(String capsule, String how) {
        return new CapsuleRefusal(Kind.WRONG_STATE, "capsule " + capsule + " was " + how);
    }

    static CapsuleRefusal lost(String capsule, VmEnd end) {
        return new CapsuleRefusal(
                Kind.UNAVAILABLE,
                switch (end.cause()) {
                    case GUEST -> "capsule " + capsule + " shut itself down";
                    case VMM -> "the VM of capsule " + capsule + " ended unexpectedly";
                });
    }

    static CapsuleRefusal otherVmm(String savedBy, String here) {
        return new CapsuleRefusal(
                Kind.WRONG_STATE,
                "saved by %s, which this host cannot go on with: it runs %s. Resume it on a host like the first, or run that VMM here"
                        .formatted(savedBy, here));
    }

    static CapsuleRefusal busy(String capsule) {
        return new CapsuleRefusal(
                Kind.UNAVAILABLE, "too many operations wait for capsule " + capsule);
    }

    static CapsuleRefusal stopping() {
        return new CapsuleRefusal(Kind.UNAVAILABLE, "the host agent is stopping");
    }
}
