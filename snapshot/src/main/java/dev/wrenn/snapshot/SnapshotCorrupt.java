package dev.wrenn.snapshot;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import org.jspecify.annotations.Nullable;

/** Bytes of a snapshot are not what was written. */
public final class SnapshotCorrupt extends WrennException {
    private static final long serialVersionUID = 1L;

    private final String file;

    SnapshotCorrupt(String file, String what) {
        this(file, what, null);
    }

    SnapshotCorrupt(String file, String what, @Nullable Throwable cause) {
        super(Kind.CORRUPT, "the snapshot is damaged: " + file + " " + what, cause);
        this.file = file;
    }

    /** The damaged file. */
    public String file() {
        return file;
    }
}
