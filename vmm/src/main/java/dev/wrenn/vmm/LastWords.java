package dev.wrenn.vmm;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;

/**
 * What VMM or guest said last. Only ever the cause of another failure: a logged chain shows it, a
 * client does not see it.
 */
public final class LastWords extends WrennException {
    private static final long serialVersionUID = 1L;

    /** Those lines. */
    public LastWords(String lines) {
        super(Kind.UNAVAILABLE, lines);
    }
}
