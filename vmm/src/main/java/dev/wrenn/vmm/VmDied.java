package dev.wrenn.vmm;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;

/** The VM ended while something was asked of it; the cause holds its last output. */
public final class VmDied extends WrennException {
    private static final long serialVersionUID = 1L;

    private final VmEnd.Cause endedBy;

    /** The attempt in words, and how it ended. */
    public VmDied(String attempt, VmEnd end) {
        super(
                Kind.UNAVAILABLE,
                switch (end.cause()) {
                    case GUEST -> attempt + ": the guest shut down";
                    case VMM -> attempt + ": the virtual machine ended unexpectedly";
                },
                new LastWords(end.lastOutput()));
        this.endedBy = end.cause();
    }

    /** Who ended it. */
    public VmEnd.Cause endedBy() {
        return endedBy;
    }
}
