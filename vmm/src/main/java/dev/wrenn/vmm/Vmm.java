package dev.wrenn.vmm;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Resource;
import dev.wrenn.linux.ProcessIdentity;
import java.nio.file.Path;
import java.util.Optional;

/**
 * A driver for one kind of virtual machine monitor on this machine.
 *
 * <p><em>Cold boot</em> starts a kernel; <em>restore</em> starts a fresh VMM process that goes on
 * where another one was frozen. Either way the guest's memory comes from a page server that listens
 * on {@link VmSpec#pageSocket()} before the call: the VMM connects to it while it starts and hands
 * over a userfaultfd and its memory regions (Firecracker's handshake,
 * docs/snapshotting/handling-page-faults-on-snapshot-resume.md there).
 *
 * <p>VMM processes belong to a session of their own and outlive this process. Thread-safe; the
 * calls block and may be made on virtual threads.
 */
public interface Vmm extends Resource {
    /** What it is. */
    VmmKind kind();

    /** Version of the VMM program; VM state can be loaded only by the version that saved it. */
    String version();

    /**
     * Boots a kernel. The vCPUs run when this returns.
     *
     * @throws VmDied if the VMM ends
     * @throws VmmFailed if it refuses
     */
    Vm boot(VmSpec spec, BootSource source, Deadline deadline);

    /**
     * Loads the VM state that {@link Vm#saveState} wrote, into a spec of the same shape. The vCPUs
     * stand still until {@link Vm#resume}, but loading already reads guest memory.
     *
     * @throws VmDied if the VMM ends, also because it cannot read the state
     * @throws VmmFailed if it refuses
     */
    Vm restore(VmSpec spec, Path vmState, Deadline deadline);

    /**
     * Finds a VM again that an earlier process of ours started and left running.
     *
     * @return empty if it has ended, or ended half way through a restore; then nothing is left of
     *     it
     * @throws VmmFailed if it is there and does not answer
     */
    Optional<Vm> adopt(VmSpec spec, ProcessIdentity process, Deadline deadline);
}
