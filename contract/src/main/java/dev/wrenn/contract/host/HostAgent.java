package dev.wrenn.contract.host;

import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.guest.GuestPorts;
import dev.wrenn.contract.guest.GuestSession;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;

/**
 * A machine's host agent as the control plane sees it.
 *
 * <p>Operations on one capsule happen one after the other. Each runs to its end on the host whether
 * or not the caller still waits: interrupting the caller only ends the waiting. All methods throw
 * {@code WrennException} subclasses of the base module: {@code ABSENT} for a capsule or template
 * the host does not know, {@code WRONG_STATE} if its state forbids the operation, {@code CONFLICT}
 * for an id in use, {@code EXHAUSTED} if the machine is full, {@code CORRUPT} if a snapshot's bytes
 * are not what was written, {@code UNAVAILABLE} if a VM or guest does not answer. After a failed
 * pause the capsule runs on; after a failed resume it is paused as before; after a failed create
 * nothing of it is left.
 */
public interface HostAgent {
    /** Starts a capsule; returns when its guest agent answers. */
    HostCapsule create(CreateCapsule order);

    /** Saves a running capsule and ends its VM; returns when the snapshot is durable. */
    HostCapsule pause(CapsuleId capsule);

    /** Brings a paused capsule back; returns when its guest agent answers. */
    HostCapsule resume(CapsuleId capsule);

    /** Gives up a capsule and all it holds, in whatever state; an unknown one is a success. */
    void destroy(CapsuleId capsule);

    /** Counts as activity of a running capsule. */
    void ping(CapsuleId capsule);

    /**
     * Opens a session with the guest of a running capsule. While it is open the capsule is busy and
     * does not expire; a pause ends it.
     */
    GuestSession guest(CapsuleId capsule);

    /**
     * The ports of a running capsule in its present run. Unlike a session they may be kept: they do
     * not make the capsule busy by themselves, and tell when the run ends.
     */
    GuestPorts ports(CapsuleId capsule);

    /**
     * The last lines of a running capsule's console: what its kernel and guest agent said. Written
     * by the guest, so not to be trusted.
     */
    String console(CapsuleId capsule);

    /**
     * What a capsule used during the last time of that length, in order, as finely as the host
     * keeps it for so long: see {@link MetricTier}. While it does not run nothing is added, and
     * what was measured before stays; also when the host agent is ended and started again.
     */
    List<MetricPoint> metrics(CapsuleId capsule, Duration window);

    /** What the host knows of a capsule. */
    HostCapsule describe(CapsuleId capsule);

    /** Every capsule the host holds. */
    List<HostCapsule> inventory();

    /**
     * Calls the listener after every change, in order per capsule; it must return quickly and not
     * call back. Reports can be lost with the process: {@link #inventory()} is the truth.
     *
     * @return ends the subscription when closed
     */
    AutoCloseable onChange(Consumer<HostCapsule> listener);

    /**
     * Makes a template from a capsule: a running one is paused first and stays paused.
     *
     * @return what was stored
     */
    HostTemplate createTemplate(CapsuleId capsule, TemplateId template);

    /**
     * Makes a template from the disk of a running capsule: its guest is shut down in order, so that
     * the disk is whole, and the capsule is destroyed, whether or not that works.
     *
     * @return what was stored; any shape can be booted from it
     */
    HostTemplate createDiskTemplate(CapsuleId capsule, TemplateId template);

    /**
     * Makes a template from what no capsule made; takes as long as a download does. Interrupting
     * the caller ends it, and then nothing of it is left.
     *
     * @param progress told what is done, in words for people
     */
    ImportedDisk importDisk(TemplateId template, DiskSource source, Consumer<String> progress);

    /** What {@link #importDisk} makes of a {@link DiskSource.Stock}. */
    List<StockTemplate> stock();

    /** Boots that shape of a template now, so that the first capsule of it need not wait. */
    void warmUp(TemplateId template, int vcpus, int memoryMb);

    /** Whether that shape of a template starts without a boot. */
    boolean isWarm(TemplateId template, int vcpus, int memoryMb);

    /** Removes a template; capsules made from it live on. An unknown one is a success. */
    void deleteTemplate(TemplateId template);

    /** Every template the host holds. */
    List<HostTemplate> templates();

    /** The saved states of its capsules. */
    CheckpointAgent checkpoints();

    /** The machine and what runs on it. */
    HostDescription describe();

    /** What the machine does and has done. */
    HostTotals totals();
}
