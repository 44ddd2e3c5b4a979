package dev.wrenn.snapshot.store;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import org.jspecify.annotations.Nullable;

/** A blob store refused something or does not answer. */
public final class BlobStoreFailed extends WrennException {
    private static final long serialVersionUID = 1L;

    BlobStoreFailed(Kind kind, String attempt, String why, @Nullable Throwable cause) {
        super(kind, "cannot " + attempt + (why.isEmpty() ? "" : ": " + why), cause);
    }
}
