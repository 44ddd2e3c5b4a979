package dev.wrenn.contract.guest;

import java.io.InputStream;
import java.util.List;

/**
 * A conversation with the guest agent of one running capsule; closing it ends its streams but no
 * process in the guest.
 *
 * <p>Thread-safe. Failures: {@code INVALID} what the guest calls an invalid argument, {@code
 * ABSENT} no such process or path, {@code CONFLICT} it exists already, {@code EXHAUSTED} the
 * guest's disk is full, {@code WRONG_STATE} the capsule was paused or destroyed meanwhile, {@code
 * UNAVAILABLE} the guest does not answer.
 */
public interface GuestSession extends AutoCloseable {
    /** Starts a process; its first event is {@link ProcessEvent.Started}. */
    ProcessStream start(ProcessStart order);

    /** Attaches to a live process; its first event is {@link ProcessEvent.Started}. */
    ProcessStream connect(ProcessSelector process, boolean replayScrollback);

    /** The live processes that were started through the agent. */
    List<GuestProcess> processes();

    /** Signals a process and its whole group. */
    void signal(ProcessSelector process, Signal signal);

    /** Types into a PTY; returns when the guest took the bytes. */
    void sendPty(ProcessSelector process, byte[] input);

    /** Changes the size of a PTY. */
    void resizePty(ProcessSelector process, PtySize size);

    /** Opens a regular file for reading; fails before the first byte if it cannot be read. */
    FileContent read(String path, long offset);

    /**
     * Writes a file from the stream, creating parents; a failure leaves what had arrived.
     *
     * @param offset bytes of the file that stay before the stream's first; 0 replaces the file,
     *     more than it has is {@code INVALID}
     */
    void write(String path, long offset, InputStream content);

    /** What is at that path; symbolic links are described, not followed. */
    FileEntry stat(String path);

    /** Children down to that depth, sorted by path. */
    List<FileEntry> list(String path, int depth);

    /** Makes a directory and its parents; {@code CONFLICT} if it is one already. */
    FileEntry makeDirectory(String path);

    /** Renames, creating the destination's parents. */
    FileEntry move(String from, String to);

    /**
     * Changes the permission bits; of a symbolic link, those of what it leads to.
     *
     * @param mode 0 to 07777
     */
    FileEntry changeMode(String path, int mode);

    /**
     * Watches a directory from now on.
     *
     * @param recursive whether what is below counts too, directories made later included
     */
    FileWatch watch(String path, boolean recursive);

    /** Removes recursively; {@code ABSENT} if there is nothing. */
    void remove(String path);

    /** Fails with {@code WRONG_STATE}, and says why, if the capsule was paused or destroyed. */
    void refuseIfEnded();

    /** Opens a byte stream to a TCP port of the guest, also one bound to its loopback only. */
    GuestConnection connect(int port);

    @Override
    void close();
}
