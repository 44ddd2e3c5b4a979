package dev.wrenn.control.build;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;

/** A build cannot succeed: a step failed, or what it makes is not usable. */
final class BuildFailed extends WrennException {
    private static final long serialVersionUID = 1L;

    BuildFailed(String shownMessage) {
        super(Kind.INVALID, shownMessage);
    }
}
