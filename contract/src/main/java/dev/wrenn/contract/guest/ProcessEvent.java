package dev.wrenn.contract.guest;

/** What a process does, in the order it happened. */
public sealed interface ProcessEvent {
    /** It has a process id. Always the first event. */
    record Started(int pid) implements ProcessEvent {}

    /** Raw bytes it wrote; a character may be split between two events. */
    // The array is handed over, never kept by its maker: copying every chunk would cost for
    // nothing.
    @SuppressWarnings("ArrayRecordComponent")
    record Output(Channel channel, byte[] bytes) implements ProcessEvent {}

    /**
     * It ended; the last event.
     *
     * @param exitCode its exit code, -1 if a signal ended it
     * @param status in words, such as {@code exit status 3} or {@code signal: killed}
     * @param timedOut whether it was killed because its limit had passed
     */
    record Ended(int exitCode, String status, boolean timedOut) implements ProcessEvent {}

    /** Where bytes were written to. */
    enum Channel {
        /** Standard output. */
        STDOUT,
        /** Standard error. */
        STDERR,
        /** A terminal. */
        PTY
    }
}
