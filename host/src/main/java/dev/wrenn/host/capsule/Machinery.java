package dev.wrenn.host.capsule;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Secret;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.host.HostCapsule;
import dev.wrenn.disk.Disks;
import dev.wrenn.host.guest.GuestAgent;
import dev.wrenn.host.image.BaseDisks;
import dev.wrenn.host.image.GuestImages;
import dev.wrenn.host.image.StockDisks;
import dev.wrenn.host.journal.CapsuleRecord;
import dev.wrenn.host.journal.Journal;
import dev.wrenn.linux.ProcessIdentity;
import dev.wrenn.network.Slot;
import dev.wrenn.network.SlotPool;
import dev.wrenn.pager.Pager;
import dev.wrenn.snapshot.SnapshotId;
import dev.wrenn.snapshot.SnapshotStore;
import dev.wrenn.vmm.BootSource;
import dev.wrenn.vmm.VmSpec;
import dev.wrenn.vmm.Vmm;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.Map;
import org.eclipse.jetty.client.HttpClient;

/** The mechanisms a capsule is made of; wired once, shared by all capsules of the host. */
public record Machinery(
        HostConfig config,
        Vmm vmm,
        Pager pager,
        SlotPool slots,
        Disks disks,
        SnapshotStore store,
        Journal journal,
        GuestImages images,
        BaseDisks baseDisks,
        StockDisks stockDisks,
        HttpClient http,
        InstantSource clock,
        String bootId,
        Path diskFolder,
        MachineRoom room,
        Step.Observer steps) {

    /** What the control plane is told of a capsule. */
    HostCapsule report(CapsuleRecord record, CapsuleState state, Measurements measured) {
        var startedAt = Instant.ofEpochMilli(record.startedAtMillis());
        return new HostCapsule(
                new CapsuleId(record.capsule()),
                record.generation(),
                state.toHostState(),
                record.vcpus(),
                record.memoryMb(),
                record.hostAddress(),
                startedAt,
                state instanceof CapsuleState.Running(var run) ? run.activity().last() : startedAt,
                measured.and(facts(record, state)),
                record.reason());
    }

    private static final String DISK_SUFFIX = ".raw";
    private static final String SCRATCH_SUFFIX = ".vmm";

    private Map<String, String> facts(CapsuleRecord record, CapsuleState state) {
        var facts = new HashMap<String, String>();
        facts.put("kernel_version", images.kernelVersion());
        facts.put("vmm_version", vmm.version());
        facts.put("agent_version", HostConfig.VERSION);
        facts.put("guest_agent_version", HostConfig.VERSION);
        if (config.archive().isPresent()) {
            facts.put("durable", Boolean.toString(isDurable(record, state)));
        }
        return facts;
    }

    /** Whether all of a capsule would survive the loss of this machine. */
    private boolean isDurable(CapsuleRecord record, CapsuleState state) {
        return state instanceof CapsuleState.Paused
                && store.isDurable(new SnapshotId(record.snapshot()));
    }

    /** The writable root disk of a capsule. */
    Path diskOf(String capsule) {
        return diskFolder.resolve(capsule + DISK_SUFFIX);
    }

    /** Whose run it is that keeps that entry in the disk folder. */
    static String ownerOf(Path entry) {
        var name = String.valueOf(entry.getFileName());
        return name.endsWith(DISK_SUFFIX) || name.endsWith(SCRATCH_SUFFIX)
                ? name.substring(0, name.lastIndexOf('.'))
                : name;
    }

    /** The virtual machine of a run; the same for a boot and for a restore of what it booted. */
    VmSpec machine(String capsule, Slot slot, int vcpus, ByteSize memory) {
        var folder = journal.runFolder(capsule);
        return new VmSpec(
                capsule,
                folder,
                vcpus,
                memory,
                diskOf(capsule),
                diskFolder.resolve(capsule + SCRATCH_SUFFIX),
                slot.namespace(),
                slot.tap(),
                slot.macAddress(),
                folder.resolve("pages.sock"));
    }

    /** The guest agent of a run, over connections of its own: a slot's address is used again. */
    GuestAgent guest(Slot slot, ProcessIdentity run, Secret token) {
        return new GuestAgent(http, slot.hostAddress(), GuestAgent.PORT, run, token);
    }

    /** What a cold boot starts; the arguments are those that the guest agent reads as PID 1. */
    BootSource bootSource() {
        return new BootSource(
                images.kernel(),
                images.initrd(),
                "wrenn.root=/dev/vda wrenn.ip=%s/%d wrenn.gw=%s wrenn.dns=%s"
                        .formatted(
                                Slot.GUEST_ADDRESS,
                                Slot.PREFIX_LENGTH,
                                Slot.GATEWAY_ADDRESS,
                                String.join(",", Slot.GUEST_RESOLVERS)));
    }

    /** Names what guests boot from: another kernel or agent makes another name. */
    public String imagesName() {
        return images.kernel().getFileName() + "+" + images.initrd().getFileName();
    }
}
