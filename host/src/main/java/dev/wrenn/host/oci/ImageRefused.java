package dev.wrenn.host.oci;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import org.jspecify.annotations.Nullable;

/** A container image cannot be had, or is not one that may become a root disk. */
public final class ImageRefused extends WrennException {
    private static final long serialVersionUID = 1L;

    ImageRefused(Kind kind, String shownMessage, @Nullable Throwable cause) {
        super(kind, shownMessage, cause);
    }

    static ImageRefused hostile(String why) {
        return new ImageRefused(Kind.INVALID, "the image " + why, null);
    }
}
