package dev.wrenn.base;

/**
 * Something that is owned and must be given back.
 *
 * <p>{@link #close()} is idempotent, bounded in time and throws only {@link WrennException}s.
 */
@FunctionalInterface
public interface Resource extends AutoCloseable {
    @Override
    void close();
}
