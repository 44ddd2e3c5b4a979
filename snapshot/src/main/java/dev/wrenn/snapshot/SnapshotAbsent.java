package dev.wrenn.snapshot;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;

/** There is no such snapshot in the store. */
public final class SnapshotAbsent extends WrennException {
    private static final long serialVersionUID = 1L;

    SnapshotAbsent(SnapshotId id) {
        super(Kind.ABSENT, "there is no snapshot " + id);
    }
}
