package dev.wrenn.host.image;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import org.jspecify.annotations.Nullable;

/** A kernel, initrd or root file system for guests could not be made. */
public final class GuestImageFailed extends WrennException {
    private static final long serialVersionUID = 1L;

    GuestImageFailed(String shownMessage) {
        this(shownMessage, null);
    }

    GuestImageFailed(String shownMessage, @Nullable Throwable cause) {
        super(Kind.UNAVAILABLE, shownMessage, cause);
    }
}
