package dev.wrenn.base;

/**
 * A number of bytes.
 *
 * @param bytes zero or more
 */
public record ByteSize(long bytes) implements Comparable<ByteSize> {
    private static final long MIB = 1L << 20;

    /** Rejects negative sizes. */
    public ByteSize {
        if (bytes < 0) {
            throw new IllegalArgumentException("a size cannot be negative: " + bytes);
        }
    }

    /** That many MiB. */
    public static ByteSize mib(long mib) {
        return new ByteSize(Math.multiplyExact(mib, MIB));
    }

    /** That many GiB. */
    public static ByteSize gib(long gib) {
        return mib(Math.multiplyExact(gib, 1024));
    }

    /** The whole MiB in it, rounded down. */
    public long toMib() {
        return bytes / MIB;
    }

    @Override
    public int compareTo(ByteSize other) {
        return Long.compare(bytes, other.bytes);
    }

    @Override
    public String toString() {
        return bytes >= MIB ? "%.1f MiB".formatted(bytes / (double) MIB) : bytes + " bytes";
    }
}
