package dev.wrenn.vmm;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;

/** The VMM refused or could not do what was asked; the VM, if there was one, goes on. */
public final class VmmFailed extends WrennException {
    private static final long serialVersionUID = 1L;

    /** The attempt in words; the cause says more, often as {@link LastWords} of the VMM. */
    public VmmFailed(Kind kind, String attempt, Throwable cause) {
        super(kind, attempt, cause);
    }
}
