package dev.wrenn.snapshot;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.io.IOException;

/** The snapshot store's file system refused something; full disks are told apart. */
public final class StoreFailed extends WrennException {
    private static final long serialVersionUID = 1L;

    StoreFailed(String attempt, IOException cause) {
        super(kindOf(cause), "cannot " + attempt + reasonOf(cause), cause);
    }

    private static boolean isFull(IOException cause) {
        // The JDK has no type for ENOSPC; this is the C library's text for it.
        return String.valueOf(cause.getMessage()).contains("No space left on device");
    }

    private static Kind kindOf(IOException cause) {
        return isFull(cause) ? Kind.EXHAUSTED : Kind.UNAVAILABLE;
    }

    private static String reasonOf(IOException cause) {
        return isFull(cause) ? ": the disk is full" : "";
    }
}
