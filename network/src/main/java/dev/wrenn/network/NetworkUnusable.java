package dev.wrenn.network;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import org.jspecify.annotations.Nullable;

/** The network of this host cannot carry slots; the message tells why and what to do. */
public final class NetworkUnusable extends WrennException {
    private static final long serialVersionUID = 1L;

    NetworkUnusable(Kind kind, String shownMessage, @Nullable Throwable cause) {
        super(kind, shownMessage, cause);
    }
}
