package dev.wrenn.vmm;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Resource;
import dev.wrenn.linux.ProcessIdentity;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * A virtual machine with its VMM process.
 *
 * <pre>
 *   boot ──► running ◄── resume ── frozen ◄── restore, adopt
 *               └──────── freeze ────▲ └─ saveState (stays frozen)
 * </pre>
 *
 * Every call fails with {@link VmDied} at once when the VMM ends meanwhile, and with {@link
 * dev.wrenn.base.DeadlinePassed} when it does not answer. Thread-safe, but one thread at a time
 * should drive the life of a VM.
 */
public interface Vm extends Resource {
    /** The VMM process, for the journal and for whoever reads its memory. */
    ProcessIdentity process();

    /** Lets the vCPUs run; returns once they do. Works on a VM that runs, and after a save. */
    void resume(Deadline deadline);

    /** Stops the vCPUs; returns once they stand still and the disk has taken all writes. */
    void freeze(Deadline deadline);

    /** Whether the vCPUs run. */
    boolean isRunning(Deadline deadline);

    /**
     * Writes the state of devices and vCPUs, without memory, into a new file; the VM must be
     * frozen, and stays frozen and usable whether this works or not. The file is not synced.
     *
     * @return with {@link MemoryReader#VMM} the memory as a sparse file: a page in it is as it is
     *     now, a hole is a page as it was when the VM was restored, or zero if it was booted. It is
     *     left alone until the VM is saved again or closed. Else empty
     * @throws VmmFailed if the VMM cannot save; the file is gone then
     */
    Optional<Path> saveState(Path to, Deadline deadline);

    /** Whether the VMM process still is there. */
    boolean isAlive();

    /**
     * Calls the listener once if the VM ends by itself: not for {@link #close} or {@link #detach}.
     * A VM that has ended already is told at once. The listener runs on a thread of the driver and
     * must not block for long.
     */
    void onEnd(Consumer<VmEnd> listener);

    /** The last lines that the guest wrote to its console; of a hostile author. */
    String console(Deadline deadline);

    /** Ends the VMM process at once, reaps it and removes what the driver put on the machine. */
    @Override
    void close();

    /** Forgets the VM without ending it; {@link Vmm#adopt} finds it again. */
    void detach();
}
