package dev.wrenn.snapshot;

import dev.wrenn.base.WrennException;
import dev.wrenn.linux.FileTrouble;
import java.io.IOException;

/** The snapshot store's file system refused something; full and read-only ones are told apart. */
public final class StoreFailed extends WrennException {
    private static final long serialVersionUID = 1L;

    StoreFailed(String attempt, IOException cause) {
        this(attempt, FileTrouble.of(cause), cause);
    }

    private StoreFailed(String attempt, FileTrouble trouble, IOException cause) {
        super(trouble.kind(), "cannot " + attempt + trouble.words(), cause);
    }
}
