package dev.wrenn.bench;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;

/** Something cannot be measured on this machine. */
final class BenchFailed extends WrennException {
    private static final long serialVersionUID = 1L;

    private BenchFailed(String message, Throwable cause) {
        super(Kind.UNAVAILABLE, message, cause);
    }

    private BenchFailed(String message) {
        super(Kind.UNAVAILABLE, message);
    }

    static BenchFailed because(String message) {
        return new BenchFailed(message);
    }

    static BenchFailed because(String message, Throwable cause) {
        return new BenchFailed(message, cause);
    }
}
