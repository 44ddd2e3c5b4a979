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
 * where another one was frozen. A restored guest's memory comes from a page server that listens on
 * {@link VmSpec#pageSocket()} before the call: the VMM connects to it while it starts and hands
 * over a userfaultfd and its memory regions (Firecracker's handshake,
 * docs/snapshotting/handling-page-faults-on-snapshot-resume.md there). So it does on a cold boot,
 * without userfaultfd, if it leaves its memory to be read by {@link MemoryReader#PAGE_SERVER}.
 *
 * <p>VMM processes belong to a session of their own and outlive this process. Thread-safe; the
 * calls block and may be made on virtual threads.
 */
public interface Vmm extends Resource {
    /** What it is. */
    VmmKind kind();

    /** Version of the VMM program. */
    String version();

    /**
     * Names what the VM state that it saves is good for, for people too: a state is loaded only by
     * a VMM that says the same. It holds the kind, the versions that understand each other, and the
     * sort of processor if guests see the real one.
     */
    String stateFormat();

    /** Who reads the memory of its VMs. */
    MemoryReader memoryReader();

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
