package dev.wrenn.disk;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import org.jspecify.annotations.Nullable;

/** A disk image or the volume that holds it could not be made, cloned or mounted. */
public final class DiskFailed extends WrennException {
    private static final long serialVersionUID = 1L;

    DiskFailed(Kind kind, String shownMessage, @Nullable Throwable cause) {
        super(kind, shownMessage, cause);
    }
}
