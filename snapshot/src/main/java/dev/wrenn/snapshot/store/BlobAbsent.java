package dev.wrenn.snapshot.store;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import org.jspecify.annotations.Nullable;

/** The blob store has no blob of that name. */
public final class BlobAbsent extends WrennException {
    private static final long serialVersionUID = 1L;

    BlobAbsent(BlobName name, @Nullable Throwable cause) {
        super(Kind.ABSENT, "the snapshot store has no " + name, cause);
    }
}
